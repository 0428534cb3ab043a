"""The noise between seeds, as far as trainings of one recipe on several seeds have shown it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from study.recipe import SEEDS, SPLIT
from study.record import results
from study.stats import intervals, splitting

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from study.metric import Metric
    from study.record.family import Family, Kind
    from study.record.journal import Journal
    from study.record.trial import Trial

# Where the same recipe is run on several seeds; judged on validation data, as the search was, before on the test split.
REPEATED: tuple[Kind, ...] = ("confirm", "ablate", "compare", "final")


@dataclass(frozen=True, slots=True)
class Noise:
    """How far a seed moves a result.

    Args:
        sd: standard deviation between the seeds of one recipe, in the metric's unit, pooled over recipes.
        freedom: degrees of freedom that it rests on: trainings less recipes, and less what each split takes.
        recipes: how many.
        source: the study whose trainings tell it.
        splits: on how many splits, a seed on each; 1 where the seeds of a recipe share one.

    """

    sd: float
    freedom: int
    recipes: int
    source: str
    splits: int = 1

    @property
    def runs(self) -> int:
        """The number of trainings."""
        return self.freedom + self.recipes + self.splits - 1


def noise(family: Family, searched: Sequence[Trial] | None = None) -> Noise | None:
    """Read the noise between seeds of a study; None where no recipe has been run on two.

    Args:
        family: the study; those made for it that repeat its recipes are looked at first, then its own trials.
        searched: its own trials, if they have been read.

    Raises:
        StudyError: a damaged file; names it and its line.

    """
    held = _held(family.search)
    for journal in (*map(family.member, REPEATED), family.search):
        if not journal.trials() or _held(journal) != held:
            continue
        is_searched = journal.folder == family.search.folder
        trials = searched if searched is not None and is_searched else results.read(journal)
        metric, source = results.metric_of(journal, trials), journal.folder.name
        on_one = pooled([np.array([*each.values()]) for each in _values(trials, {"seed"})], metric)
        known = [on_one and Noise(*on_one, source), _over_splits(_values(trials, SEEDS), metric, source)]
        if found := [each for each in known if each]:
            return max(found, key=lambda each: each.freedom)
    return None


def _held(journal: Journal) -> dict[str, Any]:
    """What was held fixed by `--set`: trainings of another length, say, are noisy in another way."""
    fixed: dict[str, Any] = (journal.definition() or {}).get("fixed") or {}
    return {knob: value for knob, value in fixed.items() if knob != "seed"}


def _values(trials: Sequence[Trial], own: Collection[str]) -> list[dict[tuple[int, Any], float]]:
    """Collect the values of complete trials by recipe, one a seed and split: the same two again tell nothing.

    Args:
        trials: of one study.
        own: knobs that are no part of a recipe here.

    """
    groups: dict[str, dict[tuple[int, Any], float]] = {}
    for trial in trials:
        row, seed = trial.row, trial.recipe.get("seed")
        if seed is not None and row.state == "complete" and row.value is not None and math.isfinite(row.value):
            knobs = {knob: value for knob, value in trial.recipe.items() if knob not in own}
            groups.setdefault(json.dumps(knobs, sort_keys=True), {})[seed, trial.recipe.get(SPLIT)] = row.value
    return list(groups.values())


def _over_splits(groups: Sequence[dict[tuple[int, Any], float]], metric: Metric, source: str) -> Noise | None:
    """Tell the noise where each seed has a split of its own: that of the better half, two or more, on one split."""
    repeated = [each for each in groups if len(each) > 1]
    repeated.sort(key=lambda each: float(np.mean([*each.values()])), reverse=metric.sign > 0)
    kept = repeated[: max(2, (len(repeated) + 1) // 2)]
    columns = dict.fromkeys(column for each in kept for column in each)
    found = splitting.parts([[each.get(column, math.nan) for column in columns] for each in kept])
    if found is None:
        return None
    sd = max(found.seed, metric.step_in([value for each in repeated for value in each.values()]))
    freedom = (found.recipes - 1) * (found.splits - 1)
    return Noise(sd, freedom, found.recipes, source, found.splits) if sd else None


def pooled(groups: Sequence[NDArray[np.float64]], metric: Metric) -> tuple[float, int, int] | None:
    """Pool the standard deviation over the better half of the recipes that have two values or more.

    Recipes that hardly train, as with too high a rate, scatter far more than those that a search ends with.

    Args:
        groups: for each recipe its values, each of shape (seeds,).
        metric: whose values they are.

    Returns:
        Standard deviation, its degrees of freedom, and recipes; None without a recipe of two values, or if all values
        are equal.

    >>> import numpy as np
    >>> from study.metric import Metric
    >>> sd, freedom, recipes = pooled([np.array([0.9, 0.92]), np.array([0.1, 0.8])], Metric("score"))
    >>> round(sd, 4), freedom, recipes
    (0.0141, 1, 1)

    """
    repeated = sorted((values for values in groups if len(values) > 1), key=np.mean, reverse=metric.sign > 0)
    kept = [intervals.moments(values) for values in repeated[: (len(repeated) + 1) // 2]]
    freedom = sum(int(n) - 1 for n, _, _ in kept)
    if not freedom:
        return None
    spread = math.sqrt(sum((int(n) - 1) * float(sd) ** 2 for n, _, sd in kept) / freedom)
    sd = max(spread, metric.step_in(np.concatenate(repeated).tolist()))  # ties are no proof that seeds do nothing
    return (sd, freedom, len(kept)) if sd else None
