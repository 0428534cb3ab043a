"""The events that a training sends to the loop, across processes or machines: its epochs and how it ended."""

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
        number: number of the epoch, from 1.
        metrics: name to value, for example `val_accuracy` in [0, 1]; of the study's
            metric, NaN or infinity means that the training diverged.
        seconds: wall-clock time of the epoch, validation included; if 0, the worker measures it.
        state: returns what a resumed training needs to continue after this epoch: a dict of tensors and of what
            `study.engine.stored_types` lists, which the training receives as `resume`. The value of its key "model", a
            state dict, is also saved as the best weights. None if the training can only restart from its first epoch.
            The function is called in the training's own process.
        last: whether this is the final epoch, after which the pruner is not asked. If None, the recipe's field `epochs`
            decides; without that field the worker trains the next epoch before it sends this one, and drops the next
            one if the trial is pruned.

    """

    number: int
    metrics: Mapping[str, float]
    seconds: float = field(default=0.0, compare=False)
    state: Callable[[], Mapping[str, Any]] | None = field(default=None, compare=False, repr=False)
    last: bool | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Started:
    """A worker has started the job.

    Args:
        epochs: number of epochs in its checkpoint, after which it goes on.
        device: torch's name of it.
        damaged: says which files of its checkpoint are damaged; empty if none is.
        chip: processor or GPU of a cluster's node, for equal ones give equal bits; empty on one machine.
        host: name of the node; empty on one machine.
        anew: why it does not go on from its checkpoint; empty if it does, or has none.

    """

    epochs: int
    device: str
    damaged: str = ""
    chip: str = field(default="", compare=False)
    host: str = field(default="", compare=False)
    anew: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """The training is complete; `evaluation` is its report on the model of the last epoch, or None."""

    evaluation: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Stopped:
    """The training was stopped after a whole epoch, as requested."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The training raised an exception. It is not retried: the same recipe would raise again."""

    reason: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Stuck:
    """The epoch could not be saved, for example on a full disk; the training can be resumed later."""

    error: PlaceError


@dataclass(frozen=True, slots=True)
class Died:
    """The training's process died (a signal, out of memory, a device that failed); it can go on from its checkpoint.

    Args:
        reason: one line.
        is_own: whether the training may be what it died of; False where other processes died with it.

    """

    reason: str
    is_own: bool = True


Event = Started | Epoch | Finished | Stopped | Failed | Stuck | Died
