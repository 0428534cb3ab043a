"""Named arms on the same seeds through the one loop: what `compare`, `confirm` and `ablate` are made of.

What is done is known by the recipe itself: a trial counts for an arm and a seed when its recipe is the arm's with that
seed, on the data and by the metric of today. So changed recipes, data or metrics never mix old results with new ones,
more seeds or arms only add to what is there, and two arms that are the same recipe share their trials. What a person
changes inside a training or a network of their own is not seen: such results want another `--name`.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from study import environment
from study.definition import OUR_TRAIN
from study.errors import InputError
from study.formatting import plural
from study.progress import Notice, SearchStarted
from study.recipe import Recipe, fingerprint
from study.record.family import Family, name_of, parsed
from study.record.journal import Journal
from study.running.coordinator import conduct
from study.sampling import space

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from study.definition import Overrides, Study
    from study.options import Options
    from study.progress import Progress
    from study.record.family import Kind
    from study.record.journal import TrialFolder
    from study.sampling.trials import Candidate, Trials
    from study.settings import Settings

    Values = Mapping[str, NDArray[np.float64]]
    Narrow = Callable[[tuple[str, ...], Values], tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Which arms meet which seeds.

    Args:
        study: whose trials they are, under its own name.
        arms: overrides of the study's recipe, by name; the seed excepted.
        seeds: how many at most.
        first: the first seed, counted on from the recipe's own.
        test: whether each training is judged on the test split, not on validation data.
        narrow: gives the arms that still go on, from those that did and all arms' values on the seeds so far.
        look: seeds before it is first asked.

    """

    study: Study
    arms: Mapping[str, Overrides]
    seeds: int
    first: int = 0
    test: bool = False
    narrow: Narrow | None = None
    look: int = 1

    def overrides(self, arm: str, seed_index: int) -> dict[str, Any]:
        """Give the overrides of an arm on one of the seeds, counted from 0."""
        return {**self.arms[arm], "seed": self.study.recipe.model_dump()["seed"] + self.first + seed_index}

    def recipes(self) -> dict[str, str]:
        """Give the fingerprint of each arm's recipe, on the first seed."""
        return {name: fingerprint(self.study.recipe_for(self.overrides(name, 0))) for name in self.arms}


@dataclass(slots=True)
class Results:
    """What the folders know, by recipe; read again only where a trial had not ended."""

    journal: Journal
    study: Study
    data: Mapping[str, Any]
    numbers: dict[str, int] = field(default_factory=dict[str, int])
    ended: dict[int, tuple[float, float]] = field(default_factory=dict[int, tuple[float, float]])
    diverged: set[int] = field(default_factory=set[int])
    read: set[int] = field(default_factory=set[int])

    def refresh(self) -> None:
        """Read folders that are new, and those that had not ended."""
        for folder in self.journal.trials():
            if folder.number not in self.read:
                self.read.add(folder.number)
                about = folder.about()
                same_data = about.get("data", {}).get("sha256") == self.data.get("sha256")
                if about.get("metric") != self.study.metric or not same_data:
                    continue
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
        from study.data import packed  # noqa: PLC0415 - only where there is data

        pack = packed.find(self.study.recipe.dataset) if isinstance(self.study.recipe, Recipe) else None
        return 1 / len(pack.classes) if pack and self.study.objective.is_accuracy else math.nan


@dataclass(frozen=True, slots=True)
class Pairs:
    """The source of the trials: one seed after the other, all arms on each, so that every look is paired."""

    design: Design
    results: Results
    keys: dict[tuple[str, int], str] = field(default_factory=dict[tuple[str, int], str])
    met: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])  # arms by seed: what ended stays so

    @classmethod
    def of(cls, design: Design, settings: Settings, data: Mapping[str, Any] | None = None) -> Pairs:
        """Read what the folders know of a design; of the data that was last run on, if none are given."""
        journal = Journal(settings.study_folder(design.study.name))
        stored = (journal.definition() or {}).get("data", {})
        pairs = cls(design, Results(journal, design.study, stored if data is None else data))
        pairs.results.refresh()
        return pairs

    def trial(self, arm: str, seed_index: int) -> int | None:
        """Give the number of the trial of an arm and a seed; None before it is begun."""
        return self.results.numbers.get(self._key(arm, seed_index))

    def _key(self, arm: str, seed_index: int) -> str:
        if (arm, seed_index) not in self.keys:
            self.keys[arm, seed_index] = fingerprint(
                self.design.study.recipe_for(self.design.overrides(arm, seed_index))
            )
        return self.keys[arm, seed_index]

    def trials(self, arm: str) -> list[int]:
        """Give the numbers of the arm's trials that have ended, in the order of the seeds."""
        numbers = [self.trial(arm, seed_index) for seed_index in range(self.design.seeds)]
        return [number for number in numbers if number in self.results.ended]

    def values(self, seeds_so_far: int | None = None) -> dict[str, NDArray[np.float64]]:
        """Collect each arm's figures on the first so many seeds, of all by default; NaN where there is none."""
        ended, seeds_so_far = self.results.ended, self.design.seeds if seeds_so_far is None else seeds_so_far
        table: dict[str, NDArray[np.float64]] = {}
        for arm in self.design.arms:
            numbers = [self.trial(arm, seed_index) for seed_index in range(seeds_so_far)]
            table[arm] = np.array([ended[n][0] if n in ended else math.nan for n in numbers])  # pyright: ignore[reportArgumentType]
        return table

    def members(self, seed_index: int) -> tuple[str, ...] | None:
        """Give the arms that meet a seed; None while it depends on trials that have not ended."""
        if self.design.narrow is None:
            return tuple(self.design.arms)
        while (at := len(self.met)) <= seed_index:
            before = self.met[-1] if at >= self.design.look else tuple(self.design.arms)
            if before and at >= self.design.look:
                if any(self._unended(arm, at - 1) for arm in before):
                    return None
                before = self.design.narrow(before, self.values(at))
            self.met.append(before)
        return self.met[seed_index]

    def _unended(self, arm: str, seed_index: int) -> bool:
        return self.trial(arm, seed_index) not in self.results.ended

    def lacking(self) -> Iterator[tuple[str, int]]:
        """Yield what is to be run, as far as it is known now."""
        self.results.refresh()
        for seed_index in range(self.design.seeds):
            members = self.members(seed_index)
            if not members:
                return
            for arm in members:
                if self._unended(arm, seed_index):
                    yield arm, seed_index

    def complete(self) -> bool:
        """Tell whether nothing is left to run."""
        return next(self.lacking(), None) is None and all(
            self.members(seed_index) is not None for seed_index in range(self.design.seeds)
        )

    def target(self, trials: Trials) -> int:
        """Give the number of finished trials in the end: where arms may leave early, at most."""
        wanted = {self._key(arm, seed_index) for arm in self.design.arms for seed_index in range(self.design.seeds)}
        others = sum(number in self.results.ended for key, number in self.results.numbers.items() if key not in wanted)
        return max(len(wanted) + others, trials.finished())

    def is_done(self, trials: Trials) -> bool:  # noqa: ARG002 - the folders know
        """Tell whether the table is complete."""
        return next(self.lacking(), None) is None

    def next(self, trials: Trials, under_way: Collection[int]) -> Candidate | None:
        """Give the next trial to run."""
        for arm, seed_index in self.lacking():
            number = self.trial(arm, seed_index)
            if number is None:
                return trials.fixed(self.design.overrides(arm, seed_index), arm)
            if number not in under_way:
                return trials.left(number)
        return None

    def may_prune(self, candidate: Candidate) -> bool:  # noqa: ARG002 - whatever it is
        """Every training runs to its end."""
        return False


def run(
    design: Design,
    settings: Settings,
    options: Options,
    stop: threading.Event,
    question: Mapping[str, Any] | None = None,
) -> Iterator[Progress]:
    """Run what the design still lacks; iterate to make it go on. Raises as `search.run`.

    The question is stored beside the trials. Before it opens the test split, that is recorded, with a notice if it was
    open before.
    """
    from study.running.preflight import check_recipes  # noqa: PLC0415 - torch

    options.check()
    options = options.started()
    study = replace(design.study, variants=dict(design.arms), space=None)
    data = check_recipes(study, space.probe(study), options.device)
    everything = {"variants": {}, "all_variants": {name: dict(each) for name, each in design.study.variants.items()}}
    definition = space.describe(design.study, space.Space({}, []), **everything, data=data)
    pairs = Pairs.of(design, settings, data)
    for progress in conduct(study, settings, options, stop, pairs, definition, test=design.test, grouped=True):
        if question is not None and isinstance(progress, SearchStarted):
            pairs.results.journal.store_question(parsed(design.study.name)[1] or "run", question)
        yield progress
        if design.test and isinstance(progress, SearchStarted) and progress.slots:
            yield from _record_opening(design, settings, pairs.results.journal)


def _record_opening(design: Design, settings: Settings, journal: Journal) -> Iterator[Progress]:
    recipes = sorted(design.recipes().values())
    if any(each["recipes"] == recipes and each["seeds"] == design.seeds for each in journal.openings()):
        return  # the same look goes on
    before = Family.of(design.study.name, settings.home).looks()
    journal.record_opening(opening(design.study.name, recipes, design.seeds))
    if before:
        studies = dict.fromkeys(each["study"] for each in before)
        last = time.strftime("%Y-%m-%d %H:%M", time.localtime(before[-1]["time"]))
        yield Notice(
            f"the test split has been looked at before, {plural(len(before), 'time')}, in {', '.join(studies)}, "
            f"last on {last}; whoever chooses by these figures makes them look better than they are"
        )


def opening(name: str, recipes: Sequence[str], seeds: int) -> dict[str, Any]:
    """Describe a look at the test split: when, by which command, in which study, at which recipes."""
    return {
        "time": time.time(),
        "command": environment.command(),
        "study": name,
        "recipes": list(recipes),
        "seeds": seeds,
    }


def require_seed(study: Study) -> None:
    """See that the study can be repeated over seeds.

    Raises:
        InputError: its recipe has no seed.

    """
    if "seed" not in type(study.recipe).model_fields:
        raise InputError(f"{study.name}: its recipe has no knob `seed`, so nothing can be repeated over seeds")


def require_smallest(study: Study, smallest: float) -> None:
    """See that the smallest difference of interest is one of the metric.

    Raises:
        InputError: it is a whole accuracy or more: points were meant.

    """
    if study.train == OUR_TRAIN and smallest >= study.objective.whole:
        fix = f"An accuracy lies between 0 and 1: {smallest:g} points are --smallest {smallest / 100:g}."
        raise InputError(f"--smallest {smallest:g} is all that there is", fix=fix)


def judged_on_test(study: Study, kind: Kind) -> Study:
    """Make the study whose trials are judged on the test split: its own name, `final` applied to its recipe."""
    recipe = study.recipe_for(study.final)
    finals = replace(study.free_seed(), name=name_of(study.name, kind), recipe=recipe, space=None)
    if isinstance(finals.recipe, Recipe) and not finals.recipe.val_fraction:
        finals = replace(finals, metric=study.objective.on("train").name)  # there is no validation to follow
    return finals


def resolution(study: Study, *, test: bool) -> float:
    """Give the step in which the figure moves: 1/n for an accuracy over n examples, else 0."""
    from study.data import packed  # noqa: PLC0415 - only where there is data

    if not isinstance(study.recipe, Recipe):
        return 0.0
    pack = packed.find(study.recipe.dataset)
    number = (pack.test if test else round(pack.train * study.recipe.val_fraction)) if pack else 0
    return study.objective.resolution(number)
