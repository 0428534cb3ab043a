"""Time to target: after how many epochs a training's metric reaches a value, judged over the seeds like final values.

A training that never reaches the target counts as the whole budget, which all variants share: the mean is then the
restricted mean time (Royston and Parmar 2013, "Restricted mean survival time", BMC Med. Res. Methodol. 13), and needs
no model of what a longer training would have done. One that fails first never reaches it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from study.definition import OUR_TRAIN
from study.errors import InputError
from study.metric import Metric
from study.questions import judging, publishing
from study.schemas import questions as schemas
from study.stats import intervals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from study.definition import Study
    from study.events import Epoch
    from study.questions.replicates import Pairs
    from study.record.history import History
    from study.stats.verdicts import Contrast

    Judge = Callable[[Mapping[str, NDArray[np.float64]]], dict[str, Contrast]]


UNIT = judging.Unit("minimize", 1.0, 1.0)  # whole epochs
EPOCHS = Metric("epochs", UNIT.direction)


@dataclass(frozen=True, slots=True)
class TargetRow:
    """How soon a variant's trainings reach the target.

    Args:
        variant: name of the variant.
        times: epochs until the target, in the order of the seeds; the budget where it is never reached, NaN for a
            missing training.
        reached: number of trainings that reach it.
        mean: of the times, with Student's interval; None without a training.
        seconds: mean duration of a training until then, or until its end.
        comparison: with the baseline; None for the baseline itself.

    """

    variant: str
    times: Sequence[float]
    reached: int
    mean: intervals.Mean | None
    seconds: float
    comparison: Contrast | None

    def record(self, budget: int) -> schemas.UntilTarget:
        """Return the row as a record; no mean lies outside the epochs that there are."""
        mean, contrast = self.mean, self.comparison
        judged: dict[str, Any] = publishing.judged(contrast, EPOCHS)
        judged["says"] = contrast.words(unit=" epoch") if contrast else None
        return schemas.UntilTarget(
            variant=self.variant,
            n=mean.n if mean else 0,
            reached=self.reached,
            mean=mean.value if mean else None,
            mean_low=max(mean.interval.low, 1.0) if mean else None,
            mean_high=min(mean.interval.high, budget) if mean else None,
            **judged,
            seconds=self.seconds,
            values=list(self.times),
        )


@dataclass(frozen=True, slots=True)
class TimeToTarget:
    """How soon the variants of a comparison reach a target.

    Args:
        metric: whose value is the target; that of validation data, of training data where a training has no other.
        target: the value.
        budget: number of epochs that every variant has.
        variants: one row per variant.

    """

    metric: Metric
    target: float
    budget: int
    variants: tuple[TargetRow, ...]

    def record(self) -> schemas.TimeToTarget:
        """Return it as a record."""
        rows = [row.record(self.budget) for row in self.variants]
        return schemas.TimeToTarget(**self.metric.asked(), target=self.target, budget=self.budget, variants=rows)


def require(study: Study, target: float | None) -> None:
    """Check that a target can be reached.

    Raises:
        InputError: it is not a number, or an accuracy of more than 1, which was probably meant in per cent.

    """
    if target is None:
        return
    if not math.isfinite(target):
        raise InputError(f"--target must be a number, not {target}")
    if study.train == OUR_TRAIN and target > study.objective.whole:
        fix = f"An accuracy lies between 0 and 1: {target:g} % are --target {target / 100:g}."
        raise InputError(f"--target {target:g} is above the whole range of an accuracy", fix=fix)


def of(found: Pairs, target: float | None, judge: Judge) -> TimeToTarget | None:
    """Measure how soon each variant reaches the target; None if none was asked for, or no training has ended.

    Args:
        found: trials of the comparison.
        target: value of the metric on validation data.
        judge: compares the times of all variants with the baseline's.

    """
    budget = _budget(found) if target is not None else 0
    if target is None or not budget:
        return None
    histories = {name: _histories(found, name) for name in found.design.arms}
    metric = _measured(found.design.study.followed, histories, target)
    firsts = {
        name: np.array([first(history.epochs[:budget], metric, target) if history else math.nan for history in each])
        for name, each in histories.items()
    }
    contrasts = judge({name: np.minimum(each, budget) for name, each in firsts.items()})
    rows = [_row(name, histories[name], firsts[name], budget, contrasts.get(name)) for name in found.design.arms]
    return TimeToTarget(metric=metric, target=target, budget=budget, variants=tuple(rows))


def _measured(metric: Metric, histories: Mapping[str, Sequence[History | None]], target: float) -> Metric:
    """Learn the unit of the metric from its values and the target."""
    known = (history for each in histories.values() for history in each if history)
    return metric.seen([target, *(epoch.metrics.get(metric.name, math.nan) for each in known for epoch in each.epochs)])


def _row(
    name: str,
    histories: Sequence[History | None],
    firsts: NDArray[np.float64],
    budget: int,
    comparison: Contrast | None,
) -> TargetRow:
    times = np.minimum(firsts, budget)
    seconds = [
        sum(epoch.seconds for epoch in history.epochs if epoch.number <= until)
        for history, until in zip(histories, times, strict=True)
        if history
    ]
    there = times[~np.isnan(times)]
    return TargetRow(
        variant=name,
        times=times.tolist(),
        reached=int(np.isfinite(firsts).sum()),
        mean=intervals.mean(there, step=UNIT.step) if len(there) else None,
        seconds=float(np.mean(seconds)) if seconds else math.nan,
        comparison=comparison,
    )


def _budget(found: Pairs) -> int:
    """Find the number of epochs that a whole training of every variant has; 0 before each has one that ended well."""
    values, trials = found.results.values, found.results.trials
    return min(
        max((len(trials[each].history.epochs) for each in found.trials(name) if math.isfinite(values[each])), default=0)
        for name in found.design.arms
    )


def _histories(found: Pairs, name: str) -> list[History | None]:
    """Read the history of each seed's training; None where it has not ended."""
    ended = set(found.trials(name))
    numbers = [found.trial(name, seed_index) for seed_index in range(found.design.seeds)]
    return [None if each not in ended else found.results.trials[each].history for each in numbers]


def first(epochs: Sequence[Epoch], metric: Metric, target: float) -> float:
    """Count the epochs until the metric reaches the target; infinity if it never does."""
    for count, epoch in enumerate(epochs, start=1):
        value = epoch.metrics.get(metric.name, math.nan)
        if metric.sign * value >= metric.sign * target:
            return count
    return math.inf
