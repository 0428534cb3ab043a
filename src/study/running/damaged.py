"""Finds damaged results for `study doctor` and repairs them for `study doctor --repair`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from study import tracking
from study.errors import StudyError
from study.record import damage, family
from study.running import repair
from study.sampling import copies, storage
from study.schemas.machine import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from study.record.journal import Journal
    from study.settings import Settings

CURE = "`study doctor --repair` restores it from Optuna and MLflow; with --run-again the trial is trained again"
CURES = {
    "study.json": "`study doctor --repair` restores it from MLflow, or lets the next `study run` store it anew",
    "openings.json": "`study doctor --repair` makes it anew; earlier looks at the test split are then unknown",
    "mirror.json": "`study doctor --repair` deletes it; the next `study sync` sends everything again",
    "checkpoint.pt": "`study run` goes on from the checkpoint before it",
}


def find(places: Settings) -> Iterator[Finding]:
    """Read all files of all studies; yield a finding per damaged file, or a single one if there is none."""
    names, files = family.studies(places.home), 0
    for name in names:
        journal = family.journal(name, places.home)
        for each in damage.find(journal):
            files += 1
            yield _bad(name, str(each), _cure(each))
    if not files:
        yield Finding(check="results", ok=True, found=f"of studies: {len(names)}; no damaged file")


def repairs(places: Settings, *, run_again: bool) -> Iterator[Finding]:
    """Repair damaged files, each after a backup.

    Args:
        places: where the folders, the database and MLflow are.
        run_again: whether to run damaged trials again instead of restoring them.

    """
    backup = places.home / "backups" / time.strftime("%Y-%m-%dT%H-%M-%S")
    for name in family.studies(places.home):
        journal = family.journal(name, places.home)
        if next(damage.find(journal), None) is None:
            continue
        try:
            yield from _repair(journal, places, backup, run_again=run_again)
        except StudyError as error:
            yield _bad(name, error.what, error.fix)


def _repair(journal: Journal, places: Settings, backup: Path, *, run_again: bool) -> Iterator[Finding]:
    name = journal.folder.name
    with storage.opened(places.storage) as database, storage.held(name, journal.folder, database):
        mlflow = None
        if tracking.is_made(places):
            from study.tracking import copies as runs  # noqa: PLC0415 - loads mlflow

            mlflow = runs.of(name, places, tracking.server_name(places))
        cures = repair.Repairs(journal, copies.of(database, name), mlflow, backup, run_again=run_again)
        for found, done, is_cured in repair.study(cures, journal):
            if is_cured:
                yield Finding(check="repair", ok=True, found=f"{name}: {found}: {done}; before it: {backup}")
            else:
                yield _bad(name, f"{found}: {done}", "--repair --run-again trains the trial again", check="repair")


def _cure(found: damage.Damage) -> str:
    return CURES.get(found.file.name, CURE if found.trial is not None else "`study doctor --repair` moves it away")


def _bad(name: str, found: str, cure: str, check: str = "results") -> Finding:
    return Finding(check=check, ok=False, found=f"{name}: {found}", cure=cure)
