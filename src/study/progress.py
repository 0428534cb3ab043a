"""What the loop tells whoever watches it: the command line's live view, plain lines, JSON, or a person's own code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from study.events import Epoch
    from study.record.journal import Ended


@dataclass(frozen=True, slots=True)
class SearchStarted:
    """The loop begins.

    Args:
        study: the study's name, `@dataset` included.
        target: finished trials (complete or pruned) in the end.
        finished: how many there are already.
        resumed: trials that go on from their checkpoints.
        slots: jobs run at a time.
        epochs: epochs of a full-length trial as far as known, else None.

    """

    study: str
    target: int
    finished: int
    resumed: int
    slots: int
    epochs: int | None


@dataclass(frozen=True, slots=True)
class TrialStarted:
    """A trial has been given to a worker.

    Args:
        trial: its number.
        variant: its name when it is one of the study's variants.
        overrides: the knobs that differ from the study's recipe.
        epochs: epochs that it already has.

    """

    trial: int
    variant: str | None
    overrides: Mapping[str, Any]
    epochs: int


@dataclass(frozen=True, slots=True)
class TrialEpoch:
    """A trial has one more epoch."""

    trial: int
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class TrialEnded:
    """A trial is complete, pruned or failed."""

    trial: int
    variant: str | None
    overrides: Mapping[str, Any]
    epochs: int
    ended: Ended


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a person should know but need not act on at once: one line."""

    text: str


@dataclass(frozen=True, slots=True)
class Written:
    """Files that were written for people.

    Args:
        what: they are, such as `pictures`.
        paths: where they are.

    """

    what: str
    paths: tuple[Path, ...]


Progress = SearchStarted | TrialStarted | TrialEpoch | TrialEnded | Notice | Written
