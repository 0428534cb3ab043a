"""Optuna's memory of a study, made for very many trials: what is asked at each epoch or proposal is kept up to date.

Optuna's own reads all trials whenever it is asked for some, and a sampler's time grows with what it sees.
"""

from __future__ import annotations

import copy
from bisect import insort
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from optuna.distributions import check_distribution_compatibility
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Generator, Iterable, Sequence

    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

NEWEST = 2000  # finished trials; TPE weighs older ones less and less (Optuna's `default_weights`)
BEST = 100  # finished trials; TPE's good ones are the best 25 at most (Optuna's `default_gamma`)
OPEN = (TrialState.RUNNING, TrialState.WAITING)


class Memory(InMemoryStorage):
    """The trials of one study in memory, all of them but within `bounded`."""

    def __init__(self) -> None:
        """Begin without a study."""
        super().__init__()
        self._is_bounded = self._is_asked = False
        self.paused: Collection[int] = ()  # numbers of running trials that a sampler is to see as pruned ones
        self._open = {state: set[int]() for state in OPEN}  # numbers of trials that wait, and of those that run
        self._ended: list[int] = []  # numbers of finished ones, sorted
        self._best: list[tuple[float, int]] = []  # value, negative if it is to be large, and number of complete ones
        self.complete: list[int] = []  # numbers of complete ones, as they ended
        self.pruned = 0

    @contextmanager
    def bounded(self, study_id: int) -> Generator[None]:
        """Show unfinished trials, the best and the newest finished ones, by number; none may end in the meantime.

        A paused trial is shown as pruned: it says as much, and a running one counts as a bad one until it ends.
        """
        self._is_bounded, self._is_asked = self.get_n_trials(study_id) > NEWEST, True
        try:
            yield
        finally:
            self._is_bounded = self._is_asked = False

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Add a trial, as Optuna's storages do."""
        trial_id = super().create_new_trial(study_id, template_trial)
        self._note(self.get_trial(trial_id))
        return trial_id

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Change a trial's state, as Optuna's storages do."""
        changed = super().set_trial_state_values(trial_id, state, values)
        self._note(self.get_trial(trial_id))
        return changed

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Set a parameter, as Optuna's storages do, but without a copy of the trial: nobody else has it."""
        trial = self._mine(trial_id)
        kinds = self._studies[self._study].param_distribution
        if param_name in kinds:
            check_distribution_compatibility(kinds[param_name], distribution)
        kinds[param_name] = distribution
        trial.params[param_name] = distribution.to_external_repr(param_value_internal)
        trial.distributions[param_name] = distribution

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Report a value, as Optuna's storages do, without a copy of the trial."""
        self._mine(trial_id).intermediate_values[step] = intermediate_value

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set an attribute, as Optuna's storages do, without a copy of the trial."""
        self._mine(trial_id).user_attrs[key] = value

    def _mine(self, trial_id: int) -> FrozenTrial:
        """Give a trial that may be changed."""
        trial = self.get_trial(trial_id)
        self.check_trial_is_updatable(trial_id, trial.state)
        return trial

    def _note(self, trial: FrozenTrial) -> None:
        number = trial.number
        for state, numbers in self._open.items():
            (numbers.add if state == trial.state else numbers.discard)(number)
        if trial.state in OPEN:
            return
        insort(self._ended, number)
        self.pruned += trial.state == TrialState.PRUNED
        if trial.state == TrialState.COMPLETE:
            self.complete.append(number)
            if trial.value is not None:
                (direction,) = self.get_study_directions(self._study)
                insort(self._best, (-trial.value if direction == StudyDirection.MAXIMIZE else trial.value, number))

    @property
    def _study(self) -> int:
        return next(iter(self._studies))

    def numbers(self, state: TrialState) -> set[int]:
        """Give the numbers of the trials that wait, or of those that run; not to be changed."""
        return self._open[state]

    def get_n_trials(self, study_id: int, state: tuple[TrialState, ...] | TrialState | None = None) -> int:
        """Count the trials, as Optuna's storages do, without a list of them."""
        return len(self._studies[study_id].trials) if state is None else super().get_n_trials(study_id, state)

    def unfinished(self, state: TrialState) -> list[FrozenTrial]:
        """Give the trials that wait, or those that run, by number."""
        return self._trials(sorted(self._open[state]))

    def ended_since(self, first: int) -> list[FrozenTrial]:
        """Give the complete trials but so many that ended first, as they ended."""
        return self._trials(self.complete[first:])

    def _trials(self, numbers: Iterable[int]) -> list[FrozenTrial]:
        every = self._studies[self._study].trials
        return [every[number] for number in numbers]

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,  # noqa: FBT001, FBT002 - Optuna's signature
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """Give the trials, as Optuna's storages do."""
        if not deepcopy and isinstance(states, tuple) and len(states) == 1 and states[0] in OPEN:  # before a proposal
            hidden = self.paused if self._is_asked else ()
            return [trial for trial in self.unfinished(states[0]) if trial.number not in hidden]
        if self._is_bounded:
            best = (number for _, number in self._best[:BEST])
            trials = self._trials(sorted({*self._ended[-NEWEST:], *best}.union(*self._open.values())))
        elif self._is_asked and self.paused:
            trials = super().get_all_trials(study_id, deepcopy)
        else:
            return super().get_all_trials(study_id, deepcopy, states)
        shown = self._as_pruned(trials) if self.paused else trials
        return shown if states is None else [trial for trial in shown if trial.state in states]

    def _as_pruned(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        return [_pruned(trial) if trial.number in self.paused else trial for trial in trials]


def _pruned(trial: FrozenTrial) -> FrozenTrial:
    shown = copy.copy(trial)
    shown.state = TrialState.PRUNED
    return shown
