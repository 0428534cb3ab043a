"""Optuna's database of a test: on SQLite, and on PostgreSQL."""

from __future__ import annotations

import pytest

from study.record.journal import Journal
from study.sampling import storage


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'o.db'}"
    return request.getfixturevalue("postgres")()


@pytest.fixture
def database(url):
    with storage.opened(url) as opened:
        yield opened


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "home" / "studies" / "s")
