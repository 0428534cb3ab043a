"""Updates Optuna's database and MLflow from the trial folders: `study sync`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study import tracking
from study.record.journal import Journal
from study.sampling import storage, telling
from study.schemas.studies import SyncedStudy
from study.text import studies as text
from study.text.shown import ShownList
from study.tracking import mirror

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from study.settings import Settings
    from study.text.table import Block


class Synchronized(ShownList[SyncedStudy]):
    """What Optuna and MLflow received of each study."""

    __slots__ = ()

    @property
    def ok(self) -> bool:
        """Whether everything was sent."""
        return not any(each.trouble for each in self.entries)

    def blocks(self) -> list[Block]:
        """Show one line per study."""
        return text.synced(self.entries)


def pending(settings: Settings, names: Sequence[str]) -> Synchronized:
    """Count the trials that MLflow lacks, from the files alone; send nothing."""
    server = tracking.server_name(settings)
    return Synchronized([
        SyncedStudy(
            study=name, optuna=None, mlflow=None, trouble=None,
            pending=mirror.pending(Journal(settings.study_folder(name)), server),
        )
        for name in names
    ])  # fmt: skip


def sync(settings: Settings, names: Sequence[str]) -> Synchronized:
    """Update Optuna's database and MLflow from the folders of the studies.

    Args:
        settings: where folders, database and MLflow are.
        names: names of studies that have folders.

    Raises:
        PlaceError: the database or MLflow cannot be used, or a folder does not belong to the database.

    """
    if not names:
        return Synchronized([])
    with storage.opened(settings.storage) as database:
        told = {name: telling.sync(Journal(settings.study_folder(name)), database) for name in names}
    return Synchronized(
        [
            SyncedStudy(
                study=each.study, optuna=told[each.study][0], mlflow=each.sent, pending=each.pending,
                trouble=each.error or _left_out(told[each.study][1]),
            )
            for each in tracking.sync_studies(settings, names)
        ]
    )  # fmt: skip


def _left_out(damaged: Collection[int]) -> str | None:
    numbers = ", ".join(map(str, sorted(damaged)))
    return f"damaged: trial{'s' * (len(damaged) > 1)} {numbers}; see `study doctor`" if damaged else None
