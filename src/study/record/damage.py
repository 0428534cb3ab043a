"""Finds the damaged files of a study: reads every file and verifies its checksum."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from study.errors import Damaged, StudyError
from study.record import checked, weights

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from study.record.journal import Journal, TrialFolder


@dataclass(frozen=True, slots=True)
class Damage:
    """A damaged file.

    Args:
        file: path of the file.
        what: what is wrong with it.
        trial: trial number; None for a file of the study itself.

    """

    file: Path
    what: str
    trial: int | None = None

    def __str__(self) -> str:
        """Name the file within its study."""
        of = "" if self.trial is None else f"trial {self.trial}, "
        return f"{of}{self.file.name}: {self.what}"


def find(journal: Journal) -> Iterator[Damage]:
    """Read all files of a study and yield the damaged ones, those of the study itself first."""
    for file in sorted(journal.folder.glob("*.json")):
        yield from _json(file, None)
    for trial in journal.trials():
        yield from of_trial(trial)


def of_trial(trial: TrialFolder) -> Iterator[Damage]:
    """Yield the damaged files of a trial."""
    for name in ("recipe.json", "trial.json"):
        yield from _json(trial.path / name, trial.number)
    if damaged := trial.read_log().damaged:
        what = f"damaged line{'s' * (len(damaged) > 1)} {', '.join(map(str, damaged))}"
        yield Damage(trial.log, what, trial.number)
    for file in (trial.best, trial.last):
        if file.exists():
            try:
                weights.read(file)
            except Damaged as error:
                yield Damage(file, error.what, trial.number)
    if trial.correct.exists():
        yield from _json(trial.correct, trial.number)
    with suppress(FileNotFoundError):
        if not weights.is_whole_checkpoint(trial.checkpoint.read_bytes()):
            yield Damage(trial.checkpoint, "damaged", trial.number)


def _json(file: Path, trial: int | None) -> Iterator[Damage]:
    try:
        checked.read(file)
    except StudyError as error:
        yield Damage(file, error.what, trial)
