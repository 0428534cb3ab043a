"""Asynchronous successive halving that pauses trials instead of ending them (Li et al. 2020, algorithm 2).

A trial pauses at a rung of `study.sampling.rungs`, unless it is among the best third there. A paused one goes on once
it is: as others disappoint, or more arrive. All follows from the trials' values and their logs, so that a search that
was killed goes on by the same rule; a trial that went on at once and was killed before its next epoch is judged again.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from study.sampling.rungs import FACTOR, RUNGS, RungPruner

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial


class PromotionPruner(RungPruner):
    """Says which trials pause, and which of the paused ones go on."""

    def __init__(self) -> None:
        """Begin without trials; their full length is unknown."""
        super().__init__()
        self.paused: dict[int, int] = {}  # epochs that it was trained, by number of a paused trial
        self.promoted: set[tuple[int, int]] = set()  # rung and number of what goes on for good

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:  # noqa: ARG002 - Optuna's signature
        """Tell whether the trial is to pause after its last epoch; a last rung is a factor below the full length."""
        rung = trial.last_step
        if rung is None or rung not in RUNGS or (self.length is not None and rung * FACTOR > self.length):
            return False
        self.enter(trial)
        if (rung, trial.number) not in self.promoted and trial.number not in self._best(rung):
            return True
        self.promoted.add((rung, trial.number))
        return False

    def next(self, least: int = 0) -> int | None:
        """Give the paused trial that goes on, the best one of the highest rung where there is one; None without one.

        Args:
            least: number of a rung's trials that go on, however few a third of them are.

        """
        for rung in sorted(self._rungs, reverse=True):
            for number in self._best(rung, least):
                if self.paused.get(number) == rung:
                    self.promoted.add((self.paused.pop(number), number))
                    return number
        return None

    def worst(self) -> list[int]:
        """List the paused trials, the worst one of the lowest rung first."""
        place = {(rung, number): at for rung in self._rungs for at, number in enumerate(self._ranked(rung))}
        return sorted(
            self.paused, key=lambda each: (self.paused[each], -place.get((self.paused[each], each), math.inf))
        )

    def _ranked(self, rung: int, count: int | None = None) -> list[int]:
        return [number for _, number in self._rungs.get(rung, [])[:count]]

    def _best(self, rung: int, least: int = 0) -> list[int]:
        """List the numbers of a rung's best third."""
        return self._ranked(rung, max(least, len(self._rungs.get(rung, ())) // FACTOR))
