"""Optuna's memory of a study, in which a sampler can be shown fewer trials: its time grows with what it sees."""

from __future__ import annotations

import heapq
from contextlib import contextmanager
from typing import TYPE_CHECKING

from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState

if TYPE_CHECKING:
    from collections.abc import Container, Generator

    from optuna.trial import FrozenTrial

NEWEST = 2000  # finished trials; TPE weighs older ones less and less (Optuna's `default_weights`)
BEST = 100  # finished trials; TPE's good ones are the best 25 at most (Optuna's `default_gamma`)


class Memory(InMemoryStorage):
    """Trials in memory, all of them but within `bounded`."""

    _seen: set[int] | None = None  # numbers of the finished trials that are shown; None shows all

    @contextmanager
    def bounded(self, study_id: int) -> Generator[None]:
        """Show unfinished trials, the best and the newest finished ones, by number; none may end in the meantime."""
        if self.get_n_trials(study_id) > NEWEST:
            self._seen = self._choose(study_id)
        try:
            yield
        finally:
            self._seen = None

    def _choose(self, study_id: int) -> set[int]:
        (direction,) = self.get_study_directions(study_id)
        sign = -1 if direction == StudyDirection.MAXIMIZE else 1
        finished = [trial for trial in super().get_all_trials(study_id, deepcopy=False) if trial.state.is_finished()]
        complete = (trial for trial in finished if trial.state == TrialState.COMPLETE)
        valued = ((sign * trial.value, trial.number) for trial in complete if trial.value is not None)
        best = heapq.nsmallest(BEST, valued)
        return {trial.number for trial in finished[-NEWEST:]} | {number for _, number in best}

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,  # noqa: FBT001, FBT002 - Optuna's signature
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """Give the trials, as Optuna's storages do."""
        trials = super().get_all_trials(study_id, deepcopy, states)
        if (seen := self._seen) is None:
            return trials
        return [trial for trial in trials if trial.number in seen or not trial.state.is_finished()]
