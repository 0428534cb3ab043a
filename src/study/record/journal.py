"""Trial folders: the source of truth, from which Optuna and MLflow are updated. Only this module names their files.

A rename creates a trial's folder with all its files before any database knows the trial. Only the coordinator appends
to its log; only the worker replaces its checkpoint and its best weights.

    studies/NAME/trials/00007/
        recipe.json         all knobs of the training
        trial.json          what else Optuna and MLflow need: parameters, distributions, variant, environment
        log.jsonl           one line per event, with a checksum: started, epoch, audited, paused, died, restarted, anew,
                            restored, ended
        checkpoint.pt       state after the latest whole epoch, until the trial ends; checkpoint.pt.before: the
                            previous, until the trial pauses or ends
        best.safetensors    weights of the best epoch so far
        last.safetensors    weights of the last epoch of a complete trial, unless it is the best epoch
        correct.json        which test examples it got right, if it was evaluated on them
"""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.errors import Damaged, StudyError
from study.record import atomic_files, checked, log_lines, weights
from study.record.history import History

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from study.record.history import Record

ATTEMPT = ".attempt-"  # begins the name of a folder that one attempt on a cluster writes in, with `--shared-home`
LOCK = "lock"  # file in a study's folder that names the process that runs the study


class TrialFolder:
    """The files of one trial."""

    def __init__(self, path: str | Path) -> None:
        """Keep the path; nothing is read or created."""
        self._at = os.fspath(path)  # of ten thousand trials, paths are made only where they are used

    @cached_property
    def path(self) -> Path:
        """The folder."""
        return Path(self._at)

    @cached_property
    def number(self) -> int:
        """Optuna's number of the trial, from 0."""
        return int(self._at.rpartition("/")[2])

    @property
    def study(self) -> str:
        """Name of the study that it belongs to."""
        return self._at.rsplit("/", 3)[1]

    @cached_property
    def log(self) -> Path:
        """The log, with one line per event."""
        return self.path / "log.jsonl"

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
        """The weights of the last epoch of a complete trial, unless it is the best epoch."""
        return self.path / "last.safetensors"

    @property
    def correct(self) -> Path:
        """Which test examples a final training got right; the worker writes this file."""
        return self.path / "correct.json"

    def recipe(self) -> dict[str, Any]:
        """Read all knobs of the trial."""
        return checked.read(f"{self._at}/recipe.json")

    def about(self) -> dict[str, Any]:
        """Read the trial's parameters, variant and environment, as stored on creation."""
        return checked.read(f"{self._at}/trial.json")

    def log_size(self) -> int:
        """Return the size of the log in bytes, 0 before its first line; it grows with every line."""
        try:
            return os.stat(f"{self._at}/log.jsonl").st_size  # noqa: PTH116 - see __init__
        except FileNotFoundError:
            return 0

    def weights_are_whole(self) -> bool:
        """Tell whether its existing weights are undamaged."""
        try:
            for file in (self.best, self.last):
                if file.exists():
                    weights.read(file)
        except Damaged:
            return False
        return True

    def copy_weights(self, other: TrialFolder) -> None:
        """Copy the best and the last weights of another trial, as far as it has them.

        Raises:
            Damaged: the weights are damaged.
            PlaceError: see `append`.

        """
        for theirs, ours in ((other.best, self.best), (other.last, self.last)):
            if theirs.exists():
                atomic_files.replace(ours, [weights.read(theirs)])

    def append(self, kind: str, **values: Any) -> Record:
        """Append a record to the log and flush it to disk; if the disk is full, the log is unchanged.

        Raises:
            PlaceError: the disk is full or not writable.

        """
        record = new_record(kind, values)
        atomic_files.append(self.log, log_lines.encode(record))
        return record

    def read_log(self) -> log_lines.Log:
        """Read the log, including damaged lines."""
        try:
            with open(f"{self._at}/log.jsonl", "rb", buffering=0) as log:  # noqa: PTH123 - see __init__
                content = log.read()
        except FileNotFoundError:
            content = b""
        return log_lines.parse(content)

    def records(self, log: log_lines.Log | None = None) -> Sequence[Record]:
        """Read the log, or take one that was read, without a last line that a kill left incomplete.

        Raises:
            Damaged: a line is damaged; the message names file and line.

        """
        read = log or self.read_log()
        if damaged := read.damaged:
            line = f"line{'s' * (len(damaged) > 1)}"
            where = f"{self.log}, {line} {', '.join(map(str, damaged))}"
            raise Damaged(f"damaged {line}", where=where, fix=checked.CURE)
        return [record for record in read.lines if record is not None]

    def history(self, log: log_lines.Log | None = None) -> History:
        """Replay the log, or one that was read. Raises the errors of `records`."""
        history = History()
        for record in self.records(log):
            history.take(record)
        return history

    def repair(self) -> bytes:
        """Move an incomplete last line of the log to `log.torn`; return its bytes, empty if there is none."""
        if not self.log.exists():
            return b""
        read = self.read_log()
        if read.torn:
            atomic_files.append(self.path / "log.torn", read.torn + b"\n")
            os.truncate(self.log, read.whole)
        atomic_files.sync_folder(self.path)  # in case a kill followed the first line of the log
        return read.torn

    def discard_checkpoint(self) -> None:
        """Delete the checkpoints of an ended trial, and what killed workers and attempts have left."""
        for left in self.path.glob(f"{ATTEMPT}*"):
            shutil.rmtree(left, ignore_errors=True)  # of an attempt that may still write
        for file in (self.checkpoint, *self.path.glob(f"{self.checkpoint.name}.*")):
            file.unlink(missing_ok=True)
        atomic_files.sweep(self.path)


def new_record(kind: str, values: Mapping[str, Any]) -> Record:
    """Make a record of a log, of now."""
    return {"kind": kind, "time": time.time(), **values}


class Journal:
    """All trial folders of a study, and the files of the study itself."""

    def __init__(self, folder: Path) -> None:
        """Keep the path of the study's folder; nothing is read or created."""
        self.folder = folder

    @property
    def home(self) -> Path:
        """The folder of all results."""
        return self.folder.parent.parent

    @property
    def definition_file(self) -> Path:
        """The file of the study's definition, stored before its first trial."""
        return self.folder / "study.json"

    def trial(self, number: int) -> TrialFolder:
        """Return the folder of one trial, whether it exists or not."""
        return TrialFolder(f"{self.folder}/trials/{number:05d}")

    def trials(self) -> list[TrialFolder]:
        """List all trials that have a folder, by number."""
        return [self.trial(number) for number in self.numbers()]

    def numbers(self) -> list[int]:
        """List the numbers of all trials that have a folder, in order."""
        try:
            names = os.listdir(self.folder / "trials")  # noqa: PTH208 - avoids a Path for each of thousands
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(int(name) for name in names if name.isdigit())

    def create(self, number: int, recipe_json: str, about: Mapping[str, Any]) -> TrialFolder:
        """Create a trial's folder atomically.

        Raises:
            PlaceError: the disk is full or not writable.

        """
        self.create_all([(number, recipe_json, about)])
        return self.trial(number)

    def create_all(self, trials: Sequence[tuple[int, str, Mapping[str, Any]]]) -> None:
        """Create the folders of trials, each atomically; they are flushed to disk at the same time.

        Args:
            trials: number of each, its recipe as JSON, and what else is stored about it.

        Raises:
            PlaceError: the disk is full or not writable.

        """
        folders = [self.trial(number).path for number, _, _ in trials]
        making = [path.with_name(f".making-{path.name}") for path in folders]
        contents = [(checked.encode(json.loads(text)), checked.encode(about)) for _, text, about in trials]
        try:
            atomic_files.at_once(_make_trial, list(zip(making, contents, strict=True)))
            for made, path in zip(making, folders, strict=True):
                made.rename(path)
            atomic_files.sync_folder(folders[0].parent)
        except OSError as error:
            for made in making:
                shutil.rmtree(made, ignore_errors=True)
            raise atomic_files.cannot_write(folders[0], error) from error

    def settle(self) -> None:
        """Flush the folders and delete what killed processes left behind; the caller holds the study's lock.

        Raises:
            PlaceError: the disk is full or not writable.

        """
        trials = self.folder / "trials"
        atomic_files.make_folder(trials, self.home)
        try:
            atomic_files.sweep(self.folder)
            for left in trials.glob(".making-*"):
                shutil.rmtree(left)
            for trial in self.trials():
                atomic_files.sweep(trial.path)
                with suppress(StudyError):  # a damaged log is reported where the trial is read
                    if any(trial.path.glob(f"{trial.checkpoint.name}*")) and trial.history().ended:
                        trial.discard_checkpoint()
        except OSError as error:
            raise atomic_files.cannot_write(self.folder, error) from error

    def definition(self) -> dict[str, Any] | None:
        """Read the stored definition; None before the first run."""
        return checked.read(self.definition_file) if self.definition_file.exists() else None

    @property
    def artifacts(self) -> Path:
        """The folder of the study's pictures and tables, which the tracking server also receives."""
        return self.folder / "artifacts"

    def files(self) -> dict[str, bytes]:
        """Read all artifacts, by name."""
        paths = sorted(self.artifacts.iterdir()) if self.artifacts.is_dir() else []
        return {path.name: path.read_bytes() for path in paths}

    def groups(self) -> dict[str, dict[str, float]]:
        """Read the values over seeds of each variant, contender or arm; empty for a search."""
        path = self.folder / "groups.json"
        return checked.read(path) if path.exists() else {}

    def store_groups(self, groups: Mapping[str, Mapping[str, float]]) -> None:
        """Replace the values over seeds of each variant, contender or arm."""
        checked.write(self.folder / "groups.json", groups)

    def openings(self) -> list[dict[str, Any]]:
        """Read all recorded uses of the test split: time, command, study, recipe fingerprints and seeds."""
        path = self.folder / "openings.json"
        found = checked.read(path) if path.exists() else []
        return found if isinstance(found, list) else found["looks"]  # format 1 had the list alone

    def record_opening(self, opening: Mapping[str, Any]) -> None:
        """Record a use of the test split, before it happens.

        Raises:
            PlaceError: the disk is full or not writable.

        """
        checked.write(self.folder / "openings.json", {"looks": [*self.openings(), dict(opening)]})

    def question(self, kind: str) -> dict[str, Any] | None:
        """Read the latest question of a kind, such as "confirm"; None if there is none."""
        path = self.folder / f"{kind}.json"
        return checked.read(path) if path.exists() else None

    def store_question(self, kind: str, question: Mapping[str, Any]) -> None:
        """Replace the latest question of a kind.

        Raises:
            PlaceError: the disk is full or not writable.

        """
        atomic_files.make_folder(self.folder, self.home)
        checked.write(self.folder / f"{kind}.json", question)

    def store_definition(self, definition: Mapping[str, Any]) -> None:
        """Replace the stored definition atomically.

        Raises:
            PlaceError: the disk is full or not writable.

        """
        atomic_files.make_folder(self.folder, self.home)
        checked.write(self.definition_file, definition)


def _make_trial(given: tuple[Path, tuple[bytes, bytes]]) -> None:
    """Write a new trial's folder and flush it to disk. Raises OSError."""
    making, (recipe, about) = given
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    atomic_files.write(making / "recipe.json", [recipe])
    atomic_files.write(making / "trial.json", [about])
    atomic_files.sync_folder(making)
