"""What crosses a process or a machine: the epochs of a training and how the training ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from study.errors import PlaceError


@dataclass(frozen=True, slots=True)
class Epoch:
    """One finished epoch of a training.

    Args:
        number: which epoch, from 1.
        metrics: name to value, for example `val_accuracy` in [0, 1]; not finite means diverged.
        seconds: wall-clock time that the epoch took, validation included; 0 lets the worker measure it.
        state: makes what is needed to go on after this epoch: a dict of tensors, numbers, strings, lists and dicts
            that comes back as `resume`. Its key "model", a state dict, also becomes the best checkpoint. None when the
            training can only be started again from its first epoch. It stays in the process that trains.
        last: whether this is the training's final epoch, after which the pruner is not asked. None where the training
            does not say: then a recipe's field `epochs` does; without one the worker runs the next epoch before it
            tells this one, and drops it if the trial is pruned.

    """

    number: int
    metrics: Mapping[str, float]
    seconds: float = field(default=0.0, compare=False)
    state: Callable[[], Mapping[str, Any]] | None = field(default=None, compare=False, repr=False)
    last: bool | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Started:
    """A worker has taken the job up, after `epochs` epochs that its checkpoint holds; `device` as torch spells it."""

    epochs: int
    device: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The training came to its own end; `evaluation` is what it found out about its last epoch's model, or None."""

    evaluation: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Stopped:
    """The training was stopped after a whole epoch, as asked."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The training raised: the same recipe would raise again, so it is not tried again."""

    reason: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Stuck:
    """The epoch could not be saved, as on a full disk: the training is not at fault and goes on later."""

    error: PlaceError


@dataclass(frozen=True, slots=True)
class Died:
    """The process that trained is gone (a signal, out of memory): worth another try from the checkpoint."""

    reason: str


Event = Started | Epoch | Finished | Stopped | Failed | Stuck | Died
