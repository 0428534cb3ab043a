"""MLflow's own SQLite file, looked at without MLflow, which takes seconds to import."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from study.errors import PlaceError

REVISION = re.compile(r"""^(down_revision|revision)[^=\n]*=\s*["']([0-9a-f]+)["']""", re.MULTILINE)


def check(file: Path, name: str) -> str:
    """Describe MLflow's version and whether it can use the file; nothing is made or changed.

    Args:
        file: of the database.
        name: of the database, in messages.

    Raises:
        PlaceError: the file is no database of MLflow's, or one of another version.

    """
    installed = f"MLflow {version('mlflow')}"
    if not file.exists():
        return f"{installed}, {name} is made by the first run"
    where = f"MLflow at {name}"
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=10)) as database:
            found = database.execute("SELECT version_num FROM alembic_version").fetchone()
            database.execute("SELECT count(*) FROM experiments").fetchone()
    except sqlite3.Error as error:
        raise PlaceError(f"cannot be used: {error}", where=where, fix="Choose another --tracking-uri.") from error
    if (newest := _newest()) and found != (newest,):
        what = f"its tables are not those of {installed}"
        raise PlaceError(what, where=where, fix=f"Back it up, then run `mlflow db upgrade {name}`.")
    return f"{installed}, {name} answers"


def _newest() -> str | None:
    """Find the newest revision among the migrations that MLflow brings; None if it keeps them elsewhere by now."""
    spec = find_spec("mlflow")
    folder = Path(spec.origin or "").parent / "store" / "db_migrations" / "versions" if spec else None
    if folder is None or not folder.is_dir():
        return None
    found = [REVISION.findall(file.read_text(encoding="utf-8")) for file in folder.glob("*.py")]
    of = {
        kind: {value for each in found for key, value in each if key == kind} for kind in ("revision", "down_revision")
    }
    heads = of["revision"] - of["down_revision"]
    return heads.pop() if len(heads) == 1 else None
