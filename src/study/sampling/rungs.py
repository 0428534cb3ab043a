"""Asynchronous successive halving (Li et al. 2020): the rungs, and the pruners that end what is not promoted there.

A trial is judged after 1, 3, 9, ... epochs, its rungs: the best third of all that got so far goes on. The rungs follow
from the trials' values, so that a search that was stopped or killed has the same ones. Optuna's pruners keep theirs in
attributes of the trials, and decide the same in a search that is not stopped.
"""

from __future__ import annotations

import math
from bisect import insort
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING
from zlib import crc32

from optuna.pruners import BasePruner
from optuna.trial import TrialState

if TYPE_CHECKING:
    from collections.abc import Sequence

    import optuna
    from optuna.trial import FrozenTrial

FACTOR = 3  # of a rung, one trial in so many goes on; and the ratio of the epochs of two rungs
RUNGS = frozenset(FACTOR**each for each in range(20))  # the epochs after which trials are compared


class RungPruner(BasePruner):
    """Keeps the rungs; what follows from a trial's place in one is said by the classes derived from it."""

    def __init__(self) -> None:
        """Begin without trials; their full length is unknown."""
        self.epochs: int | None = None  # of a full training, if the recipe says it
        self.sign = -1  # 1 if values are to be small
        self._rungs: dict[int, list[tuple[float, int]]] = {}  # value, negative if it is to be large, and number; sorted
        self._there: set[tuple[int, int]] = set()  # rung and number of what is in there
        self._out: set[int] = set()  # numbers of trials that do not count
        self._longest = 0  # epochs of a complete trial

    @property
    def length(self) -> int | None:
        """The epochs of a full training: as the recipe says, else of the longest so far; None if there is none."""
        return self.epochs or self._longest or None

    def enter(self, trial: FrozenTrial) -> None:
        """Enter a trial's values at the rungs that it has reached; one that failed leaves them."""
        if trial.state == TrialState.FAIL:
            self.leave(trial.number)
        if trial.number in self._out:
            return
        if trial.state == TrialState.COMPLETE:
            self._longest = max(self._longest, trial.last_step or 0)
        for epoch, value in trial.intermediate_values.items():
            if epoch in RUNGS and (epoch, trial.number) not in self._there and not math.isnan(value):
                self._there.add((epoch, trial.number))
                insort(self._rungs.setdefault(epoch, []), (self.sign * value, trial.number))

    def leave(self, number: int) -> None:
        """Let a trial count at no rung, now and later."""
        self._out.add(number)
        for rung in {rung for rung in self._rungs if (rung, number) in self._there}:
            self._rungs[rung] = [entry for entry in self._rungs[rung] if entry[1] != number]
            self._there.remove((rung, number))


class HalvingPruner(RungPruner):
    """Ends a trial at a rung where it is not among the best third; the best one goes on however few there are."""

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Tell whether the trial is to end after its last epoch."""
        rung = trial.last_step
        if rung is None or rung not in RUNGS:
            return False
        self.enter(trial)
        rivals = self._rivals(study, rung, trial.number)
        return (
            bool(rivals)
            and not self.sign * trial.intermediate_values[rung] <= rivals[max(1, len(rivals) // FACTOR) - 1]
        )

    def _rivals(self, study: optuna.Study, rung: int, number: int) -> Sequence[float]:  # noqa: ARG002 - for derived ones
        """Give the values that a trial is compared with, its own among them, the best first."""
        return [value for value, _ in self._rungs.get(rung, ())]


class HyperbandPruner(HalvingPruner):
    """Ends trials by successive halving in brackets, which begin at a later rung each (Li et al. 2018).

    None is ended while the length of a full training is unknown.
    """

    def _rivals(self, study: optuna.Study, rung: int, number: int) -> Sequence[float]:
        if self.length is None:
            return ()
        mine = bracket(study.study_name, number, self.length)
        if rung < FACTOR**mine:
            return ()
        name, length = study.study_name, self.length
        return [value for value, other in self._rungs.get(rung, ()) if bracket(name, other, length) == mine]


@cache
def bracket(study: str, number: int, length: int) -> int:
    """Give a trial's bracket, as Optuna's HyperbandPruner of the same name of a study.

    Args:
        study: its name.
        number: the trial's.
        length: epochs of a full training.

    """
    budgets = _budgets(length)
    drawn = crc32(f"{study}_{number}".encode()) % budgets[-1]
    return next(each for each, budget in enumerate(budgets) if drawn < budget)


@cache
def _budgets(length: int) -> list[int]:
    """Sum up the shares of the brackets, from the first on."""
    count = math.floor(math.log(length + 1, FACTOR)) + 1  # Optuna counts steps from 0
    return list(accumulate(math.ceil(count * FACTOR**left / (left + 1)) for left in reversed(range(count))))
