"""The history of a trial, replayed from its log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from study.events import Epoch

if TYPE_CHECKING:
    from collections.abc import Mapping

State = Literal["complete", "pruned", "failed"]
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a trial ended.

    Args:
        state: complete, pruned or failed.
        value: value of the objective; for a pruned trial, that of its last epoch, or None if it has no epoch.
        reason: why it was pruned or failed, in one line; empty if complete.
        evaluation: evaluation of the final model by the training.
        time: seconds since 1970.
        repeats: trial of the same recipe and seed whose values were copied; None if this trial was trained.
        traceback: of what the training raised; empty if it raised nothing.

    """

    state: State
    value: float | None
    reason: str
    evaluation: Mapping[str, Any] | None
    time: float
    repeats: int | None = None
    traceback: str = ""


@dataclass(slots=True)
class History:
    """The state of a trial after all records of its log.

    A training resumed from an earlier epoch may log epochs again. If the result of such an epoch is the same, the first
    record stays, because a tracking server may have it. If the result differs, or the epoch is never trained again,
    the server's record is wrong.

    Args:
        epochs: all epochs, numbered from 1.
        times: times at which the epochs were logged, in seconds since 1970.
        deaths: reasons why workers died while training it, one line per death.
        deaths_in_vain: number of deaths since its latest new epoch.
        devices: torch's name of the device of each start.
        chip: processor or GPU of its latest start on a cluster: equal ones give equal bits; empty on a single machine.
        host: node of that start; empty on a single machine.
        audited: epoch after which the pruner would have stopped it; None unless it was selected to continue, to measure
            what pruning loses.
        paused: whether the pruner has paused it, and it has not gone on.
        promoted: number of epochs after which it went on from its latest pause; 0 without one.
        ended: how it ended; None while it is running.
        replays: how often undone epochs were trained again with another result, or never; plus how often the trial was
            reset because its files were damaged.
        undone: epochs undone by a restart and not yet trained again, with their times, by number.
        furthest: highest epoch number that it ever finished.

    """

    epochs: list[Epoch] = field(default_factory=list[Epoch])
    times: list[float] = field(default_factory=list[float])
    deaths: list[str] = field(default_factory=list[str])
    deaths_in_vain: int = 0
    devices: list[str] = field(default_factory=list[str])
    chip: str = ""
    host: str = ""
    audited: int | None = None
    paused: bool = False
    promoted: int = 0
    ended: Ended | None = None
    replays: int = 0
    undone: dict[int, tuple[Epoch, float]] = field(default_factory=dict[int, tuple[Epoch, float]])
    furthest: int = 0

    @property
    def device(self) -> str | None:
        """Torch's name of the device of the latest start; None if unknown."""
        return self.devices[-1] if self.devices else None

    @property
    def seconds(self) -> float:
        """Wall-clock time of all epochs."""
        return sum(epoch.seconds for epoch in self.epochs)

    @property
    def evaluation(self) -> Mapping[str, Any]:
        """The evaluation of the final model by the training; empty if there is none."""
        return (self.ended.evaluation if self.ended else None) or {}

    def take(self, record: Record) -> None:
        """Apply the next record; ignore kinds that only newer versions of study know."""
        match record["kind"]:
            case "started":
                self.devices.append(record["device"])
                self.chip, self.host = record.get("chip", ""), record.get("host", "")
                if self.paused:
                    self.paused, self.promoted = False, len(self.epochs)
            case "epoch":
                self._take_epoch(Epoch(record["number"], record["metrics"], record["seconds"]), record["time"])
            case "restarted":
                kept = record["epochs"]
                undone = zip(self.epochs[kept:], self.times[kept:], strict=True)
                self.undone |= {epoch.number: (epoch, time) for epoch, time in undone}
                del self.epochs[kept:], self.times[kept:]
            case "anew":  # a new training, which the server does not know yet
                self.replays += 1
            case "audited":
                self.audited = record["epoch"]
            case "paused":
                self.paused = True
            case "died":
                self.deaths.append(record["reason"])
                self.deaths_in_vain += 1
            case "ended":
                self.ended = Ended(**{name: record[name] for name in Ended.__slots__ if name in record})
                self.replays += bool(self.undone)
            case _:
                pass

    def _take_epoch(self, epoch: Epoch, time: float) -> None:
        if epoch.number > self.furthest:
            self.furthest, self.deaths_in_vain = epoch.number, 0
        first = self.undone.pop(epoch.number, None)
        if first is not None and same_result(first[0], epoch):
            epoch, time = first
        elif first is not None:
            self.replays += 1
            self.undone.clear()
        self.epochs.append(epoch)
        self.times.append(time)


def same_result(one: Epoch, other: Epoch) -> bool:
    """Tell whether two epochs have the same metrics, to the bit; NaN equals NaN."""
    return repr(sorted(one.metrics.items())) == repr(sorted(other.metrics.items()))
