"""A study's trials in Optuna: a copy in memory that samples and prunes, and the database that people look at.

Sampling in memory costs a hundredth of sampling through a database, and a trial enters the database whole, in one
transaction: a kill leaves no half-made trial, and what a trial is does not depend on when the process was killed.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from study.sampling import space
from study.sampling.pruning import Audited
from study.sampling.storage import DATABASE_ERRORS, count_trials, end, first_line, frozen, study_id, sync
from study.sampling.table import PRUNERS, SAMPLERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from optuna.storages import RDBStorage

    from study.definition import Study
    from study.events import Epoch
    from study.record.journal import Ended, Journal, TrialFolder


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trial to run: its number, the knobs it changes, Optuna's parameters behind them, and whether it was begun."""

    number: int
    overrides: Mapping[str, Any]
    variant: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    distributions: Mapping[str, BaseDistribution] = field(default_factory=dict[str, BaseDistribution])
    resumed: bool = False

    def about(self) -> dict[str, Any]:
        """Give what a trial's folder keeps of it."""
        return {
            "variant": self.variant,
            "overrides": dict(self.overrides),
            "params": dict(self.params),
            "distributions": {name: distribution_to_json(each) for name, each in self.distributions.items()},
        }


class Trials:
    """Both copies of the study's trials; every change is made to both."""

    def __init__(
        self,
        study: Study,
        database: RDBStorage,
        journal: Journal,
        sampler: str,
        pruner: str,
        seed: int,
    ) -> None:
        """Open the study in the database, making it if need be, and copy its trials to memory."""
        self._journal = journal
        self._study, self._make_sampler, self._seed, self.pruner = study, SAMPLERS[sampler].load(), seed, pruner
        self.database = database
        self.behind = ""  # why the database could not be written, while it is away
        self.database_id = study_id(database, study.name, study.direction)
        self._memory = InMemoryStorage()
        self._copy = optuna.create_study(
            study_name=study.name,
            storage=self._memory,
            direction=study.direction,
            pruner=Audited(PRUNERS[pruner].load()(), seed, self._note_audit),
            sampler=self._make_sampler(0),
        )
        self._copy_id = self._memory.get_study_id_from_name(study.name)
        self.refresh()

    def refresh(self) -> None:
        """Copy trials that others have added to the database, such as `Study.enqueue_trial` from a notebook."""
        known = self._memory.get_n_trials(self._copy_id)
        self._write(lambda: self._copy_from(known))

    def _copy_from(self, known: int) -> None:
        if count_trials(self.database, self.database_id) > known:
            for trial in self.database.get_all_trials(self.database_id)[known:]:
                self._copy.add_trial(trial)

    def finished(self) -> int:
        """Count complete and pruned trials."""
        return self._memory.get_n_trials(self._copy_id, (TrialState.COMPLETE, TrialState.PRUNED))

    def elsewhere(self) -> int:
        """Count the finished trials that have no folder here."""
        states = (TrialState.COMPLETE, TrialState.PRUNED)
        done = self._memory.get_all_trials(self._copy_id, deepcopy=False, states=states)
        return sum(not self._journal.trial(trial.number).path.exists() for trial in done)

    def running(self) -> list[int]:
        """Give the numbers of trials that are marked as running."""
        trials = self._memory.get_all_trials(self._copy_id, deepcopy=False, states=(TrialState.RUNNING,))
        return [trial.number for trial in trials]

    def left(self, number: int) -> Candidate:
        """Make the candidate of a trial that was begun and is not finished."""
        trial = self._memory.get_all_trials(self._copy_id, deepcopy=False)[number]
        overrides = trial.user_attrs.get("overrides", trial.params)
        variant = trial.user_attrs.get("variant")
        return Candidate(number, overrides, variant, trial.params, trial.distributions, resumed=True)

    def uid(self, number: int) -> str:
        """Give a trial's unique name, which Optuna's own trials do not have."""
        trial = self._memory.get_all_trials(self._copy_id, deepcopy=False)[number]
        return trial.user_attrs.get("uid", f"optuna-{self.database_id}-{number}")

    def variants_seen(self) -> set[str]:
        """Give the variants that have a trial, whatever became of it."""
        trials = self._memory.get_all_trials(self._copy_id, deepcopy=False)
        return {trial.user_attrs["variant"] for trial in trials if trial.user_attrs.get("variant")}

    def of_variant(self, name: str) -> Candidate:
        """Make the candidate of a variant, with the parameters by which Optuna would have made it."""
        overrides = self._study.variants[name]
        params, distributions = space.params_of(self._study, overrides)
        return Candidate(self._memory.get_n_trials(self._copy_id), overrides, name, params, distributions)

    def fixed(self, overrides: Mapping[str, Any], variant: str) -> Candidate:
        """Make the candidate of a recipe that is given, with no parameters of Optuna's behind it."""
        return Candidate(self._memory.get_n_trials(self._copy_id), overrides, variant)

    def ask(self) -> Candidate:
        """Sample the next candidate; the same one whenever asked with the same trials before it.

        It takes an enqueued trial first. The sampler's seed follows from the study's seed and the trial's number, so
        that a resumed search neither repeats nor skips its random numbers.

        Raises:
            StudyFileError: the space raises, or returns what the recipe refuses.

        """
        number = self._memory.get_n_trials(self._copy_id)
        waiting = self._memory.get_all_trials(self._copy_id, deepcopy=False, states=(TrialState.WAITING,))
        number = waiting[0].number if waiting else number
        self._copy.sampler = self._make_sampler(zlib.crc32(f"{self._seed}:{number}".encode()))
        trial = self._copy.ask()
        overrides = space.suggest(self._study, trial)
        space.recipe_of(self._study, overrides, trial.params)
        return Candidate(trial.number, overrides, None, trial.params, trial.distributions)

    def add(self, folder: TrialFolder) -> None:
        """Enter a trial whose folder has just been made."""
        trial = frozen(folder)
        number = folder.number
        if number == self._memory.get_n_trials(self._copy_id):
            self._copy.add_trial(trial)
        else:
            for key, value in trial.user_attrs.items():
                self._memory.set_trial_user_attr(self._id(self._memory, number), key, value)
        self._write(lambda: self._enter(number, trial))

    def _enter(self, number: int, trial: FrozenTrial) -> None:
        if number == count_trials(self.database, self.database_id):
            self.database.create_new_trial(self.database_id, trial)
        else:
            self._claim(number, trial)

    def _claim(self, number: int, trial: FrozenTrial) -> None:
        """Fill in an enqueued trial of the database."""
        trial_id = self._id(self.database, number)
        for name, value in trial.params.items():
            distribution = trial.distributions[name]
            self.database.set_trial_param(trial_id, name, distribution.to_internal_repr(value), distribution)
        for key, value in trial.user_attrs.items():
            self.database.set_trial_user_attr(trial_id, key, value)
        self.database.set_trial_state_values(trial_id, TrialState.RUNNING)

    def report(self, number: int, epoch: Epoch, *, judge: bool) -> bool:
        """Take up an epoch's objective in memory, and say whether the pruner would stop here."""
        value = epoch.metrics[self._study.metric]
        trial_id = self._id(self._memory, number)
        self._memory.set_trial_intermediate_value(trial_id, epoch.number, value)
        return judge and self._copy.pruner.prune(self._copy, self._memory.get_trial(trial_id))

    def _note_audit(self, number: int, epoch: int) -> None:
        """Log that a trial runs on although the pruner would end it after this epoch; the first such epoch stands."""
        folder = self._journal.trial(number)
        if folder.history().audited is None:
            folder.append("audited", epoch=epoch)
            self._write(lambda: self.database.set_trial_user_attr(self._id(self.database, number), "audited", epoch))

    def publish(self, number: int, epoch: Epoch) -> None:
        """Write an epoch's objective to the database."""
        value = epoch.metrics[self._study.metric]
        self._write(
            lambda: self.database.set_trial_intermediate_value(self._id(self.database, number), epoch.number, value)
        )

    def end(self, number: int, ended: Ended) -> None:
        """Enter how a trial ended."""
        end(self._memory, self._id(self._memory, number), ended.state, ended.value, ended.reason)
        self._write(lambda: end(self.database, self._id(self.database, number), ended.state, ended.value, ended.reason))

    def catch_up(self, journal: Journal) -> bool:
        """Bring a database that was away up to the folders; return whether it is equal to them now."""
        if self.behind:
            self.behind = ""
            self._write(lambda: sync(journal, self.database, self._study.name, self._study.direction))
        return not self.behind

    def _write(self, change: Callable[[], object]) -> None:
        """Change the database; one that is away is brought up later from the folders, and no training waits for it."""
        if self.behind:
            return
        try:
            change()
        except DATABASE_ERRORS as error:
            self.behind = first_line(error)

    def _id(self, storage: Any, number: int) -> int:
        study = self._copy_id if storage is self._memory else self.database_id
        return storage.get_trial_id_from_study_id_trial_number(study, number)
