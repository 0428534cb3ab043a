"""What Optuna's database holds of trials, and what it lacks of many of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from optuna.distributions import distribution_to_json

from study.errors import StudyError
from study.record.trial import Trial
from study.sampling import bulk, storage

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial

    from study.record.journal import TrialFolder


@dataclass(slots=True)
class Known:
    """What the database holds of a trial; `size` is the log's size at the last update, -1 before the first."""

    id: int
    finished: bool
    params: set[str]
    attributes: dict[str, object]
    values: dict[int, float]
    size: int = -1

    @classmethod
    def of(cls, trial: FrozenTrial) -> Known:
        """Take what the database has of a trial from Optuna's object."""
        finished, values = trial.state.is_finished(), dict(trial.intermediate_values)
        return cls(id_of(trial), finished, set(trial.params), dict(trial.user_attrs), values)

    def lacks(self, trial: FrozenTrial) -> bulk.More | None:
        """Give what a trial has more than the database; None if it has other parameters or values."""
        attributes = {name: value for name, value in trial.user_attrs.items() if self.attributes.get(name) != value}
        values = {step: value for step, value in trial.intermediate_values.items() if self.values.get(step) != value}
        changed = attributes.keys() & self.attributes.keys() or values.keys() & self.values.keys()
        if self.finished or changed or not trial.params.keys() <= self.params:
            return None
        return bulk.More(self.id, attributes, values, trial if trial.state.is_finished() else None)

    def pieces(self, trial: FrozenTrial, database: RDBStorage) -> list[tuple[str, Callable[[], object]]]:
        """Give what tells the database each piece that it lacks, with its name; they count as known from now on."""
        found: list[tuple[str, Callable[[], object]]] = []
        for name in trial.params.keys() - self.params:
            value = trial.distributions[name].to_internal_repr(trial.params[name])
            given = (self.id, name, value, trial.distributions[name])
            found.append((f"the parameter {name[:80]!r}", partial(database.set_trial_param, *given)))
            self.params.add(name)
        for key, value in trial.user_attrs.items():
            if self.attributes.get(key) != value:
                found.append((f"the attribute {key!r}", partial(database.set_trial_user_attr, self.id, key, value)))
                self.attributes[key] = value
        for step, value in trial.intermediate_values.items():
            if self.values.get(step) != value:
                report = partial(database.set_trial_intermediate_value, self.id, step, value)
                found.append((f"the value of epoch {step}", report))
                self.values[step] = value
        return found

    def take(self, trial: FrozenTrial, size: int) -> None:
        """Note that the database has all of a trial."""
        self.attributes.update(trial.user_attrs)
        self.values.update(trial.intermediate_values)
        self.finished, self.size = trial.state.is_finished(), size


@dataclass(slots=True)
class Many:
    """Trials that are told in one transaction.

    Args:
        new: those that the database does not have, with the size of their logs.
        more: what it lacks of others.
        left: those that are to be told one by one.

    """

    new: list[tuple[TrialFolder, FrozenTrial, int]] = field(default_factory=list)
    more: list[tuple[Known, FrozenTrial, int, bulk.More]] = field(default_factory=list)
    left: list[TrialFolder] = field(default_factory=list)

    def add(
        self, folder: TrialFolder, known: Known | None, *, is_next: bool, usual: AbstractSet[tuple[str, str]]
    ) -> None:
        """Read a trial.

        Args:
            folder: its folder; damaged ones are left.
            known: what the database has of it.
            is_next: whether all trials before it have folders, so that it gets its own number.
            usual: parameters with distributions that the database has taken before; others are left.

        """
        try:
            size, trial = folder.log_size(), storage.frozen(Trial.of(folder))
        except StudyError:
            self.left.append(folder)
            return
        lacks = known.lacks(trial) if known else None
        if known is None and is_next and usual >= distributions(trial):
            self.new.append((folder, trial, size))
        elif known is not None and lacks is not None:
            self.more.append((known, trial, size, lacks))
        else:
            self.left.append(folder)

    def tell(self, database: RDBStorage, study: int) -> list[int]:
        """Tell them; gives the ids of the new ones. Raises as `bulk.tell`."""
        new = [trial for _, trial, _ in self.new]
        ids = bulk.tell(database, study, new, [lacks for *_, lacks in self.more])
        for known, trial, size, _ in self.more:
            known.take(trial, size)
        return ids


def distributions(trial: FrozenTrial) -> set[tuple[str, str]]:
    """Give a trial's parameters with their distributions as JSON."""
    return {(name, distribution_to_json(each)) for name, each in trial.distributions.items()}


def id_of(trial: FrozenTrial) -> int:
    """Give the trial's id in the database."""
    return trial._trial_id  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - Optuna has no other name for it
