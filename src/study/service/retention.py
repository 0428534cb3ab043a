"""What may go when it is old: weights that nothing needs, what commands said, and the server's events.

Results stay for ever: recipes, logs, scores, predictions on the test split. Weights stay where they are evidence: those
of a study's best trials, of final trainings, and of the whole family of a study of which a model is registered.
"""

from __future__ import annotations

import math
import shutil
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from study import tracking
from study.errors import InputError, StudyError
from study.formatting import plural, size
from study.record import atomic_files, family, results
from study.registry import promotion
from study.registry.described import described
from study.schemas.service import Retention
from study.settings import sqlite_file, sqlite_url
from study.text.shown import Shown
from study.text.table import Block
from study.tracking import cursor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from study.record.journal import Journal
    from study.settings import Settings

DAY = 86400.0  # seconds


@dataclass(frozen=True, slots=True)
class Rules:
    """What is kept, and how long.

    Args:
        weights_days: days after the end of a trial for which its weights are kept.
        best: number of a study's best complete trials whose weights are kept for ever.
        log_days: days for which messages of ended runs and events are kept.

    """

    weights_days: float = 30.0
    best: int = 10
    log_days: float = 90.0


@dataclass(frozen=True, slots=True)
class Garbage(Shown):
    """What the rules let go.

    Args:
        rules: by which it was found.
        weights: files of weights by study, copies in MLflow's artifacts included.
        trials: number of trials that they belong to, by study.
        kept: why all weights of a study are kept, by study.
        messages: folders of what ended runs' commands have said.
        events: number of the server's events.
        sizes: bytes of each file and folder.

    """

    rules: Rules
    weights: Mapping[str, list[Path]]
    trials: Mapping[str, int]
    kept: Mapping[str, str]
    messages: list[Path]
    events: int
    sizes: Mapping[Path, int] = field(default_factory=dict["Path", int])

    def record(self) -> Retention:
        """Return it as a record."""
        return Retention(
            trials=dict(self.trials), kept=dict(self.kept), messages=len(self.messages), events=self.events,
            bytes=sum(self.sizes.values()),
        )  # fmt: skip

    def blocks(self) -> list[Block]:
        """Describe what goes and what is kept."""
        rows = [
            [study, plural(self.trials[study], "trial"), size(sum(self.sizes[file] for file in files))]
            for study, files in self.weights.items()
        ]
        said = size(sum(self.sizes[folder] for folder in self.messages))
        lines = [
            f"weights of trials that ended {self.rules.weights_days:g} days ago, but for the best {self.rules.best}"
        ]
        notes = [
            f"messages of {plural(len(self.messages), 'run')} that ended {self.rules.log_days:g} days ago, {said}",
            f"{plural(self.events, 'event')} of the server's that are as old",
            *(f"kept: all weights of {study}, {why}" for study, why in self.kept.items()),
        ]
        return [Block(lines, ("Study", "Weights of", "Size"), rows, notes)]


def find(settings: Settings, rules: Rules, database: str | None = None) -> Garbage:
    """Find what the rules let go; nothing is removed.

    Args:
        settings: where results and the registry are.
        rules: what is kept.
        database: URL of the server's; that in the home folder if None.

    Raises:
        InputError: days that are no number from 0, or there is no home folder.
        PlaceError: the registry or the server's database cannot be asked, so that it is not known what is evidence.

    """
    for option, days in (("weights-days", rules.weights_days), ("log-days", rules.log_days)):
        if not 0 <= days <= math.inf:  # NaN is neither before nor after any day
            raise InputError(f"--{option} must be 0 or more, not {days:g}")
    if not settings.home.is_dir():
        raise InputError("no such folder of results", where=str(settings.home))
    before, kept = time.time() - rules.weights_days * DAY, _evidence(settings)
    weights: dict[str, list[Path]] = {}
    trials: dict[str, int] = {}
    for name in family.studies(settings.home):
        start, kind = family.parsed(name)
        if kind == "final" or start in kept:
            continue
        if family.held_by(family.journal(name, settings.home)) is not None:
            kept[name] = "which is running"
            continue
        try:
            found = _weights(settings, family.journal(name, settings.home), before, rules.best)
        except StudyError as error:
            kept[name] = f"which is damaged: {error.what}"
            continue
        if found:
            weights[name], trials[name] = [file for files in found.values() for file in files], len(found)
    messages, events = _logs(settings, time.time() - rules.log_days * DAY, database)
    old = [*(file for files in weights.values() for file in files), *messages]
    sizes = {each: atomic_files.size_of(each) for each in old}
    return Garbage(rules, weights, trials, kept, messages, events, sizes)


def remove(garbage: Garbage, settings: Settings, database: str | None = None) -> None:
    """Remove what was found.

    Raises:
        PlaceError: a file cannot be removed; the same call goes on.

    """
    for file in garbage.sizes:
        try:
            if file.is_dir():
                shutil.rmtree(file)
            else:
                file.unlink(missing_ok=True)
        except OSError as error:
            raise atomic_files.cannot_write(file, error) from error
    if (url := _url(settings, database)) is not None:
        from study.service import events_kept  # noqa: PLC0415 - needs the extra `serve`

        record = garbage.record()
        said = f"weights of {sum(record.trials.values())} trials, messages of {record.messages} runs"
        events_kept.remove(url, time.time() - garbage.rules.log_days * DAY, said)


def _evidence(settings: Settings) -> dict[str, str]:
    """Say of which studies models are registered."""
    found: dict[str, str] = {}
    for version in map(described, promotion.listed(settings)):
        for name in {version.study, (version.made_by or "").rpartition(" trial ")[0]} - {None, ""}:
            start = family.parsed(str(name))[0]
            known = f"of which version {version.version} of {version.model} is registered"
            found[start] = known + (", the champion" if "champion" in version.aliases else "")
    return found


def _weights(settings: Settings, journal: Journal, before: float, best: int) -> dict[int, list[Path]]:
    """List the files of weights that may go, by trial."""
    trials = results.read(journal)
    if not trials:
        return {}
    sign = results.metric_of(journal, trials).sign
    complete = [each for each in trials if each.row.state == "complete" and each.row.value is not None]
    leading = sorted(complete, key=lambda each: (-sign * (each.row.value or 0.0), each.number))
    needed = {each.number for each in leading[:best]}
    sent = cursor.load(journal, tracking.server_name(settings)).trials
    found: dict[int, list[Path]] = {}
    for trial in trials:
        ended = trial.history.ended
        if trial.number in needed or ended is None or ended.time > before:
            continue
        files = [trial.folder.best, trial.folder.last]
        if known := sent.get(trial.number):
            files += settings.artifacts.glob(f"*/{known.run}/artifacts/*.safetensors")
        if files := [file for file in files if file.is_file()]:
            found[trial.number] = files
    return found


def _url(settings: Settings, database: str | None) -> str | None:
    """Give the URL of the server's database; None if there is none."""
    url = database or sqlite_url(settings.home / "service.db")
    file = sqlite_file(url)
    return None if file is not None and not file.exists() else url


def _logs(settings: Settings, before: float, database: str | None) -> tuple[list[Path], int]:
    """List the folders of messages that may go, and count the events."""
    if (url := _url(settings, database)) is None:
        return [], 0
    from study.service import events_kept  # noqa: PLC0415 - needs the extra `serve`

    runs, events = events_kept.old(url, before)
    folders = [settings.home / "service" / "runs" / run for run in runs]
    return [folder for folder in folders if folder.is_dir()], events
