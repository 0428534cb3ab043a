"""What answer.py keeps of a round: each side's trials, and what the script's best is worth."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Trial:
    """One trial of a side.

    Args:
        params: as `answer_space.suggest` names them.
        epochs: that it trained.
        value: validation accuracy of the last one.
        at: when that was known, in seconds since the command.
        full: whether it was trained to its end.

    """

    params: dict[str, Any]
    epochs: int
    value: float
    at: float
    full: bool


@dataclass
class Side:
    """A side's search in one round.

    Args:
        whole: seconds of its process.
        trials: all of them, by time.
        fresh: mean on fresh seeds by the place in `trials`, of those that were retrained.
        reached: seconds until the answer; None if it never had it.

    """

    whole: float
    trials: list[Trial]
    fresh: dict[int, float] = field(default_factory=dict[int, float])
    reached: float | None = None

    def leaders(self) -> list[int]:
        """Give the full trials that were the best so far, by time."""
        best, found = -math.inf, list[int]()
        for place, trial in enumerate(self.trials):
            if trial.full and trial.value > best:
                best = trial.value
                found.append(place)
        return found

    @property
    def epochs(self) -> int:
        """Count the epochs that were trained."""
        return sum(trial.epochs for trial in self.trials)


@dataclass
class Round:
    """All sides' searches, and what the script's best is worth.

    Args:
        sides: by name.
        best: the script's best validation accuracy, in its search.
        mean: of the same configuration on fresh seeds.
        noise: standard deviation between these.

    """

    sides: dict[str, Side]
    best: float = math.nan
    mean: float = math.nan
    noise: float = math.nan

    @property
    def target(self) -> float:
        """Validation accuracy that an answer reaches in the mean."""
        return self.mean - self.noise
