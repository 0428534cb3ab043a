"""Pruners, set for objectives that are reported once an epoch, from epoch 1; and the audit of any of them."""

from __future__ import annotations

import math
from array import array
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
from optuna import pruners
from optuna.pruners import BasePruner
from optuna.study import StudyDirection
from optuna.trial import TrialState

from study.sampling.memory import Memory
from study.stats import noise

if TYPE_CHECKING:
    from collections.abc import Callable

    import optuna
    from numpy.typing import NDArray
    from optuna.trial import FrozenTrial

STARTUP = 5  # complete trials before any is ended
WARMUP = 2  # the first epoch after which one is
AUDITED = 0.05  # of the trials that a pruner would end


class NoisePruner(BasePruner):
    """Stops a trial only if its gap to the best exceeds the noise between seeds at that epoch.

    The arithmetic, its model and its limits are in `study.stats.noise`. What it says follows from the study's trials
    alone. Epoch 1 is left alone, and so are all trials until five are complete and three epochs long.
    """

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Tell whether the trial is to end after its last epoch."""
        if trial.last_step is None or trial.last_step < 2:
            return False
        states = (TrialState.COMPLETE, TrialState.PRUNED)
        finished = study.get_trials(deepcopy=False, states=states)
        direction = "maximize" if study.direction == StudyDirection.MAXIMIZE else "minimize"
        length = max((each.last_step or 0 for each in finished), default=0)
        curves = np.array([_curve(each, length) for each in finished]).reshape(-1, length)
        complete = [each.state == TrialState.COMPLETE for each in finished]
        return noise.is_hopeless(_curve(trial, trial.last_step), curves, complete, direction=direction)


class Audited(BasePruner):
    """Lets a share of the trials that a pruner would end run on, so that it is known what pruning loses.

    Which ones follows from the study's seed and the trial's number: a search that is stopped and goes on chooses the
    same. An audited trial ends as any complete one does, so the pruner sees it later; one in twenty moves it little.
    """

    def __init__(self, pruner: BasePruner, seed: int, tell: Callable[[int, int], None]) -> None:
        """Audit a pruner.

        Args:
            pruner: whose word it is.
            seed: the study's.
            tell: is given the number of a trial that runs on, and the epoch after which it would have ended; again
                after every further epoch at which the pruner would end it.

        """
        self._pruner, self._seed, self._tell = pruner, seed, tell

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Tell whether the trial is to end after its last epoch."""
        if not self._pruner.prune(study, trial):
            return False
        if not is_audited(self._seed, trial.number):
            return True
        assert trial.last_step is not None
        self._tell(trial.number, trial.last_step)
        return False


def is_audited(seed: int, number: int) -> bool:
    """Tell whether a trial runs to its end even if the pruner would stop it.

    Args:
        seed: the study's.
        number: the trial's.

    """
    drawn = int.from_bytes(sha256(f"audit:{seed}:{number}".encode()).digest()[:8])
    return drawn < AUDITED * 2**64


def _curve(trial: FrozenTrial, length: int) -> NDArray[np.float64]:
    curve = np.full(length, np.nan)
    for step, value in trial.intermediate_values.items():
        curve[step - 1] = value
    return curve


class PercentilePruner(pruners.PercentilePruner):
    """Optuna's, which reads all complete trials at each epoch; this one reads each trial once and says the same."""

    def __init__(self, percentile: float) -> None:
        """Keep that percentage of the trials at each epoch. Epoch 1 is left alone, and so are the first five trials."""
        super().__init__(percentile, n_startup_trials=STARTUP, n_warmup_steps=WARMUP)
        self._kept = percentile
        self._read = 0  # complete trials whose values are here
        self._values: dict[int, array[float]] = {}  # by epoch
        self._limits: dict[int, tuple[int, float]] = {}  # by epoch: of how many values, and the limit

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Tell whether the trial is to end after its last epoch."""
        memory = study._storage  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - there is no other way to it
        if not isinstance(memory, Memory) or len(memory.complete) < STARTUP:
            return super().prune(study, trial)
        step, values = trial.last_step, list(trial.intermediate_values.values())
        if step is None or step < WARMUP:
            return False
        is_maximized = study.direction == StudyDirection.MAXIMIZE
        best = np.nanmax(values) if is_maximized else np.nanmin(values)
        if np.isnan(best):
            return True
        limit = self._limit(memory, step, 100 - self._kept if is_maximized else self._kept)
        return bool(best < limit if is_maximized else best > limit)  # False where the limit is NaN

    def _limit(self, memory: Memory, step: int, percentile: float) -> float:
        for each in memory.ended_since(self._read):
            self._read += 1
            for at, value in each.intermediate_values.items():
                self._values.setdefault(at, array("d")).append(value)
        values = self._values.get(step, ())
        if not len(values):
            return math.nan
        count, limit = self._limits.get(step, (0, math.nan))
        if count != len(values):
            limit = float(np.nanpercentile(np.array(values), percentile))
            self._limits[step] = len(values), limit
        return limit


class MedianPruner(PercentilePruner):
    """Keeps the better half."""

    def __init__(self) -> None:
        """Keep half of the trials at each epoch."""
        super().__init__(50.0)


# The factories of the table.
def median() -> BasePruner:
    """Make a pruner that ends a trial below the median of the others at the same epoch."""
    return MedianPruner()


def percentile() -> BasePruner:
    """Make a pruner that ends a trial outside the best third at the same epoch."""
    return PercentilePruner(33.0)


def none() -> BasePruner:
    """Make a pruner that ends no trial."""
    return pruners.NopPruner()
