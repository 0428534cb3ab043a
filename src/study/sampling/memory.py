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

    _is_bounded = False

    @contextmanager
    def bounded(self) -> Generator[None]:
        """Show unfinished trials, the best and the newest finished ones, by number."""
        self._is_bounded = True
        try:
            yield
        finally:
            self._is_bounded = False

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,  # noqa: FBT001, FBT002 - Optuna's signature
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """Give the trials, as Optuna's storages do."""
        trials = super().get_all_trials(study_id, deepcopy, states)
        if not self._is_bounded or len(trials) <= NEWEST:
            return trials
        (direction,) = self.get_study_directions(study_id)
        sign = -1 if direction == StudyDirection.MAXIMIZE else 1
        seen = {trial.number for trial in trials if not trial.state.is_finished()}
        finished = [trial for trial in trials if trial.state.is_finished()]
        seen |= {trial.number for trial in finished[-NEWEST:]}
        complete = (trial for trial in finished if trial.state == TrialState.COMPLETE)
        valued = ((sign * trial.value, trial.number) for trial in complete if trial.value is not None)
        seen |= {number for _, number in heapq.nsmallest(BEST, valued)}
        return [trial for trial in trials if trial.number in seen]
