"""What a tracking server receives of a study as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class NewBest:
    """A complete trial that is better than all before it; `time` is when it ended, in seconds since 1970."""

    trial: int
    value: float
    time: float


@dataclass(frozen=True, slots=True)
class StudySnapshot:
    """A study at one moment.

    Args:
        definition: as stored now.
        counts: number of trials by state: complete, pruned, failed, running.
        best: the best complete trial; None before the first.
        recipe: every knob of the best trial; None without one.
        new_bests: the trials that set a new best value, in the order of their numbers, up to the first running trial;
            with a pruner that pauses trials, in the order in which they ended.
        ended: when the last trial ended, in seconds since 1970; None while one is running.
        note: the study in words, as Markdown: its question, its best recipe, its score.
        groups: values over the seeds, such as mean, low, high and n, by variant, contender or arm.
        files: content of the study's pictures and tables, by name.

    """

    definition: Mapping[str, Any]
    counts: Mapping[str, int]
    best: NewBest | None
    recipe: Mapping[str, Any] | None
    new_bests: Sequence[NewBest]
    ended: float | None
    note: str = ""
    groups: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, "Mapping[str, float]"])
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
