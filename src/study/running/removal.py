"""Removes a study's results: its runs in MLflow, its trials in Optuna, and finally its folders.

If a removal is killed half-way, the folders remain and the same command finishes it.
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
    """Results to remove, or already removed.

    Args:
        study: the study that was named.
        trials: number of trials by study: the named study and those derived from it.
        size: size of their folders in bytes.

    """

    study: str
    trials: Mapping[str, int]
    size: int

    def record(self) -> schemas.Removal:
        """Return the removal as a record."""
        return schemas.Removal(study=self.study, trials=dict(self.trials), bytes=self.size)

    def blocks(self) -> list[Block]:
        """Describe what is deleted."""
        return text.removal(self.record())


def plan(name: str, settings: Settings) -> Removal:
    """List what belongs to a study: its comparison, confirmation, scores and ablation, and finally itself.

    Raises:
        InputError: there is no such study; the message suggests the nearest name.
        PlaceError: Optuna's database cannot be used.

    """
    with storage.opened(settings.storage) as database:
        counts = storage.count_by_study(database)
    counts |= {each: len(Journal(settings.study_folder(each)).trials()) for each in family.studies(settings.home)}
    names = family.names_of(name, counts)
    if not names or Path(name).name != name:  # only a direct subfolder of the studies folder
        fix = nearest(name, sorted(counts))
        raise InputError(f"no results of a study {name!r}", where=str(settings.home), fix=fix)
    size = sum(atomic_files.size_of(settings.study_folder(each)) for each in names)
    return Removal(name, {each: counts[each] for each in names}, size)


def remove(removal: Removal, settings: Settings) -> None:
    """Remove everything but registered models.

    Raises:
        StudyLocked: one of the studies is running; nothing was removed.
        PlaceError: a database, MLflow or a folder cannot be used; the same call finishes the removal.

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
