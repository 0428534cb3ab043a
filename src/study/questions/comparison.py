"""A comparison: every variant on the same seeds through the one loop, then verdicts from the folders alone."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from study.errors import InputError
from study.questions import replicates
from study.questions.replicates import Pairs, Plan
from study.record import family
from study.record.family import Family
from study.stats import intervals, sequential, verdicts

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from study.definition import Published, Study
    from study.options import Options
    from study.progress import Progress
    from study.settings import Settings

FIRST_LOOK = 3  # seeds before a first verdict of `until_sure`
CAP = 30  # seeds at most when none are given with `until_sure`


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is compared.

    Args:
        variants: names, in the order of the table.
        against: the baseline's name, one of the variants.
        seeds: how many; with `until_sure` at most.
        until_sure: stop a variant's seeds once its verdict is settled, by a test that may look after every seed.
        smallest: the smallest difference of interest, in the metric's unit (0.005 is half a point of accuracy).

    """

    variants: tuple[str, ...]
    against: str
    seeds: int = 10
    until_sure: bool = False
    smallest: float = 0.005


@dataclass(frozen=True, slots=True)
class Row:
    """One variant's line of the table.

    Args:
        variant: its name.
        values: its test figure by seed, in the order of the seeds; NaN where it is missing.
        mean: of the values, with Student's interval; None below one value.
        comparison: with the baseline; None for the baseline itself.
        published: what others have published for it.
        as_expected: whether the published figure lies where one more run of ours would, with 95 %; None if unknown, or
            where `--set` made it another recipe.
        seconds: mean of a training's wall-clock time.
        diverged: trainings that did; they count with the accuracy of guessing.

    """

    variant: str
    values: Sequence[float]
    mean: intervals.Mean | None
    comparison: verdicts.Comparison | None
    published: Published | None
    as_expected: bool | None
    seconds: float
    diverged: int


def ask(
    study: Study,
    variants: Sequence[str] | None = None,
    against: str | None = None,
    *,
    as_published: bool = False,
    seeds: int | None = None,
    until_sure: bool = False,
    smallest: float = 0.005,
) -> Question:
    """Settle what is compared.

    Args:
        study: whose variants they are.
        variants: names; None is all fair ones.
        against: the baseline; None is `baseline`, else the first variant.
        as_published: also the literal protocols of the publication.
        seeds: how many; None is 10, or at most 30 with `until_sure`.
        until_sure: as in `Question`.
        smallest: as in `Question`.

    Raises:
        InputError: an unknown variant, fewer than two, or too few seeds.

    """
    there = list(study.variants if as_published else study.fair_variants)
    names = list(variants) if variants else there
    baseline = against or family.baseline({name: study.variants.get(name, {}) for name in there}) or ""
    for name in (*names, baseline):
        if name not in study.variants:
            known = ", ".join(study.variants) or "none"
            raise InputError(f"{study.name} has no variant {name!r}", fix=f"There are: {known}.")
    names = list(dict.fromkeys([baseline, *names]))
    if len(names) < 2:
        raise InputError(f"{study.name}: there is nothing to compare with {baseline!r}")
    number = seeds if seeds is not None else CAP if until_sure else 10
    if number < 2:
        raise InputError(f"--seeds must be 2 or more, not {number}", fix="One seed decides nothing.")
    replicates.require_seed(study)
    replicates.require_smallest(study, smallest)
    return Question(variants=tuple(names), against=baseline, seeds=number, until_sure=until_sure, smallest=smallest)


def compared(study: Study) -> Study:
    """Make the study whose trials the comparison's are."""
    return replicates.judged_on_test(study, "compare")


def plan(study: Study, question: Question) -> Plan:
    """Say which variants meet which seeds."""
    finals = compared(study)
    step = replicates.resolution(finals, test=True)

    def open_ones(before: tuple[str, ...], values: Mapping[str, NDArray[np.float64]]) -> tuple[str, ...]:
        others = [name for name in question.variants if name != question.against]
        judged = judge(question, values, others, study.direction, step)
        unsettled = [name for name in others if name in before and judged[name].verdict == "not enough seeds"]
        return (question.against, *unsettled) if unsettled else ()

    return Plan(
        study=finals,
        arms={name: study.variants[name] for name in question.variants},
        seeds=question.seeds,
        test=True,
        narrow=open_ones if question.until_sure else None,
        look=FIRST_LOOK,
    )


def run(
    study: Study, settings: Settings, options: Options, question: Question, stop: threading.Event
) -> Iterator[Progress]:
    """Run what the table still lacks; iterate to make it go on. Raises as `search.run`."""
    planned = plan(study, question)
    asked = {**asdict(question), "variants": {name: dict(each) for name, each in planned.arms.items()}}
    yield from replicates.run(planned, settings, options, stop, asked)


def last_asked(study: Study, settings: Settings) -> tuple[Study, Question] | None:
    """Read what was last compared, and the study with those variants; None if nothing ever was."""
    stored = Family(study.name, settings.home).question("compare")
    if stored is None:
        return None
    variants = stored.pop("variants")
    return replace(study, variants=variants), Question(variants=tuple(variants), **stored)


def judge(
    question: Question,
    values: Mapping[str, NDArray[np.float64]],
    others: Sequence[str],
    direction: Any,
    step: float,
) -> dict[str, verdicts.Comparison]:
    """Compare the others with the baseline, by the test that the question promises."""
    test = sequential.compare if question.until_sure else verdicts.compare
    matrix = np.array([values[name] for name in others])
    found = test(matrix, values[question.against], direction=direction, smallest=question.smallest, step=step)
    return dict(zip(others, found, strict=True))


def table(study: Study, settings: Settings, question: Question) -> list[Row]:
    """Read the table from the folders, as far as it has come; always the same from the same folders."""
    found = Pairs.of(plan(study, question), settings)
    values = found.values()
    others = [name for name in question.variants if name != question.against]
    judged = judge(question, values, others, study.direction, replicates.resolution(found.plan.study, test=True))
    return [_row(found, name, values[name], judged.get(name)) for name in question.variants]


def curves(study: Study, settings: Settings, question: Question) -> dict[str, list[list[float]]]:
    """Read, for each variant and seed, the metric after every epoch."""
    found = Pairs.of(plan(study, question), settings)
    metric, journal = found.plan.study.metric, found.results.journal
    logs: dict[str, list[list[float]]] = {}
    for name in question.variants:
        numbers = [found.trial(name, turn) for turn in range(question.seeds)]
        histories = [journal.trial(number).history() for number in numbers if number is not None]
        logs[name] = [[epoch.metrics[metric] for epoch in history.epochs] for history in histories]
    return logs


def _row(found: Pairs, name: str, values: NDArray[np.float64], comparison: verdicts.Comparison | None) -> Row:
    numbers = found.trials(name)
    there = values[~np.isnan(values)]
    published = found.plan.study.published.get(name)
    return Row(
        variant=name,
        values=values.tolist(),
        mean=intervals.mean(there) if len(there) else None,
        comparison=comparison,
        published=published,
        as_expected=intervals.single_run(there).contains(published.value, published.rounding)
        if published and len(there) > 1 and not found.plan.study.fixed
        else None,
        seconds=float(np.mean([found.results.ended[n][1] for n in numbers])) if numbers else math.nan,
        diverged=len(found.results.diverged.intersection(numbers)),
    )
