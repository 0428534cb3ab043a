"""The events that a run yields to its caller: the command line's live view, plain lines, JSON, or a script."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

    from study.events import Epoch
    from study.record.history import Ended

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Preparing:
    """What the run does before it starts: one line."""

    text: str


@dataclass(frozen=True, slots=True)
class SearchStarted:
    """The run has started.

    Args:
        study: the study's name, `@dataset` included.
        target: number of finished trials (complete or pruned) at which the run ends.
        finished: number of finished trials so far.
        resumed: number of trials that resume from their checkpoints.
        slots: number of jobs that run at a time.
        epochs: epochs of a full-length trial; None if unknown.

    """

    study: str
    target: int
    finished: int
    resumed: int
    slots: int
    epochs: int | None


@dataclass(frozen=True, slots=True)
class TrialStarted:
    """A worker has received a trial.

    Args:
        trial: its number.
        variant: name of the study's variant that it trains; None if it is not one.
        overrides: the knobs that differ from the study's recipe.
        epochs: number of epochs that it has already trained.

    """

    trial: int
    variant: str | None
    overrides: Mapping[str, Any]
    epochs: int


@dataclass(frozen=True, slots=True)
class TrialPlaced:
    """A trial has started on a node of a cluster.

    Args:
        trial: its number.
        host: name of the node.
        slots: number of jobs that run at a time now.

    """

    trial: int
    host: str
    slots: int


@dataclass(frozen=True, slots=True)
class TrialEpoch:
    """A trial has finished an epoch."""

    trial: int
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class TrialEnded:
    """A trial has ended: complete, pruned or failed."""

    trial: int
    variant: str | None
    overrides: Mapping[str, Any]
    epochs: int
    ended: Ended


@dataclass(frozen=True, slots=True)
class TrialPaused:
    """The pruner has paused a trial: it goes on later, or ends as pruned with the search."""

    trial: int
    epochs: int


@dataclass(frozen=True, slots=True)
class Notice:
    """One line of information that needs no immediate action."""

    text: str


@dataclass(frozen=True, slots=True)
class Written:
    """The run has written files for its user.

    Args:
        what: kind of the files, such as `pictures`.
        paths: of the files.

    """

    what: str
    paths: tuple[Path, ...]


Progress = (
    Preparing | SearchStarted | TrialStarted | TrialPlaced | TrialEpoch | TrialPaused | TrialEnded | Notice | Written
)


def finish(events: Generator[Progress, None, Result], watch: Callable[[Progress], None] | None = None) -> Result:
    """Run to the end, pass on each event, and return the result; where `watch` raises, the run ends."""
    with closing(events):
        while True:
            try:
                event = next(events)
            except StopIteration as end:
                return end.value
            if watch:
                watch(event)
