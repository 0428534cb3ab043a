"""Computes intervals for new examples from the test examples that each final training got right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from study.errors import Damaged
from study.record import correct
from study.stats import examples
from study.stats.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from study.questions.replicates import Pairs


def of_mean(found: Pairs, arm: str, seeds: Interval) -> Interval | None:
    """Widen the interval of an arm's mean over seeds to account for the sampling of test examples.

    Args:
        found: trials of the arms.
        arm: name of the arm.
        seeds: interval over seeds, in the metric's unit.

    Returns:
        The interval; None for a metric other than test accuracy, and if a training did not store which examples it
        got right, as in folders of older versions.

    """
    whole = found.design.study.objective.seen(found.values()[arm].tolist()).whole
    bits = _bits(found, [arm])
    return None if bits is None else _scaled(examples.of_mean(_scaled(seeds, 1 / whole), bits[0]), whole)


def of_difference(found: Pairs, arm: str, baseline: str, seeds: Interval, family: int = 1) -> Interval | None:
    """Widen the interval of an arm's paired difference over seeds, as `of_mean` does.

    Args:
        found: trials of the arms.
        arm: name of the arm.
        baseline: name of the other arm.
        seeds: interval over seeds, in the metric's unit.
        family: number of comparisons that the interval is simultaneous for.

    """
    if found.same(arm, baseline):
        return Interval(0.0, 0.0)
    whole = found.design.study.objective.seen(found.values()[arm].tolist()).whole
    bits = _bits(found, [arm, baseline])
    if bits is None:
        return None
    return _scaled(examples.of_difference(_scaled(seeds, 1 / whole), *bits, error=0.05 / family), whole)


def count(found: Pairs) -> int | None:
    """Return the number of test examples; None if no training stored it."""
    there = (bits for arm in found.design.arms for bits in _of_arm(found, arm).values() if bits is not None)
    return next((bits.size for bits in there), None)


def _bits(found: Pairs, arms: Sequence[str]) -> list[NDArray[np.bool_]] | None:
    """Stack what the arms got right on the seeds on which all of them ended; None unless all stored it."""
    if not (found.design.test and found.design.study.objective.is_accuracy):
        return None
    known = [_of_arm(found, arm) for arm in arms]
    seeds = [seed for seed in known[0] if all(seed in each for each in known)]
    stacks = [[each[seed] for seed in seeds] for each in known]
    if not seeds or any(bits is None or bits.size != _size(stacks) for stack in stacks for bits in stack):
        return None
    return [np.array(stack) for stack in stacks]


def _size(stacks: Sequence[Sequence[NDArray[np.bool_] | None]]) -> int:
    return next((bits.size for stack in stacks for bits in stack if bits is not None), 0)


def _of_arm(found: Pairs, arm: str) -> dict[int, NDArray[np.bool_] | None]:
    """Read what an arm got right on each seed on which it has a value."""
    ended = np.flatnonzero(np.isfinite(found.values()[arm])).tolist()
    return {seed: _read(found, number) for seed in ended if (number := found.trial(arm, seed)) is not None}


def _read(found: Pairs, number: int) -> NDArray[np.bool_] | None:
    try:
        return correct.read(found.results.trials[number].folder.correct)
    except Damaged:  # `study doctor` reports it
        return None


def _scaled(interval: Interval, factor: float) -> Interval:
    return Interval(interval.low * factor, interval.high * factor)
