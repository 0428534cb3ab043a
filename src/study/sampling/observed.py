"""What TPE needs of the trials that have ended: each is read once, where Optuna reads all of them for each proposal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from optuna.samplers._tpe.sampler import (
    _get_pruned_trial_score,  # pyright: ignore[reportPrivateUsage] - it has no public name
)
from optuna.study import StudyDirection
from optuna.trial import TrialState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    import optuna
    from numpy.typing import NDArray
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    Space = dict[str, BaseDistribution]
    Ended = Sequence[FrozenTrial]
    Running = Mapping[int, Callable[[], Mapping[str, Any]]]

ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


class Observed:
    """The complete and pruned trials of one study: their spaces, their parameters as numbers, and their order."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        self._kinds: dict[frozenset[tuple[str, BaseDistribution]], int] = {}
        self._kind: dict[int, int] = {}  # by a trial's number, which of the kinds its space is
        self._pruned: dict[int, tuple[tuple[float, float], int]] = {}  # by number, its score after so many values
        self._tables: dict[frozenset[tuple[str, BaseDistribution]], _Table] = {}

    def read(self, study: optuna.Study) -> list[FrozenTrial]:
        """Give the trials that have ended, by number; note what is new of them."""
        trials = study._get_trials(deepcopy=False, states=ENDED, use_cache=True)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        for trial in trials:
            if trial.number not in self._kind:
                key = frozenset(trial.distributions.items())
                self._kind[trial.number] = self._kinds.setdefault(key, len(self._kinds))
            if trial.state == TrialState.PRUNED:
                known, values = self._pruned.get(trial.number), len(trial.intermediate_values)
                if known is None or known[1] != values:  # a paused one, shown as pruned, goes on
                    self._pruned[trial.number] = _get_pruned_trial_score(trial, study), values
        return trials

    def common_space(self, trials: Ended) -> Space:
        """Give the parameters that all of the trials have with the same distribution, by name, but the fixed ones."""
        seen, kinds = {self._kind[trial.number] for trial in trials}, list(self._kinds)
        common = frozenset[tuple[str, "BaseDistribution"]].intersection(*(kinds[each] for each in seen)) if seen else ()
        return {name: each for name, each in sorted(common, key=lambda item: item[0]) if not each.single()}

    def split(self, trials: Ended, good: int, direction: StudyDirection) -> tuple[list[int], list[int]]:
        """Give the numbers of the best trials, `good` of them, and of the others; pruned ones come after all others."""
        complete = [(trial.value or 0.0, trial.number) for trial in trials if trial.state == TrialState.COMPLETE]
        complete.sort(key=lambda pair: pair[0], reverse=direction == StudyDirection.MAXIMIZE)
        pruned = [trial.number for trial in trials if trial.state == TrialState.PRUNED]
        ranked = [number for _, number in complete] + sorted(pruned, key=lambda number: self._pruned[number][0])
        return sorted(ranked[:good]), sorted(ranked[good:])

    def values(
        self, trials: Ended, numbers: Sequence[int], space: Space, running: Running
    ) -> dict[str, NDArray[np.float64]]:
        """Give the parameters of a space as Optuna's numbers, of those trials that have all of them, by number.

        Args:
            trials: those that have ended.
            numbers: of those that are asked for.
            space: the parameters.
            running: those that are asked for, too, and have not ended: by number, what gives the parameters, which
                are the same at each look.

        """
        key = frozenset(space.items())
        table = self._tables.get(key)
        if table is None:
            table = self._tables[key] = _Table(space)
        table.read(trials)
        rows = {number: row for number in numbers if (row := table.row_of[number]) is not None}
        found = table.rows[list(rows.values())]
        if more := table.of_running(running):
            found = np.concatenate([found, [*more.values()]])[np.argsort([*rows, *more])]
        return {name: found[:, table.names.index(name)] for name in space}


class _Table:
    """The parameters of a space, a row for each trial that has all of them."""

    def __init__(self, space: Space) -> None:
        self.space, self.names = space, list(space)
        self.row_of: dict[int, int | None] = {}
        self._running: dict[int, list[float] | None] = {}
        self.rows = np.empty((0, len(space)))
        self._used = 0

    def row(self, params: Mapping[str, Any]) -> list[float] | None:
        """Give parameters as Optuna's numbers; None if one is not there."""
        if not self.space.keys() <= params.keys():
            return None
        return [of.to_internal_repr(params[name]) for name, of in self.space.items()]

    def of_running(self, running: Running) -> dict[int, list[float]]:
        """Give the rows of trials that have not ended, by number: each is made once."""
        if running:
            known = self._running
            self._running = {
                number: known[number] if number in known else self.row(params()) for number, params in running.items()
            }
        return {number: row for number in running if (row := self._running[number]) is not None}

    def read(self, trials: Ended) -> None:
        """Add the trials that are new."""
        for trial in trials:
            if trial.number in self.row_of:
                continue
            row = self.row(trial.params)
            self.row_of[trial.number] = None if row is None else self._used
            if row is None:
                continue
            if self._used == len(self.rows):
                self.rows = np.concatenate([self.rows, np.empty((max(64, self._used), len(self.names)))])
            self.rows[self._used] = row
            self._used += 1
