"""Removing a study's results: its runs in MLflow, its trials in Optuna, its folders last.

So a removal that is killed half-way leaves the folders, and the same command finishes it.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from study import tracking
from study.errors import InputError
from study.formatting import nearest
from study.record import atomic_files, family
from study.record.journal import Journal
from study.sampling import storage
from study.schemas import studies as schemas
from study.text import studies as text
from study.text.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from study.settings import Settings
    from study.text.table import Block


@dataclass(frozen=True, slots=True)
class Removal(Shown):
    """What is to be removed, or was.

    Args:
        study: that was named.
        trials: their number by study: the one that was named, and those made for it.
        size: bytes of their folders.

    """

    study: str
    trials: Mapping[str, int]
    size: int

    def record(self) -> schemas.Removal:
        """Describe the removal in plain values."""
        return schemas.Removal(study=self.study, trials=dict(self.trials), bytes=self.size)

    def blocks(self) -> list[Block]:
        """Say what is deleted."""
        return text.removal(self.record())


def plan(name: str, settings: Settings) -> Removal:
    """Say what belongs to a study: its comparison, confirmation, scores and ablation, and itself last.

    Raises:
        InputError: nothing is known of it; says the nearest.
        PlaceError: Optuna's database cannot be used.

    """
    with storage.opened(settings.storage) as database:
        counts = storage.count_by_study(database)
    counts |= {each: len(Journal(settings.study_folder(each)).trials()) for each in family.studies(settings.home)}
    names = family.names_of(name, counts)
    if not names or Path(name).name != name:  # only a folder of the studies
        fix = nearest(name, sorted(counts))
        raise InputError(f"no results of a study {name!r}", where=str(settings.home), fix=fix)
    files = [file for each in names for file in settings.study_folder(each).rglob("*") if file.is_file()]
    return Removal(name, {each: counts[each] for each in names}, sum(file.stat().st_size for file in files))


def remove(removal: Removal, settings: Settings) -> None:
    """Remove it all; what is registered as a model stays.

    Raises:
        StudyLocked: one of the studies is run now; nothing was removed.
        PlaceError: a database, MLflow or a folder cannot be used; the same call finishes it.

    """
    folders = {name: settings.study_folder(name) for name in removal.trials}
    with storage.opened(settings.storage) as database, ExitStack() as holds:
        for name, folder in folders.items():
            holds.enter_context(storage.held(name, folder, database))
        tracking.forget(settings, [*folders])
        for name in folders:
            storage.forget(database, name)
        for folder in folders.values():
            try:
                shutil.rmtree(folder)
            except OSError as error:
                raise atomic_files.cannot_write(folder, error) from error
