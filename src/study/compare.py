"""A comparison: every variant on the same seeds through the one loop, then verdicts from the folders alone.

What is done is known by the recipe itself: a trial counts for a variant and a seed when its recipe is the variant's
with that seed. So a changed study file never mixes old results with new ones, more seeds or variants only add to what
is there, and two variants that are the same recipe share their trials.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from study import space
from study.conduct import Options, conduct
from study.errors import InputError
from study.journal import Journal
from study.recipe import Recipe, fingerprint
from study.stats import intervals, sequential, verdicts

if TYPE_CHECKING:
    import threading
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from study.definition import Overrides, Published, Study
    from study.journal import TrialFolder
    from study.progress import Progress
    from study.settings import Settings
    from study.trials import Candidate, Trials

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
        as_expected: whether the published figure lies where one more run of ours would, with 95 %; None if unknown.
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
    baseline = against or ("baseline" if "baseline" in study.variants else next(iter(names), ""))
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
    if "seed" not in type(study.recipe).model_fields:
        raise InputError(f"{study.name}: its recipe has no knob `seed`, so its variants cannot be compared over seeds")
    return Question(variants=tuple(names), against=baseline, seeds=number, until_sure=until_sure, smallest=smallest)


def compared(study: Study) -> Study:
    """Make the study whose trials the comparison's are: its own name, `final` applied, judged on the test split."""
    finals = replace(study, name=f"{study.name}-compare", recipe=study.recipe_for(study.final), space=None)
    if isinstance(finals.recipe, Recipe) and not finals.recipe.val_fraction:
        finals = replace(finals, metric=study.metric.replace("val_", "train_"))  # there is no validation to follow
    return finals


def run(
    study: Study, settings: Settings, options: Options, question: Question, stop: threading.Event
) -> Iterator[Progress]:
    """Run what the table still lacks; iterate to make it go on. Raises as `search.run`."""
    from study.prepare import check_recipes  # noqa: PLC0415 - torch

    options.check()
    finals = compared(study)
    finals = replace(finals, variants={name: study.variants[name] for name in question.variants})
    data = check_recipes(finals, space.probe(finals), options.device)
    definition = space.describe(replace(finals, variants={}), space.Space({}, []), data=data)
    journal = Journal(settings.study_folder(finals.name))
    pairs = Pairs(finals, question, Results(journal, finals))
    yield from conduct(finals, settings, options, stop, pairs, definition, test=True)


@dataclass(slots=True)
class Results:
    """What the folders know, by recipe; read again only where a trial had not ended."""

    journal: Journal
    study: Study
    numbers: dict[str, int] = field(default_factory=dict[str, int])
    ended: dict[int, tuple[float, float]] = field(default_factory=dict[int, tuple[float, float]])
    diverged: set[int] = field(default_factory=set[int])
    read: set[int] = field(default_factory=set[int])

    def refresh(self) -> None:
        """Read folders that are new, and those that had not ended."""
        for folder in self.journal.trials():
            if folder.number not in self.read:
                self.read.add(folder.number)
                recipe = type(self.study.recipe).model_validate(folder.recipe())
                self.numbers.setdefault(fingerprint(recipe), folder.number)
            if folder.number not in self.ended:
                self._read_end(folder)

    def _read_end(self, folder: TrialFolder) -> None:
        history = folder.history()
        if history.ended is None:
            return
        seconds = sum(epoch.seconds for epoch in history.epochs)
        value = history.ended.value
        if history.ended.state == "failed" or value is None:
            value = math.nan
        if history.ended.state == "pruned":  # nothing but divergence ends a training of a comparison early
            value = self._guessing()
            self.diverged.add(folder.number)
        self.ended[folder.number] = (value, seconds)

    def _guessing(self) -> float:
        """The accuracy of a network that has diverged."""
        from study import packs  # noqa: PLC0415 - only where there is data

        pack = packs.find(self.study.recipe.dataset) if isinstance(self.study.recipe, Recipe) else None
        return 1 / len(pack.classes) if pack else math.nan

    def number(self, overrides: Overrides) -> int | None:
        """Find the trial of a recipe."""
        return self.numbers.get(fingerprint(self.study.recipe_for(overrides)))


@dataclass(frozen=True, slots=True)
class Pairs:
    """The source of a comparison: one seed after the other, all variants on each, so that every look is paired."""

    study: Study
    question: Question
    results: Results

    def overrides(self, variant: str, turn: int) -> dict[str, Any]:
        """Give the overrides of a variant on one of the seeds, counted from 0 on from the recipe's own."""
        seed = self.study.recipe.model_dump()["seed"]
        return {**self.study.variants[variant], "seed": seed + turn}

    def members(self, turn: int) -> tuple[str, ...] | None:
        """Give the variants that the turn needs; None while it depends on trials that have not ended."""
        names = self.question.variants
        if not self.question.until_sure or turn < FIRST_LOOK:
            return names
        before = self.members(turn - 1)
        if not before:
            return before
        values = values_of(self, turn)
        if any(self._unended(name, turn - 1) for name in before):
            return None
        others = [name for name in names if name != self.question.against]
        judged = judge(self.question, values, others, self.study.direction, _step(self.study))
        open_ones = [name for name in others if name in before and judged[name].verdict == "not enough seeds"]
        return (self.question.against, *open_ones) if open_ones else ()

    def _unended(self, variant: str, turn: int) -> bool:
        number = self.results.number(self.overrides(variant, turn))
        return number is None or number not in self.results.ended

    def lacking(self) -> Iterator[tuple[str, int]]:
        """Yield what is to be run, as far as it is known now."""
        self.results.refresh()
        for turn in range(self.question.seeds):
            names = self.members(turn)
            if not names:
                return
            for name in names:
                if self._unended(name, turn):
                    yield name, turn

    def target(self, trials: Trials) -> int:
        """Give the number of finished trials in the end: with `until_sure` at most."""
        wanted = {
            fingerprint(self.study.recipe_for(self.overrides(name, turn)))
            for name in self.question.variants
            for turn in range(self.question.seeds)
        }
        others = sum(number in self.results.ended for key, number in self.results.numbers.items() if key not in wanted)
        return max(len(wanted) + others, trials.finished())

    def is_done(self, trials: Trials) -> bool:  # noqa: ARG002 - the folders know
        """Tell whether the table is complete."""
        return next(self.lacking(), None) is None

    def next(self, trials: Trials, under_way: Collection[int]) -> Candidate | None:
        """Give the next trial to run."""
        for name, turn in self.lacking():
            overrides = self.overrides(name, turn)
            number = self.results.number(overrides)
            if number is None:
                return trials.fixed(overrides, name)
            if number not in under_way:
                return trials.left(number)
        return None

    def may_prune(self, candidate: Candidate) -> bool:  # noqa: ARG002 - whatever it is
        """Every training of a comparison runs to its end."""
        return False


def values_of(pairs: Pairs, turns: int) -> dict[str, NDArray[np.float64]]:
    """Collect each variant's figures on the first so many seeds; NaN where there is none."""
    table: dict[str, NDArray[np.float64]] = {}
    for name in pairs.question.variants:
        numbers = [pairs.results.number(pairs.overrides(name, turn)) for turn in range(turns)]
        ended = pairs.results.ended
        table[name] = np.array([ended[n][0] if n in ended else math.nan for n in numbers])  # pyright: ignore[reportArgumentType]
    return table


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
    finals = replace(compared(study), variants={name: study.variants[name] for name in question.variants})
    pairs = Pairs(finals, question, Results(Journal(settings.study_folder(finals.name)), finals))
    pairs.results.refresh()
    values = values_of(pairs, question.seeds)
    others = [name for name in question.variants if name != question.against]
    judged = judge(question, values, others, study.direction, _step(finals))
    return [_row(pairs, name, values[name], judged.get(name)) for name in question.variants]


def curves(study: Study, settings: Settings, question: Question) -> dict[str, list[list[float]]]:
    """Read, for each variant and seed, the metric after every epoch."""
    finals = replace(compared(study), variants={name: study.variants[name] for name in question.variants})
    pairs = Pairs(finals, question, Results(Journal(settings.study_folder(finals.name)), finals))
    pairs.results.refresh()
    found: dict[str, list[list[float]]] = {}
    for name in question.variants:
        numbers = [pairs.results.number(pairs.overrides(name, turn)) for turn in range(question.seeds)]
        logs = [pairs.results.journal.trial(number).history() for number in numbers if number is not None]
        found[name] = [[epoch.metrics[finals.metric] for epoch in log.epochs] for log in logs]
    return found


def _row(pairs: Pairs, name: str, values: NDArray[np.float64], comparison: verdicts.Comparison | None) -> Row:
    numbers = [pairs.results.number(pairs.overrides(name, turn)) for turn in range(len(values))]
    seconds = [pairs.results.ended[n][1] for n in numbers if n in pairs.results.ended]
    there = values[~np.isnan(values)]
    published = pairs.study.published.get(name)
    expected = intervals.single_run(there) if published and len(there) > 1 else None
    return Row(
        variant=name,
        values=values.tolist(),
        mean=intervals.mean(there) if len(there) else None,
        comparison=comparison,
        published=published,
        as_expected=expected.low <= published.value <= expected.high if published and expected else None,
        seconds=float(np.mean(seconds)) if seconds else math.nan,
        diverged=sum(n in pairs.results.diverged for n in numbers),
    )


def _step(study: Study) -> float:
    """Give the grain of the figure: an accuracy over n test examples moves in steps of 1/n."""
    from study import packs  # noqa: PLC0415 - only where there is data

    pack = packs.find(study.recipe.dataset) if isinstance(study.recipe, Recipe) else None
    return 1 / pack.test if pack and "accuracy" in study.metric else 0.0
