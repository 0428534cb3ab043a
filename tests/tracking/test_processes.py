"""Several processes that sync at once, or are killed: every run once, every point once."""

import subprocess
import sys

import pytest

from study import tracking
from study.settings import resolve
from tests.waiting import until

pytestmark = pytest.mark.slow


def sync_elsewhere(home, *names):
    """`study sync` in a process of its own, which fails if anything is left to send."""
    code = (
        "from study import settings, tracking; import sys; "
        "reports = tracking.sync_studies(settings.resolve(sys.argv[1]), sys.argv[2:]); "
        "sys.exit(any(report.error or report.pending for report in reports))"
    )
    return subprocess.Popen([sys.executable, "-c", code, str(home), *names])


def test_processes_that_sync_at_once_make_every_run_once(settings, folders, seen):
    for _ in range(6):
        folders.trial(epochs=3, end="complete")
    processes = [sync_elsewhere(settings.home) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(seen.runs()) == 7
    assert seen.points() == folders.points()


def test_two_first_uses_at_once_make_one_database(tmp_path, study_folders, look):
    home = tmp_path / "mlruns"
    for name in ("one", "two"):
        study_folders(name).trial(epochs=1, end="complete")
    processes = [sync_elsewhere(home, name) for name in ("one", "two")]
    assert [process.wait() for process in processes] == [0, 0]
    assert [len(look(f"sqlite:///{home / 'mlflow.db'}", name).children()) for name in ("one", "two")] == [1, 1]


def test_a_first_use_that_was_killed_leaves_nothing_in_the_way(tmp_path, study_folders, look):
    home = tmp_path / "mlruns"
    folders = study_folders("tiny")
    folders.trial(epochs=1, end="complete")
    process = sync_elsewhere(home)
    until((home / ".mlflow.db.making").exists)
    process.kill()
    process.wait()
    assert not (home / "mlflow.db").exists()
    tracking.sync_studies(resolve(home))
    assert look(f"sqlite:///{home / 'mlflow.db'}").points() == folders.points()


def test_a_sync_that_is_killed_is_made_good_by_the_next(settings, folders, seen):
    for _ in range(12):
        folders.trial(epochs=3, end="complete")
    for runs in (3, 8):
        process = sync_elsewhere(settings.home)
        until(lambda runs=runs: len(seen.runs()) >= runs)
        process.kill()
        process.wait()
    (report,) = tracking.sync_studies(settings)
    assert (report.error, report.pending, len(seen.runs())) == (None, 0, 13)
    assert seen.points() == folders.points()
    assert {run.info.status for run in seen.runs()} == {"FINISHED"}
