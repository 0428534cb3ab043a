"""What there is to be told: of a trial, read from its folder at one moment, and of a study as a whole."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from study.record.journal import Ended, Record, TrialFolder


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a trial's folder says at one moment.

    Args:
        trial: its folder.
        about: what was known of it when it was made.
        epochs: by number, from 1, the log's record of that epoch; of one trained twice with equal results the first.
        replays: how often the training, gone on from an earlier epoch, came out otherwise than its log had said.
        device: where it was trained last, as torch spells it.
        deaths: how many workers died of it.
        ended: how it ended; None while it is running.
        audited: the epoch after which the pruner would have ended it, had it not been chosen to show what is lost.

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
class Climb:
    """A complete trial that is better than all before it, by number; `time` is when it ended."""

    trial: int
    value: float
    time: float


@dataclass(frozen=True, slots=True)
class Summary:
    """Where a study stands.

    Args:
        definition: as it is stored now.
        counts: trials by state: complete, pruned, failed, running.
        best: the best complete trial; None before the first.
        recipe: every knob of the best trial; None without one.
        climbs: how the best value rose over the trials by number, as far as no trial before is still running.
        ended: when the last trial ended, seconds since 1970; None while one is running.
        groups: of a comparison, for each variant its figures over the seeds, such as mean, low, high, n.
        files: of the study as a whole, beside its definition: pictures and tables.

    """

    definition: Mapping[str, Any]
    counts: Mapping[str, int]
    best: Climb | None
    recipe: Mapping[str, Any] | None
    climbs: Sequence[Climb]
    ended: float | None
    groups: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, "Mapping[str, float]"])
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])


def read(trial: TrialFolder) -> Snapshot:
    """Read a trial's folder.

    Raises:
        StudyError: a damaged file, by name and line.

    """
    history = trial.history()
    epochs, replays = replay(trial.records())
    device = history.devices[-1] if history.devices else None
    about, deaths = trial.about(), len(history.deaths)
    return Snapshot(trial, about, epochs, replays, device, deaths, history.ended, history.audited)


def replay(records: Iterable[Record]) -> tuple[dict[int, Record], int]:
    """Sort a log's epochs out: a training that lost its checkpoint tells some of them again.

    An epoch told again with the same result keeps its first record, because that one may have been sent. One that came
    out otherwise, or never came again, was sent wrongly: the count of such replays tells the server's runs apart.

    Returns:
        The epochs by number, and the count of replays that came out otherwise.

    """
    kept: dict[int, Record] = {}
    awaited: dict[int, Record] = {}
    replays = 0
    for record in records:
        match record["kind"]:
            case "epoch":
                first = awaited.pop(record["number"], None)
                if first is not None and _result(first) != _result(record):
                    replays += 1
                    awaited.clear()
                    first = None
                kept[record["number"]] = first or record
            case "restarted":
                awaited.update({number: kept.pop(number) for number in list(kept) if number > record["epochs"]})
            case "ended":
                replays += bool(awaited)
            case _:
                pass
    return kept, replays


def _result(record: Record) -> str:
    """Write an epoch's metrics such that NaN equals NaN."""
    return json.dumps(record["metrics"], sort_keys=True)
