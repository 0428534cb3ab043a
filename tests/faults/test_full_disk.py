"""A full disk: refused before anything is written, or the search stops with everything saved and goes on later."""

from __future__ import annotations

import subprocess
import sys

import optuna
import pytest
from optuna.trial import TrialState

COMMAND = [sys.executable, "-m", "study", "run", "cifar_tricks", "--data", "digits", "--epochs", "2", "--trials", "9"]
COMMAND += ["--set", "train_size=300"]


@pytest.fixture
def disk(tmp_path):
    """A file system of its own, and a function that changes its size."""
    place = tmp_path / "disk"
    place.mkdir()

    def size(text, *more):
        return subprocess.run(
            ["mount", "-t", "tmpfs", "-o", ",".join([f"size={text}", *more]), "tmpfs", str(place)],
            capture_output=True,
            check=False,
        ).returncode

    if size("300k"):
        pytest.skip("only root can mount a small file system")
    yield place, lambda text: size(text, "remount")
    subprocess.run(["umount", "-l", str(place)], check=True)


def run(home):
    return subprocess.run([*COMMAND, "--home", str(home)], capture_output=True, text=True, check=False, timeout=300)


def test_a_disk_without_room_is_one_line_and_nothing_is_written(disk):
    place, _ = disk
    done = run(place / "home")
    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert errors == [f"error: {place / 'home'}: the disk is full. Free some space and run the same command again."]
    assert list(place.iterdir()) == []


@pytest.mark.slow
def test_a_disk_that_fills_up_stops_the_search_and_with_room_it_goes_on(disk):
    place, resize = disk
    assert resize("2m") == 0
    done = run(place / "home")
    assert done.returncode == 2
    assert "the disk is full. Free some space and run the same command again." in done.stderr
    assert "Traceback" not in done.stderr
    assert resize("200m") == 0
    done = run(place / "home")
    assert done.returncode == 0, done.stderr
    trials = optuna.load_study(
        study_name="cifar_tricks@digits", storage=f"sqlite:///{place / 'home' / 'optuna.db'}"
    ).trials
    assert [trial.state for trial in trials if trial.state == TrialState.FAIL] == []
    assert len(trials) == 9
