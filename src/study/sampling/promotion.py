"""Asynchronous successive halving that pauses trials instead of ending them (Li et al. 2020, algorithm 2).

A trial pauses after 1, 3, 9, ... epochs, its rungs, unless it is among the best third of all that got so far. A paused
one goes on once it is: as others disappoint, or more arrive. Everything follows from the trials' values and from which
are paused, so that a search that was killed decides the same.
"""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING

from optuna.pruners import BasePruner

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

FACTOR = 3  # of a rung, one trial in so many goes on; and the ratio of the epochs of two rungs


class PromotionPruner(BasePruner):
    """Says which trials pause, and which of the paused ones go on."""

    def __init__(self) -> None:
        """Begin without trials; their full length is unknown."""
        self.length: int | None = None  # epochs of a full training; the last rung is a factor below
        self.sign = -1  # 1 if values are to be small
        self.paused: dict[int, int] = {}  # epochs that it was trained, by number of a paused trial
        self._rungs: dict[int, list[tuple[float, int]]] = {}  # value, negative if it is to be large, and number; sorted
        self._there: set[tuple[int, int]] = set()  # rung and number of what is in there
        self._promoted: set[tuple[int, int]] = set()  # rung and number of what goes on for good

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:  # noqa: ARG002 - Optuna's signature
        """Tell whether the trial is to pause after its last epoch."""
        rung = trial.last_step
        if rung is None or not self._is_rung(rung):
            return False
        self.enter(trial)
        if (rung, trial.number) in self._promoted:
            return False
        if trial.number in self._best(rung):
            self._promoted.add((rung, trial.number))
            return False
        return True

    def enter(self, trial: FrozenTrial) -> None:
        """Enter a trial's values at the rungs that it has reached."""
        for epoch, value in trial.intermediate_values.items():
            if self._is_rung(epoch) and (epoch, trial.number) not in self._there and value == value:  # noqa: PLR0124 - NaN
                self._there.add((epoch, trial.number))
                insort(self._rungs.setdefault(epoch, []), (self.sign * value, trial.number))

    def next(self) -> int | None:
        """Give the paused trial that goes on: the best one of the highest rung where there is one to go on."""
        for rung in sorted(self._rungs, reverse=True):
            for number in self._best(rung):
                if self.paused.get(number) == rung:
                    return self._go_on(number)
        return None

    def best(self) -> int | None:
        """Give the best paused trial of the highest rung to go on, whatever its rank; None if none is paused."""
        for rung in sorted(self._rungs, reverse=True):
            for _, number in self._rungs[rung]:
                if self.paused.get(number) == rung:
                    return self._go_on(number)
        return None

    def _go_on(self, number: int) -> int:
        self._promoted.add((self.paused.pop(number), number))
        return number

    def _best(self, rung: int) -> list[int]:
        """List the numbers of a rung's best third."""
        reached = self._rungs.get(rung, [])
        return [number for _, number in reached[: len(reached) // FACTOR]]

    def _is_rung(self, epoch: int) -> bool:
        if self.length is not None and epoch * FACTOR > self.length:
            return False
        while epoch % FACTOR == 0:
            epoch //= FACTOR
        return epoch == 1
