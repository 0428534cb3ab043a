"""Trial folders, the source of truth from which Optuna and MLflow are updated; only this module names their files.

A rename creates a trial's folder with all its files, before the trial is in any database. Only the coordinator appends
to its log; only the worker replaces its checkpoint and its best weights.

    studies/NAME/trials/00007/
        recipe.json         every knob of the training
        trial.json          what else Optuna and MLflow need: parameters, distributions, variant, environment
        log.jsonl           a line per event, with a checksum: started, epoch, audited, died, restarted, ended
        checkpoint.pt       state after the last whole epoch, until the trial ends
        best.safetensors    weights of the best epoch so far
        last.safetensors    weights of the last epoch of a complete trial, unless it is the best epoch
"""

from __future__ import annotations

import json
import os
import shutil
import time
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from study.errors import StudyError
from study.record import atomic_files
from study.record.history import History

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from study.record.history import Record

LOCK = "lock"  # file in a study's folder that names the process that runs the study


class TrialFolder:
    """The files of one trial."""

    def __init__(self, path: Path) -> None:
        """Keep the path; nothing is read or created."""
        self.path = path

    @property
    def number(self) -> int:
        """Optuna's number of the trial, from 0."""
        return int(self.path.name)

    @property
    def checkpoint(self) -> Path:
        """The state from which the worker resumes the training."""
        return self.path / "checkpoint.pt"

    @property
    def best(self) -> Path:
        """The weights of the best epoch so far; the worker writes them."""
        return self.path / "best.safetensors"

    @property
    def last(self) -> Path:
        """The weights of a complete trial's last epoch, which is judged, unless it is the best epoch."""
        return self.path / "last.safetensors"

    def recipe(self) -> dict[str, Any]:
        """Read every knob of the trial."""
        return _read_json(self.path / "recipe.json")

    def about(self) -> dict[str, Any]:
        """Read the trial's parameters, variant and environment, as they were stored when it was created."""
        return _read_json(self.path / "trial.json")

    def log_size(self) -> int:
        """Give the log's length in bytes, 0 before its first line; it grows with every line."""
        file = self.path / "log.jsonl"
        return file.stat().st_size if file.exists() else 0

    def copy_weights(self, other: TrialFolder) -> None:
        """Take over the best and the last weights of another trial, those that it has; raises as `append`."""
        for theirs, ours in ((other.best, self.best), (other.last, self.last)):
            if theirs.exists():
                atomic_files.replace(ours, [theirs.read_bytes()])

    def append(self, kind: str, **values: Any) -> Record:
        """Append a record to the log and flush it to disk; on a full disk the log is unchanged.

        Raises:
            PlaceError: the disk is full or cannot be written.

        """
        record = {"kind": kind, "time": time.time(), **values}
        body = json.dumps(record)
        line = f'{{"crc":"{zlib.crc32(body.encode()):08x}",{body[1:]}\n'.encode()
        atomic_files.append(self.path / "log.jsonl", line)
        return record

    def records(self) -> Iterator[Record]:
        """Read the log from its start, without a last line that a kill has left incomplete.

        Raises:
            StudyError: a line before the last is damaged; names file and line.

        """
        file = self.path / "log.jsonl"
        content = file.read_bytes() if file.exists() else b""
        lines = content.split(b"\n")
        for index, line in enumerate(lines[:-1]):
            record = _checked(line)
            if record is None and index == len(lines) - 2:
                return
            if record is None:
                raise StudyError("damaged line", where=f"{file}, line {index + 1}", fix="Restore the file, or delete "
                                 "the trial's folder to run it again.")  # fmt: skip
            yield record

    def history(self) -> History:
        """Replay the log."""
        history = History()
        for record in self.records():
            history.take(record)
        return history

    def repair(self) -> bytes:
        """Move an incomplete last line of the log to `log.torn`; return its bytes, empty if the log was whole."""
        file = self.path / "log.jsonl"
        if not file.exists():
            return b""
        content = file.read_bytes()
        whole = content.rfind(b"\n") + 1
        last = content.rfind(b"\n", 0, whole - 1) + 1
        if whole and _checked(content[last : whole - 1]) is None:
            whole = last
        torn = content[whole:]
        if torn:
            atomic_files.append(self.path / "log.torn", torn + b"\n")
            os.truncate(file, whole)
        atomic_files.sync_folder(self.path)  # of a log whose first line was followed by a kill
        return torn

    def discard_checkpoint(self) -> None:
        """Delete the checkpoint of a trial that has ended, and what killed workers have left unfinished."""
        self.checkpoint.unlink(missing_ok=True)
        atomic_files.sweep(self.path)


class Journal:
    """All trial folders of one study, and what is stored about the study itself."""

    def __init__(self, folder: Path) -> None:
        """Keep the path of the study's folder; nothing is read or created."""
        self.folder = folder

    @property
    def home(self) -> Path:
        """The folder of all results."""
        return self.folder.parent.parent

    @property
    def definition_file(self) -> Path:
        """The file of the study's definition, as of its first trial."""
        return self.folder / "study.json"

    def trial(self, number: int) -> TrialFolder:
        """Return the folder of one trial, whether it exists or not."""
        return TrialFolder(self.folder / "trials" / f"{number:05d}")

    def trials(self) -> list[TrialFolder]:
        """List all trials that have a folder, by number."""
        folder = self.folder / "trials"
        paths = sorted(folder.iterdir()) if folder.is_dir() else []
        return [TrialFolder(path) for path in paths if path.name.isdigit()]

    def create(self, number: int, recipe_json: str, about: Mapping[str, Any]) -> TrialFolder:
        """Create a trial's folder atomically.

        Raises:
            PlaceError: the disk is full or cannot be written.

        """
        trial = self.trial(number)
        making = trial.path.with_name(f".making-{trial.path.name}")
        try:
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir(parents=True)
            atomic_files.write(making / "recipe.json", [recipe_json.encode()])
            atomic_files.write(making / "trial.json", [json.dumps(about, indent=2).encode()])
            atomic_files.sync_folder(making)
            making.rename(trial.path)
            atomic_files.sync_folder(trial.path.parent)
        except OSError as error:
            shutil.rmtree(making, ignore_errors=True)
            raise atomic_files.cannot_write(trial.path, error) from error
        return trial

    def settle(self) -> None:
        """Make the folders durable, and delete what killed processes have left behind; the caller holds the study.

        Raises:
            PlaceError: the disk is full or cannot be written.

        """
        trials = self.folder / "trials"
        atomic_files.make_folder(trials, self.home)
        try:
            atomic_files.sweep(self.folder)
            for left in trials.glob(".making-*"):
                shutil.rmtree(left)
            for trial in self.trials():
                atomic_files.sweep(trial.path)
                with suppress(StudyError):  # a damaged log is named where the trial is read
                    if trial.checkpoint.exists() and trial.history().ended:
                        trial.checkpoint.unlink()
        except OSError as error:
            raise atomic_files.cannot_write(self.folder, error) from error

    def definition(self) -> dict[str, Any] | None:
        """Read the stored definition; None before the first run."""
        return _read_json(self.definition_file) if self.definition_file.exists() else None

    @property
    def artifacts(self) -> Path:
        """Folder of the study's pictures and tables, which the tracking server receives, too."""
        return self.folder / "artifacts"

    def files(self) -> dict[str, bytes]:
        """Read all artifacts, by name."""
        paths = sorted(self.artifacts.iterdir()) if self.artifacts.is_dir() else []
        return {path.name: path.read_bytes() for path in paths}

    def groups(self) -> dict[str, dict[str, float]]:
        """Read the values over seeds of each variant, contender or arm; empty for a search."""
        path = self.folder / "groups.json"
        return _read_json(path) if path.exists() else {}

    def store_groups(self, groups: Mapping[str, Mapping[str, float]]) -> None:
        """Replace the values over seeds of each variant, contender or arm."""
        atomic_files.replace(self.folder / "groups.json", [json.dumps(groups, indent=2).encode()])

    def openings(self) -> list[dict[str, Any]]:
        """Read every look at the test split: its time, command and study, the recipes' fingerprints, the seeds."""
        path = self.folder / "openings.json"
        return _read_json(path) if path.exists() else []

    def record_opening(self, opening: Mapping[str, Any]) -> None:
        """Record a look at the test split, before it is taken.

        Raises:
            PlaceError: the disk is full or cannot be written.

        """
        content = json.dumps([*self.openings(), opening], indent=2).encode()
        atomic_files.replace(self.folder / "openings.json", [content])

    def question(self, kind: str) -> dict[str, Any] | None:
        """Read the last question of a kind, such as "confirm"; None if there was none."""
        path = self.folder / f"{kind}.json"
        return _read_json(path) if path.exists() else None

    def store_question(self, kind: str, question: Mapping[str, Any]) -> None:
        """Replace the last question of a kind.

        Raises:
            PlaceError: the disk is full or cannot be written.

        """
        atomic_files.make_folder(self.folder, self.home)
        atomic_files.replace(self.folder / f"{kind}.json", [json.dumps(question, indent=2).encode()])

    def store_definition(self, definition: Mapping[str, Any]) -> None:
        """Replace the stored definition atomically.

        Raises:
            PlaceError: the disk is full or cannot be written.

        """
        atomic_files.make_folder(self.folder, self.home)
        atomic_files.replace(self.definition_file, [json.dumps(definition, indent=2).encode()])


def _checked(line: bytes) -> Record | None:
    """Read a log line; None if its checksum is wrong."""
    head = b'{"crc":"'
    if not line.startswith(head) or len(line) < len(head) + 11:
        return None
    body = b"{" + line[len(head) + 10 :]
    if f"{zlib.crc32(body):08x}".encode() != line[len(head) : len(head) + 8]:
        return None
    return json.loads(body)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise StudyError(f"cannot be read: {error}", where=str(path)) from error
