"""What a tracking server receives of a trial and of a study, as read from the folders at one moment."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from study.record.journal import Ended, Record, TrialFolder


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A trial's folder at one moment.

    Args:
        trial: the folder.
        about: parameters, variant and environment, as stored when the trial was created.
        epochs: the log's record of each epoch, by number from 1; of an epoch trained twice with equal results the
            first record.
        replays: how often the training was resumed from an earlier epoch with results other than those in the log.
        device: torch's name of the device on which it was last trained; None if unknown.
        deaths: number of workers that died while training it.
        ended: how it ended; None while it is running.
        audited: the epoch after which the pruner would have stopped it; None unless the trial was chosen to continue,
            to measure what pruning loses.

    """

    trial: TrialFolder
    about: Mapping[str, Any]
    epochs: Mapping[int, Record]
    replays: int
    device: str | None
    deaths: int
    ended: Ended | None
    audited: int | None = None

    @property
    def last(self) -> int:
        """Number of the last epoch, 0 before the first."""
        return max(self.epochs, default=0)


@dataclass(frozen=True, slots=True)
class NewBest:
    """A complete trial that is better than all with lower numbers; `time` is when it ended, in seconds since 1970."""

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
        new_bests: the trials that set a new best value, in the order of their numbers, up to the first running trial.
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


def read(trial: TrialFolder) -> Snapshot:
    """Read a trial's folder.

    Raises:
        StudyError: a file is damaged; names it and its line.

    """
    history = trial.history()
    epochs, replays = replay(trial.records())
    device = history.devices[-1] if history.devices else None
    about, deaths = trial.about(), len(history.deaths)
    return Snapshot(trial, about, epochs, replays, device, deaths, history.ended, history.audited)


def replay(records: Iterable[Record]) -> tuple[dict[int, Record], int]:
    """Merge a log's epochs: a training that was resumed from an earlier epoch has logged some of them twice.

    If the second record has the same result, the first is kept, because it may have been sent. If the result differs,
    or the epoch was never trained again, the record on the server is wrong; the number of such replays distinguishes
    the trial's old run on the server from its new one.

    Returns:
        The epochs by number, and the number of replays with other results.

    """
    kept: dict[int, Record] = {}
    undone: dict[int, Record] = {}  # records from before a restart, of epochs that are not trained again yet
    replays = 0
    for record in records:
        match record["kind"]:
            case "epoch":
                first = undone.pop(record["number"], None)
                if first is not None and _result(first) != _result(record):
                    replays += 1
                    undone.clear()
                    first = None
                kept[record["number"]] = first or record
            case "restarted":
                undone.update({number: kept.pop(number) for number in list(kept) if number > record["epochs"]})
            case "ended":
                replays += bool(undone)
            case _:
                pass
    return kept, replays


def _result(record: Record) -> str:
    """Write an epoch's metrics as text, in which NaN equals NaN."""
    return json.dumps(record["metrics"], sort_keys=True)
