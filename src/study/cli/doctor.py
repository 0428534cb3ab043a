"""`study doctor`: everything that a search needs, each fine or with its cure."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from study import settings
from study.cli import options
from study.errors import PlaceError, StudyError
from study.formatting import plural, size, to_json, without_password

if TYPE_CHECKING:
    from study.settings import Settings

LITTLE_SPACE = 1e9  # bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Args:
        check: what.
        ok: whether a search can use it.
        found: what it is.
        cure: what to do about it, empty if fine.

    """

    check: str
    ok: bool
    found: str
    cure: str = ""


def doctor(
    as_json: options.AsJson = False,
    home: options.Home = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Check devices, places, databases and data, and name cures."""
    places = settings.resolve(home, storage, tracking_uri)
    checks: list[tuple[str, Callable[[], str]]] = [
        ("python", platform.python_version),
        ("versions", _versions),
        ("devices", _devices),
        ("processor", _processor),
        ("memory", _memory),
        ("home", lambda: _place(places.home, "--home (STUDY_HOME)")),
        ("cache", lambda: _place(settings.cache_folder(), "STUDY_CACHE")),
        ("storage", lambda: _storage(places)),
        ("tracking", lambda: _tracking(places)),
        ("data", _data),
        ("studies", _studies),
    ]
    findings: list[Finding] = []
    for name, look in checks:
        findings.append(_look(name, look))
        if not as_json:
            _show(findings[-1])
    if as_json:
        print(to_json([asdict(finding) for finding in findings], indent=2))
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _look(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, ok=True, found=without_password(look()))
    except StudyError as error:
        what = f"{error.where}: {error.what}" if error.where else error.what
        return Finding(name, ok=False, found=without_password(what), cure=error.fix)
    except ImportError as error:
        return Finding(name, ok=False, found=str(error), cure="Install study again, with all it depends on.")


def _show(finding: Finding) -> None:
    cure = f" -> {finding.cure}" if finding.cure else ""
    print(f"{'ok ' if finding.ok else 'BAD'}  {finding.check:<10} {finding.found}{cure}", flush=True)


def _versions() -> str:
    from study.environment import PACKAGES, versions

    found = versions()
    missing = [package for package in PACKAGES if found[package] == "not installed"]
    if missing:
        raise ImportError(f"not installed: {', '.join(missing)}")
    return ", ".join(f"{package} {found[package]}" for package in PACKAGES)


def _devices() -> str:
    from study.engine.device import devices

    return ", ".join(devices())


def _processor() -> str:
    from study.environment import versions
    from study.executors.local import cores

    return f"{plural(cores(), 'core')}, {versions()['processor']}"


def _memory() -> str:
    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return f"{size(pages * page)} in all, {size(os.sysconf('SC_AVPHYS_PAGES') * page)} free"


def _place(folder: Path, option: str) -> str:
    """Write and delete a file in the folder, or where the folder would be made."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    try:
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
    from study.sampling.storage import check

    return f"{places.storage}: {check(places.storage)}"


def _tracking(places: Settings) -> str:
    from study.tracking import check

    return check(places)


def _to_come(url: str) -> bool:
    """Whether it is an SQLite file that the first search will make; looking must not make it."""
    return url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists()


def _data() -> str:
    from study.data import packed

    here = [f"{pack.name}{' (imported)' if pack.imported else ''}" for pack in packed.listing()]
    prepared = f"prepared: {', '.join(here)}" if here else "none prepared yet"
    return f"{prepared}; looked for or downloaded in {settings.data_folder()}"


def _studies() -> str:
    from study.study_files import available, load

    names = sorted(available())
    for name in names:
        load(name)
    return ", ".join(names) or "none"
