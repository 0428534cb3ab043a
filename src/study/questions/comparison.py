"""Comparison: trains every variant on the same seeds, then judges the results from the folders alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from study.errors import InputError
from study.plots import figures, interactive
from study.questions import judging, new_examples, publishing, reaching, replicates, resplits
from study.questions.comparison_rows import VariantRow, row_of
from study.questions.looks import Earlier, earlier, found_by_search
from study.questions.replicates import Design, Pairs
from study.record import family
from study.record.family import Family
from study.schemas import questions as schemas
from study.text import questions as text
from study.text.shown import Shown

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator, Iterator, Mapping

    from numpy.typing import NDArray

    from study.definition import Study
    from study.metric import Metric
    from study.options import Options
    from study.progress import Progress
    from study.record.journal import Journal
    from study.settings import Settings
    from study.text.table import Block

FIRST_LOOK = 3  # number of seeds before the first verdict with `until_sure`
CAP = 30  # default of the largest number of seeds with `until_sure`


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonQuestion:
    """The question of a comparison.

    Args:
        variants: names of the variants, in the order of the table.
        against: name of the baseline, one of the variants.
        seeds: number of seeds; the largest number with `until_sure`.
        until_sure: whether a variant gets no more seeds once its verdict is settled, by a sequential test that may be
            evaluated after every seed.
        smallest: smallest difference of interest, in the metric's unit (0.005 is half a point of accuracy).
        resplit: whether each seed has a split of its own, the same for all variants.
        target: value of the metric on validation data, how soon it is reached being a second outcome; None without.

    """

    variants: tuple[str, ...]
    against: str
    seeds: int = 10
    until_sure: bool = False
    smallest: float = judging.SMALLEST
    resplit: bool = False
    target: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Shown, Sequence[VariantRow]):
    """The result of a comparison, complete or not: a sequence of its variants' rows.

    Args:
        study: name of the study.
        question: the question answered.
        metric: metric of the values, on the test split.
        variants: one row per variant, in the order of the question.
        fixed: knobs held fixed.
        examples: number of test examples; None if unknown.
        spread: between splits and between trainings on one split; None where that is not known.
        before: what was looked at before.
        found: variants that the search found, with their trials; if there are any, the search's seed is left out.
        time_to_target: the second outcome; None if it was not asked for.
        complete: whether all trainings have run; until then the test that holds at any time judges.

    """

    study: str
    question: ComparisonQuestion
    metric: Metric
    variants: tuple[VariantRow, ...]
    fixed: Mapping[str, Any]
    examples: int | None
    spread: schemas.Spread | None
    before: Earlier
    found: Mapping[str, int]
    complete: bool
    time_to_target: reaching.TimeToTarget | None = None

    def __len__(self) -> int:
        """Count the variants."""
        return len(self.variants)

    @overload
    def __getitem__(self, index: int) -> VariantRow: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[VariantRow]: ...
    def __getitem__(self, index: int | slice) -> VariantRow | Sequence[VariantRow]:
        """Return the row of a variant."""
        return self.variants[index]

    @property
    def family(self) -> int:
        """The number of comparisons that share the error: all variants ever looked at."""
        return len(self.question.variants) - 1 + self.before.others

    def record(self) -> schemas.Comparison:
        """Return the comparison as a record."""
        question, metric = self.question, self.metric
        return schemas.Comparison(
            study=self.study,
            **metric.asked(),
            complete=self.complete,
            against=question.against,
            seeds=question.seeds,
            until_sure=question.until_sure,
            resplit=question.resplit,
            spread=self.spread,
            look=1 + self.before.looks,
            family=self.family,
            found_by_search=dict(self.found),
            smallest=question.smallest,
            fixed=dict(self.fixed),
            examples=self.examples,
            variants=[row.record(metric) for row in self.variants],
            time_to_target=self.time_to_target and self.time_to_target.record(),
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return one flat row per variant."""
        rows = [row.record(self.metric).plain() for row in self.variants]
        return [{**row, "values": " ".join(f"{value!r}" for value in row["values"])} for row in rows]

    def blocks(self) -> list[Block]:
        """Describe the result in words."""
        return text.comparison(self.record())

    def figure(self) -> Any:
        """Draw the differences from the baseline as a plotly figure."""
        contrasts = {row.variant: row.comparison for row in self.variants if row.comparison}
        axis = f"difference to {self.question.against} on the test split"
        return interactive.forest(contrasts, self.metric, self.study, axis)


def ask(
    study: Study,
    variants: Sequence[str] | None = None,
    against: str | None = None,
    *,
    as_published: bool = False,
    seeds: int | None = None,
    until_sure: bool = False,
    smallest: float = judging.SMALLEST,
    resplit: bool = False,
    target: float | None = None,
) -> ComparisonQuestion:
    """Choose what to compare.

    Args:
        study: its variants are compared.
        variants: names of variants; None for all variants except the literal protocols of a publication.
        against: name of the baseline; None for the choice of `family.baseline`.
        as_published: whether to include the literal protocols of a publication.
        seeds: number of seeds; None for 10, or for at most 30 with `until_sure`.
        until_sure: see `ComparisonQuestion`.
        smallest: see `ComparisonQuestion`.
        resplit: as in `ComparisonQuestion`.
        target: as there.

    Raises:
        InputError: a variant is unknown, there are fewer than two variants or seeds, there is no other split, or the
            target cannot be.

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
    judging.require_seeds(number)
    replicates.require_seed(study)
    judging.require_smallest(study, smallest)
    reaching.require(study, target)
    return ComparisonQuestion(
        variants=tuple(names), against=baseline, seeds=number, until_sure=until_sure, smallest=smallest,
        resplit=resplits.chosen(judging.judged_on_test(study, "compare"), None, wanted=resplit, usual=False),
        target=target,
    )  # fmt: skip


def compared(study: Study) -> Study:
    """Return the study that stores the comparison's trials."""
    return judging.judged_on_test(study, "compare")


def design(study: Study, question: ComparisonQuestion, settings: Settings) -> Design:
    """Plan which variants are trained on which seeds."""
    finals, journal = compared(study), Family(study.name, settings.home).compare
    found = _found(study, question, Family(study.name, settings.home).search)

    def open_ones(
        before: tuple[str, ...],
        values: Mapping[str, NDArray[np.float64]],
        failed: Mapping[str, NDArray[np.bool_]],
    ) -> tuple[str, ...]:
        judged = judging.contrasts(question, values, finals, _before(laid_out, question, journal), failed)
        unsettled = [name for name, each in judged.items() if name in before and each.verdict == "not enough seeds"]
        return (question.against, *unsettled) if unsettled else ()

    laid_out = Design(
        study=finals,
        arms={name: study.variants[name] for name in question.variants},
        seeds=question.seeds,
        left_out=1 if found else 0,
        test=True,
        narrow=open_ones if question.until_sure else None,
        look=FIRST_LOOK,
        resplit=question.resplit,
    )
    return laid_out


def _found(study: Study, question: ComparisonQuestion, search: Journal) -> dict[str, int]:
    return found_by_search(study, [name for name in question.variants if name != question.against], search)


def _before(laid_out: Design, question: ComparisonQuestion, journal: Journal) -> Earlier:
    return earlier(laid_out, question.against, journal, until_sure=question.until_sure)


def run(
    study: Study, settings: Settings, options: Options, question: ComparisonQuestion, stop: threading.Event
) -> Generator[Progress, None, Comparison]:
    """Run the missing trainings, publish the complete result and return it; each iteration drives the run.

    Raises the errors of `search.run`.
    """
    designed = design(study, question, settings)
    asked = {**asdict(question), "variants": {name: dict(each) for name, each in designed.arms.items()}}
    pairs = yield from replicates.run(designed, settings, options, stop, asked)
    found = judged(study, question, pairs)
    if found.complete:
        yield from _publish(settings, options, found, pairs)
    return found


def _publish(settings: Settings, options: Options, found: Comparison, pairs: Pairs) -> Iterator[Progress]:
    question, metric, name = found.question, found.metric, found.study
    most = "at most " if question.until_sure else ""
    title = f"{name}: {most}{question.seeds} seeds, against {question.against}"
    contrasts = {row.variant: row.comparison for row in found if row.comparison}
    points = {row.variant: (row.seconds, row.mean) for row in found if row.mean}
    followed = replace(pairs.design.study.followed, in_percent=metric.in_percent)
    pictures = {
        "forest": figures.forest(contrasts, title, f"difference to {question.against} on the test split", metric),
        "curves": figures.curves(publishing.curves(pairs), followed, title),
        "cost": figures.cost(points, metric, f"{name}: what it reaches, what it costs"),
    }
    groups = {row.variant: publishing.over_seeds(row.record(metric).plain()) for row in found if row.mean}
    journal = Family(name, settings.home).compare
    yield from publishing.publish(settings, options, {journal: groups}, pictures, {"comparison.csv": found.to_csv()})


def last_asked(study: Study, settings: Settings) -> tuple[Study, ComparisonQuestion]:
    """Read the question of the latest comparison, and the study with its variants at that time.

    Raises:
        InputError: the study was never compared.

    """
    stored = Family(study.name, settings.home).question("compare")
    if stored is None:
        raise InputError(f"{study.name} has not been compared yet", fix=f"Run `study compare {study.name}`.")
    variants = stored.pop("variants")
    return replace(study, variants=variants), ComparisonQuestion(variants=tuple(variants), **stored)


def of(study: Study, settings: Settings, question: ComparisonQuestion) -> Comparison:
    """Read the result of a comparison so far from the folders."""
    return judged(study, question, Pairs.of(design(study, question, settings), settings))


def shown(study: Study, settings: Settings, **asked: Any) -> Comparison:
    """Read the result so far of the latest comparison, or of the one that the arguments ask for.

    Args:
        study: the study, as it was compared.
        settings: where its folders are.
        asked: arguments of `ask`.

    Raises:
        InputError: see `ask`; or there are no arguments, and the study was never compared.

    """
    study, question = (study, ask(study, **asked)) if asked else last_asked(study, settings)
    return of(study, settings, question)


def judged(study: Study, question: ComparisonQuestion, found: Pairs) -> Comparison:
    """Judge the trials of a comparison so far."""
    complete, values = found.complete(), found.values()  # in this order: another process may be training
    finals = found.design.study
    before = _before(found.design, question, found.results.journal)
    judge = partial(judging.contrasts, question, finals=finals, before=before, complete=complete)
    contrasts, step = judge(values, failed=found.failed()), found.step()
    measured = finals.objective.seen(np.concatenate(list(values.values())).tolist())
    return Comparison(
        study=study.name,
        question=question,
        metric=measured,
        variants=tuple(
            row_of(found, name, values, contrasts.get(name), against=question.against, step=step)
            for name in question.variants
        ),
        examples=new_examples.count(found),
        spread=resplits.spread(found),
        before=before,
        found=_found(study, question, Family(study.name, found.results.journal.home).search)
        if found.design.left_out
        else {},
        fixed=study.fixed,
        complete=complete,
        time_to_target=reaching.of(found, question.target, partial(judge, unit=reaching.UNIT)),
    )
