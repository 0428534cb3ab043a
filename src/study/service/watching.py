"""A run of a server as the progress of a search, from its events, as if it ran here."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from study.events import Epoch
from study.progress import Preparing, Progress, SearchStarted, TrialEnded, TrialEpoch, TrialPaused, TrialStarted
from study.record.history import Ended
from study.record.trial import TrialRow
from study.service.client import ENDED, Client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from study.running.board import Board
    from study.schemas.service import Event, Run


def follow(client: Client, run: Run, board: Board) -> Iterator[Progress]:
    """Turn a run's events into progress until it has ended; the board is told of the trials that were there before."""
    if run.status in ENDED:
        return
    told: _Trials | None = None
    for event in client.events(run.id):
        if event.kind == "run":
            status = str(event.data["status"])
            yield Preparing(f"{status}: {event.data['reason']}" if event.data["reason"] else status)
            if status in ENDED and client.run(run.id).status in ENDED:
                return
        elif event.study is not None:
            if told is None or told.study != event.study:
                told = _Trials(client, event.study)
                board.start(told.started, told.metric, told.before)
                yield told.started
            yield from told.take(event)


class _Trials:
    """The trials of one study, as its events tell; those that had ended before are counted already."""

    def __init__(self, client: Client, study: str) -> None:
        overview, standing = client.show(study), client.standing(study)
        self.study, self.metric = study, overview.judged_by
        self.before = [
            TrialRow(
                each.trial, each.variant, each.state, each.value, each.best_value, each.epochs, each.seconds,
                each.overrides, each.reason, None, each.device, paused=each.paused,
            )
            for each in overview.trials
        ]  # fmt: skip
        self._ended = {each.number for each in self.before if each.state != "running"}
        self._about: dict[int, dict[str, Any]] = {}
        self._epochs: dict[int, int] = {}
        target = standing["target"] or max(1, len(self.before))
        self.started = SearchStarted(study, target, overview.finished, 0, 0, standing["epochs"])

    def take(self, event: Event) -> Iterator[Progress]:
        """Turn an event of a trial into what the live view takes."""
        number, data = event.trial, event.data
        if number is None or number in self._ended:
            return
        about = self._about.get(number, {})
        variant, overrides, epochs = about.get("variant"), about.get("overrides") or {}, self._epochs.get(number, 0)
        match event.kind:
            case "created":
                self._about[number] = data
            case "started":
                yield TrialStarted(number, variant, overrides, epochs)
            case "epoch":
                self._epochs[number] = int(data["number"])
                metrics = {name: math.nan if value is None else value for name, value in data["metrics"].items()}
                yield TrialEpoch(number, Epoch(int(data["number"]), metrics, data["seconds"]))
            case "paused":
                yield TrialPaused(number, int(data["epochs"]))
            case "ended":
                self._ended.add(number)
                known = {name: data[name] for name in ("state", "value", "reason", "time", "repeats") if name in data}
                yield TrialEnded(number, variant, overrides, epochs, Ended(**known, evaluation=None))
            case _:
                pass
