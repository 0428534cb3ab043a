"""Optuna's database: opened, locked, made equal to the folders; on SQLite and on PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
import time

import optuna
import pytest
from optuna.distributions import FloatDistribution, distribution_to_json
from optuna.trial import TrialState

from study.errors import PlaceError, StudyLocked
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


def make(journal, number, *, end=None):
    about = {
        "uid": f"u{number}",
        "created": 1.7e9 + number,
        "variant": None,
        "overrides": {"lr": 0.1 * (number + 1)},
        "params": {"lr": 0.1 * (number + 1)},
        "distributions": {"lr": distribution_to_json(FloatDistribution(0.0, 1.0))},
        "metric": "val_accuracy",
    }
    folder = journal.create(number, "{}", about)
    folder.append("epoch", number=1, metrics={"val_accuracy": 0.5 + number / 10}, seconds=1.0)
    if end:
        folder.append("ended", state=end, value=0.5 + number / 10, reason="" if end == "complete" else "why", evaluation=None)  # fmt: skip  # noqa: E501
    return folder


def test_a_lost_database_is_made_again_from_the_folders(database, journal):
    for number, state in enumerate(["complete", "pruned", "failed", None]):
        make(journal, number, end=state)
    assert storage.sync(journal, database, "s", "maximize") == 4
    assert storage.sync(journal, database, "s", "maximize") == 0
    trials = optuna.load_study(study_name="s", storage=database).trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING]  # fmt: skip  # noqa: E501
    assert trials[0].value == 0.5
    assert trials[1].params == {"lr": 0.2}
    assert trials[1].user_attrs["reason"] == "why"
    assert trials[3].intermediate_values == {1: 0.8}


def test_a_trial_that_ended_while_the_database_was_away_ends_there_too(database, journal):
    folder = make(journal, 0)
    storage.sync(journal, database, "s", "maximize")
    folder.append("epoch", number=2, metrics={"val_accuracy": 0.75}, seconds=1.0)
    folder.append("ended", state="complete", value=0.75, reason="", evaluation=None)
    assert storage.sync(journal, database, "s", "maximize") == 1
    trial = optuna.load_study(study_name="s", storage=database).trials[0]
    assert (trial.state, trial.value, trial.intermediate_values) == (TrialState.COMPLETE, 0.75, {1: 0.5, 2: 0.75})


def test_folders_of_another_study_are_not_mixed_in(database, journal, tmp_path):
    make(journal, 0, end="complete")
    storage.sync(journal, database, "s", "maximize")
    other = Journal(tmp_path / "elsewhere")
    make(other, 0)
    about = other.trial(0).path / "trial.json"
    about.write_text(about.read_text().replace('"u0"', '"x"'))
    with pytest.raises(PlaceError, match="another one than this folder's"):
        storage.sync(other, database, "s", "maximize")


HOLD = """
import sys, time
from pathlib import Path
from study.sampling import storage
database = storage.connect(sys.argv[1])
storage.study_id(database, "s", "maximize")
with storage.held("s", Path(sys.argv[2]), database):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("folder", ["same", "other machine"])
def test_a_second_coordinator_is_told_who_runs_the_study(url, database, tmp_path, folder):
    if folder == "other machine" and url.startswith("sqlite"):
        pytest.skip("SQLite is for one machine, where the file lock holds")
    first = tmp_path / "first"
    with subprocess.Popen([sys.executable, "-c", HOLD, url, str(first)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "held\n"
        second = first if folder == "same" else tmp_path / "second"
        with pytest.raises(StudyLocked, match=f"s: process {child.pid} on .* runs it since"), storage.held("s", second, database):  # fmt: skip  # noqa: E501
            pass
        child.kill()
    deadline = time.monotonic() + 60  # a server takes a moment to see that its client is gone
    while True:
        try:
            with storage.held("s", second, database):
                return
        except StudyLocked:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.mark.parametrize(
    "bad",
    [
        "nonsense",
        "postgresql://nobody:secret@127.0.0.1:1/x",
        "sqlite:////proc/nowhere/o.db",
        "redis://127.0.0.1:1",
    ],
)
def test_a_storage_that_cannot_be_used_is_one_line_without_the_password(bad):
    with pytest.raises(PlaceError) as caught:
        storage.connect(bad)
    text = str(caught.value)
    assert "Optuna's storage cannot be used" in text
    assert "secret" not in text
    assert "\n" not in text


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "o.db").write_text("hello" * 1000)
    with pytest.raises(PlaceError, match="cannot be used"):
        storage.connect(f"sqlite:///{tmp_path / 'o.db'}")


def test_sqlite_is_in_wal_mode(tmp_path):
    with storage.opened(f"sqlite:///{tmp_path / 'o.db'}") as database, database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1


def test_the_doctor_learns_what_the_database_is(url):
    assert storage.check(url).split()[0] in {"sqlite", "postgresql"}
