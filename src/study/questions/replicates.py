"""Trains named arms on the same seeds: the common part of `compare`, `confirm` and `ablate`.

A trial counts for an arm and a seed if its recipe is the arm's with that seed, on the current data and metric. So old
results never mix with those of a changed recipe, data set or metric; more seeds or arms add to existing results; and
two arms with the same recipe share their trials. Changes in a custom training or network are not detected: they need
another `--name`.
"""

from __future__ import annotations

import math
import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from study import environment
from study.definition import OUR_TRAIN
from study.errors import InputError
from study.formatting import plural
from study.imports import reference_to
from study.progress import Notice, Preparing, SearchStarted
from study.questions import judging
from study.questions.recipe_results import RecipeResults
from study.recipe import SPLIT, fingerprint
from study.record import results
from study.record.family import Family, parsed
from study.record.journal import Journal
from study.running.coordinator import conduct
from study.running.preflight import check_recipes
from study.sampling import space
from study.stats import failures

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from study.definition import Overrides, Study
    from study.options import Options
    from study.progress import Progress
    from study.sampling.trials import NextTrial, Trials
    from study.settings import Settings
    from study.stats.failures import Failures

    Values = Mapping[str, NDArray[np.float64]]
    Failed = Mapping[str, NDArray[np.bool_]]
    Narrow = Callable[[tuple[str, ...], Values, Failed], tuple[str, ...]]


SAME_LOOK = (
    "recipes",
    "seeds",
    "until_sure",
    "resplit",
)  # looks that agree in these are one; older ones lack the last two


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """The plan of which arms are trained on which seeds.

    Args:
        study: the study that stores the trials.
        arms: overrides of the study's recipe, by name, without the seed.
        seeds: largest number of seeds.
        first: added to the recipe's own seed to get the first seed.
        test: whether each training is evaluated on the test split; otherwise on validation data.
        narrow: chooses the arms that continue, from the current ones, all values on the seeds so far, and which
            trainings failed; None continues all.
        look: number of seeds before `narrow` is first called.
        resplit: whether each seed has a split of its own, the same for all arms.
        left_out: number of seeds, from the first one, that are left out.

    """

    study: Study
    arms: Mapping[str, Overrides]
    seeds: int
    first: int = 0
    test: bool = False
    narrow: Narrow | None = None
    look: int = 1
    resplit: bool = False
    left_out: int = 0

    def overrides(self, arm: str, seed_index: int) -> dict[str, Any]:
        """Return the overrides of an arm for a seed, by the seed's index from 0."""
        knobs, further = self.study.recipe.model_dump(), self.first + self.left_out + seed_index
        split = {SPLIT: knobs[SPLIT] + further} if self.resplit else {}
        return {**self.arms[arm], **split, "seed": knobs["seed"] + further}

    def recipes(self) -> dict[str, str]:
        """Compute the fingerprint of each arm's recipe with the first seed, also if that is left out."""
        return {name: fingerprint(self.study.recipe_for(self.overrides(name, -self.left_out))) for name in self.arms}


@dataclass(frozen=True, slots=True)
class Pairs:
    """The source of a design's trials: seed by seed, all arms on each, so that all values are paired."""

    design: Design
    results: RecipeResults
    keys: dict[tuple[str, int], str] = field(default_factory=dict[tuple[str, int], str])
    arms_by_seed: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])  # final once chosen
    at_once: ClassVar[bool] = False  # the folders say what is missing

    @classmethod
    def of(cls, design: Design, settings: Settings, data: Mapping[str, Any] | None = None) -> Pairs:
        """Read a design's results from the folders, for the given data or the data of the latest run."""
        journal = Journal(settings.study_folder(design.study.name))
        definition = journal.definition()
        if definition and design.test and not design.study.test:  # recorded: whether a custom training has a test
            design = replace(design, study=replace(design.study, test=results.metric_of(journal).of_test))
        stored = (definition or {}).get("data", {})
        pairs = cls(design, RecipeResults(journal, design.study, stored if data is None else data))
        pairs.results.refresh()
        return pairs

    def trial(self, arm: str, seed_index: int) -> int | None:
        """Find the trial number of an arm and a seed; None before the trial exists."""
        return self.results.numbers.get(self._key(arm, seed_index))

    def _key(self, arm: str, seed_index: int) -> str:
        if (arm, seed_index) not in self.keys:
            self.keys[arm, seed_index] = fingerprint(
                self.design.study.recipe_for(self.design.overrides(arm, seed_index))
            )
        return self.keys[arm, seed_index]

    def trials(self, arm: str) -> list[int]:
        """List the numbers of an arm's ended trials, in the order of the seeds."""
        numbers = [self.trial(arm, seed_index) for seed_index in range(self.design.seeds)]
        return [number for number in numbers if number in self.results.values]

    def values(self, seeds_so_far: int | None = None) -> dict[str, NDArray[np.float64]]:
        """Collect each arm's values on the first `seeds_so_far` seeds, all if None; NaN for a missing value."""
        seeds = range(self.design.seeds if seeds_so_far is None else seeds_so_far)
        return {arm: np.array([self._value(arm, seed_index) for seed_index in seeds]) for arm in self.design.arms}

    def _value(self, arm: str, seed_index: int) -> float:
        number = self.trial(arm, seed_index)
        return math.nan if number is None else self.results.values.get(number, math.nan)

    def failed(self, seeds_so_far: int | None = None) -> dict[str, NDArray[np.bool_]]:
        """Return for each arm which trainings on the first `seeds_so_far` seeds ended without a value; see `values`."""
        seeds = range(self.design.seeds if seeds_so_far is None else seeds_so_far)
        return {
            arm: np.array([self.results.failed(self.trial(arm, seed)) for seed in seeds], dtype=np.bool_)
            for arm in self.design.arms
        }

    def failures(self, arm: str) -> Failures:
        """Count the failed trainings of an arm, among those that have ended."""
        return failures.count([self.results.failed(number) for number in self.trials(arm)])

    def step(self) -> float:
        """The resolution of the metric; for a custom accuracy, as far as its values show it."""
        values = np.concatenate([*self.values().values()])
        return judging.resolution(self.design.study, values, test=self.design.test)

    def same(self, arm: str, other: str) -> bool:
        """Tell whether two arms are the same recipe, by their fingerprints."""
        return self._key(arm, 0) == self._key(other, 0)

    def members(self, seed_index: int) -> tuple[str, ...] | None:
        """List the arms that are trained on a seed; None while this depends on trials that have not ended."""
        if self.design.narrow is None:
            return tuple(self.design.arms)
        while (at := len(self.arms_by_seed)) <= seed_index:
            before = self.arms_by_seed[-1] if at >= self.design.look else tuple(self.design.arms)
            if before and at >= self.design.look:
                if any(self._unended(arm, seed) for arm in before for seed in range(at)):
                    return None
                before = self.design.narrow(before, self.values(at), self.failed(at))
            self.arms_by_seed.append(before)
        return self.arms_by_seed[seed_index]

    def _unended(self, arm: str, seed_index: int) -> bool:
        return self.trial(arm, seed_index) not in self.results.values

    def missing(self) -> Iterator[tuple[str, int]]:
        """Yield the arms and seed indices still to run, as far as they are known."""
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
        left = next(self.missing(), None)
        return left is None and all(self.members(seed_index) is not None for seed_index in range(self.design.seeds))

    def target(self, trials: Trials) -> int:
        """Return the number of finished trials at the end; an upper bound if arms may be dropped early."""
        wanted = {self._key(arm, seed_index) for arm in self.design.arms for seed_index in range(self.design.seeds)}
        others = sum(number in self.results.values for key, number in self.results.numbers.items() if key not in wanted)
        return max(len(wanted) + others, trials.finished())

    def is_done(self, trials: Trials) -> bool:  # noqa: ARG002 - the folders know
        """Tell whether the table is complete."""
        return next(self.missing(), None) is None

    def next(self, trials: Trials, under_way: Collection[int]) -> NextTrial | None:
        """Return the next trial to run."""
        for arm, seed_index in self.missing():
            number = self.trial(arm, seed_index)
            if number is None:
                return trials.fixed(self.design.overrides(arm, seed_index), arm)
            if number not in under_way:
                return trials.left(number)
        return None

    def may_prune(self, trial: NextTrial) -> bool:  # noqa: ARG002 - no trial may
        """Return False: every training runs to its end."""
        return False


def run(
    design: Design,
    settings: Settings,
    options: Options,
    stop: threading.Event,
    question: Mapping[str, Any] | None = None,
) -> Generator[Progress, None, Pairs]:
    """Run the missing trainings of a design; each iteration drives the run. Raises the errors of `search.run`.

    The question is stored next to the trials. Each use of the test split is recorded before it happens, with a notice
    if there were earlier ones.

    Returns:
        The design's trials.

    """
    options.check()
    options = options.started()
    if design.test and reference_to(design.study.train) != OUR_TRAIN:
        design = replace(design, study=replace(design.study, test=judging.can_test(design.study)))
    study = replace(design.study, variants=dict(design.arms), space=None)
    found = space.probe(study)
    yield Preparing("loading torch in the workers")
    with closing(options.make_executor()) as executor:
        yield Preparing("checking the study, its recipes and its data")
        data = check_recipes(study, found, options.device, executor.call)
        pairs = Pairs.of(design, settings, data)
        progress = conduct(
            study, settings, options, executor, stop, pairs, _definition(design, data), test=design.test, grouped=True
        )
        yield from _recording(progress, design, settings, pairs.results.journal, question)
    pairs.results.refresh()
    return pairs


def _definition(design: Design, data: Mapping[str, Any]) -> dict[str, Any]:
    every = {name: dict(each) for name, each in design.study.variants.items()}
    return space.describe(design.study, space.Space({}, []), variants={}, all_variants=every, data=data)


def _recording(
    progress: Iterator[Progress],
    design: Design,
    settings: Settings,
    journal: Journal,
    question: Mapping[str, Any] | None,
) -> Iterator[Progress]:
    family = Family(parsed(design.study.name)[0], settings.home)
    for each in progress:
        if question is not None and isinstance(each, SearchStarted):
            journal.store_question(parsed(design.study.name)[1] or "run", question)
        yield each
        if isinstance(each, SearchStarted) and design.study.name == family.compare.folder.name:
            yield from judging.unlike_search(family)
        if design.test and isinstance(each, SearchStarted) and each.slots:
            yield from _record_opening(design, settings, journal)


def _record_opening(design: Design, settings: Settings, journal: Journal) -> Iterator[Progress]:
    recipes = sorted(design.recipes().values())
    look = opening(
        design.study.name, recipes, design.seeds, until_sure=design.narrow is not None, resplit=design.resplit
    )
    if any(all(each.get(key, look[key]) == look[key] for key in SAME_LOOK) for each in journal.openings()):
        return  # it continues
    before = Family.of(design.study.name, settings.home).looks()
    journal.record_opening(look)
    if before:
        studies = dict.fromkeys(each["study"] for each in before)
        last = time.strftime("%Y-%m-%d %H:%M", time.localtime(before[-1]["time"]))
        yield Notice(
            f"the test split has been looked at before, {plural(len(before), 'time')}, in {', '.join(studies)}, "
            f"last on {last}; choosing by these values makes them too optimistic"
        )


def opening(
    name: str, recipes: Sequence[str], seeds: int, *, until_sure: bool = False, resplit: bool = False
) -> dict[str, Any]:
    """Describe a use of the test split: time, command, study, recipes, number of seeds, and how they were run."""
    return {
        "time": time.time(),
        "command": environment.command(),
        "study": name,
        "recipes": list(recipes),
        "seeds": seeds,
        "until_sure": until_sure,
        "resplit": resplit,
    }


def require_seed(study: Study) -> None:
    """Check that the study can be repeated over seeds.

    Raises:
        InputError: its recipe has no seed.

    """
    if "seed" not in type(study.recipe).model_fields:
        raise InputError(f"{study.name}: its recipe has no knob `seed`, so nothing can be repeated over seeds")
