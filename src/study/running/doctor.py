"""Checks everything on this machine that a search needs; a failed check says how to fix it.

Libraries are imported inside the checks: a missing one is a finding.
"""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import tempfile
from itertools import chain
from typing import TYPE_CHECKING

from study import settings
from study.errors import PlaceError, StudyError
from study.formatting import plural, size, without_password
from study.record import atomic_files
from study.schemas.machine import Finding
from study.text import machine as text
from study.text.shown import ShownList

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from study.settings import Settings
    from study.text.table import Block

LITTLE_SPACE = 1e9  # bytes


class Findings(ShownList[Finding]):
    """The results of the checks."""

    __slots__ = ()

    @property
    def ok(self) -> bool:
        """Whether all checks passed."""
        return all(each.ok for each in self.entries)

    def blocks(self) -> list[Block]:
        """Show one line per finding."""
        return text.findings(self.entries)


def doctor(
    places: Settings,
    watch: Callable[[Finding], None] | None = None,
    *,
    repair: bool = False,
    run_again: bool = False,
) -> Findings:
    """Check devices, places, databases, data, studies and results; change nothing without `repair`.

    Args:
        places: where results are kept.
        watch: called with each finding as soon as it is made; some take seconds.
        repair: whether to restore damaged result files, each after a backup into `backups` in the home folder.
        run_again: whether the next search runs damaged trials again instead of restoring them.

    """
    from study.running import damaged  # noqa: PLC0415 - Optuna

    checks: dict[str, Callable[[], str]] = {
        "python": platform.python_version,
        "versions": _versions,
        "devices": _devices,
        "processor": _processor,
        "memory": _memory,
        "home": lambda: _place(places.home, "--home (STUDY_HOME)"),
        "cache": lambda: _place(settings.cache_folder(), "STUDY_CACHE"),
        "storage": lambda: _storage(places),
        "tracking": lambda: _tracking(places),
        "data": _data,
        "studies": _studies,
        **({"cluster": _cluster} if _address() else {}),
    }
    found: list[Finding] = []

    def tell(each: Finding) -> None:
        found.append(each)
        if watch:
            watch(each)

    for name, look in checks.items():
        tell(_look(name, look))
    try:
        for each in chain(damaged.repairs(places, run_again=run_again) if repair else (), damaged.find(places)):
            tell(each)
    except OSError as error:
        tell(_bad("results", error))
    return Findings(found)


def _look(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(check=name, ok=True, found=without_password(look()))
    except (StudyError, OSError) as error:
        return _bad(name, error)
    except ImportError as error:
        return Finding(check=name, ok=False, found=str(error), cure="Install study again, with all it depends on.")


def _bad(name: str, error: StudyError | OSError) -> Finding:
    found = atomic_files.cannot_use(error) if isinstance(error, OSError) else error
    what = f"{found.where}: {found.what}" if found.where else found.what
    return Finding(check=name, ok=False, found=without_password(what), cure=found.fix)


def _address() -> str:
    return os.environ.get("STUDY_ADDRESS") or os.environ.get("RAY_ADDRESS", "")


def _cluster() -> str:
    from study.executors.table import EXECUTORS  # noqa: PLC0415 - see above

    EXECUTORS["ray"].load()  # says how to install it
    from study.executors.cluster import overview  # noqa: PLC0415 - see above

    return overview(_address())


def _versions() -> str:
    from study.environment import PACKAGES, versions  # noqa: PLC0415 - see above

    found = versions()
    missing = [package for package in PACKAGES if found[package] == "not installed"]
    if missing:
        raise ImportError(f"not installed: {', '.join(missing)}")
    return ", ".join(f"{package} {found[package]}" for package in PACKAGES)


def _devices() -> str:
    from study.running.devices import present  # noqa: PLC0415 - see above

    return ", ".join(present())


def _processor() -> str:
    from study.environment import versions  # noqa: PLC0415 - see above
    from study.executors.server import cores  # noqa: PLC0415 - see above

    return f"{plural(cores(), 'core')}, {versions()['processor']}"


def _memory() -> str:
    from study.environment import memory  # noqa: PLC0415 - see above

    if (found := memory()) is None:
        return "unknown"
    free, total = found
    return f"{size(total)} in all, {size(free)} free"


def _place(folder: Path, option: str) -> str:
    """Write and delete a file in the folder, or in the nearest parent that exists."""
    there = folder
    try:
        there = next(each for each in (folder, *folder.parents) if each.exists())
        with tempfile.NamedTemporaryFile(dir=there, prefix=".study-doctor-") as file:
            file.write(b"x" * 4096)
            file.flush()
    except OSError as error:
        raise PlaceError(
            f"cannot be written: {error.strerror}", where=str(there), fix=f"Choose another place by {option}."
        ) from error
    free = shutil.disk_usage(there).free
    if free < LITTLE_SPACE:
        raise PlaceError(f"only {size(free)} free", where=str(there), fix=f"Free some, or move it by {option}.")
    made = "" if there == folder else ", will be made"
    return f"{folder}{made}, {size(free)} free"


def _storage(places: Settings) -> str:
    if _to_come(places.storage):
        return f"{places.storage}: SQLite {sqlite3.sqlite_version}, will be made"
    from study.sampling import storage  # noqa: PLC0415 - see above

    return f"{places.storage}: {storage.check(places.storage)}"


def _tracking(places: Settings) -> str:
    from study import tracking  # noqa: PLC0415 - see above

    return tracking.check(places)


def _to_come(url: str) -> bool:
    """Tell whether the URL is an SQLite file that the first search creates; the check must not create it."""
    file = settings.sqlite_file(url)
    return file is not None and not file.exists()


def _data() -> str:
    from study.data import packed  # noqa: PLC0415 - see above

    packs = packed.listing()
    for pack in packs:
        packed.require_whole(pack)
    here = [f"{pack.name}{' (imported)' if pack.imported else ''}" for pack in packs]
    prepared = f"prepared: {', '.join(here)}" if here else "none prepared yet"
    return f"{prepared}; looked for or downloaded in {settings.data_folder()}"


def _studies() -> str:
    from study.study_files import available, load  # noqa: PLC0415 - see above

    names = sorted(available())
    for name in names:
        load(name)
    return ", ".join(names) or "none"
