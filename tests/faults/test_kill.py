"""kill -9 and Ctrl-C at any moment: the same command ends with the same trials, each once, to the bit."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from study.record.journal import Journal

COMMAND = [sys.executable, "-m", "study", "run", "cifar_tricks", "--data", "digits", "--trials", "12", "--epochs", "3"]
COMMAND += ["--set", "train_size=300"]  # an epoch is long enough to be met by a kill
NAME = "cifar_tricks@digits"


@pytest.fixture(autouse=True)
def tables(tmp_path, database):
    """MLflow's tables, which take seconds to make, in each home."""
    for name in ("home", "whole", "killed"):
        (tmp_path / name).mkdir(exist_ok=True)
        shutil.copy(database, tmp_path / name / "mlflow.db")


def start(home, *flags):
    return subprocess.Popen(
        [*COMMAND, "--home", str(home), *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(home, *flags):
    with start(home, *flags) as process:
        output, _ = process.communicate(timeout=400)
    assert process.returncode == 0, output
    return output


def log_lines(home):
    return [path.read_bytes().count(b"\n") for path in Path(home).glob("studies/*/trials/*/log.jsonl")]


def everything(home):
    """What was computed: recipes and epochs, without times."""
    found = {}
    for folder in Journal(Path(home) / "studies" / NAME).trials():
        history = folder.history()
        assert history.ended is not None
        epochs = [(epoch.number, dict(epoch.metrics)) for epoch in history.epochs]
        assert [number for number, _ in epochs] == list(range(1, len(epochs) + 1))
        found[folder.number] = (folder.recipe(), epochs, history.ended.state, history.ended.value)
    return found


def assert_whole(home):
    trials = optuna.load_study(study_name=NAME, storage=f"sqlite:///{Path(home) / 'optuna.db'}").trials
    assert len(trials) == 12
    assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert [trial.user_attrs.get("variant") for trial in trials[:8]] == [
        "baseline", "norm_inputs", "lr_schedule", "weight_decay", "init_weights", "dropout_dense", "dropout_conv",
        "dropout_both",
    ]  # fmt: skip
    with sqlite3.connect(Path(home) / "mlflow.db") as connection:
        runs = connection.execute("SELECT status, COUNT(*) FROM runs GROUP BY status").fetchall()
        points = connection.execute("SELECT COUNT(*) FROM metrics WHERE key = 'val_accuracy'").fetchone()[0]
    connection.close()
    assert sum(count for _, count in runs) == 13  # one a trial, and the study's
    assert points == sum(len(epochs) for _, epochs, _, _ in everything(home).values())


def no_process_is_left(group):
    """Wait for it: a fork server that is killed while it loads torch ends when that is done, on a busy machine late."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if subprocess.run(["pgrep", "-g", str(group)], capture_output=True, check=False).returncode:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.slow
def test_killed_five_times_it_ends_with_the_same_twelve_trials_as_never_killed(tmp_path):
    finish(tmp_path / "whole", "--workers", "1", "--seed", "0")
    moments = random.Random(7)
    for kill in range(5):
        process = start(tmp_path / "killed", "--workers", "1", "--seed", "0")
        before, wait_for = sum(log_lines(tmp_path / "killed")), moments.randint(0, 9) if kill else 0
        deadline = time.monotonic() + 120
        while process.poll() is None and sum(log_lines(tmp_path / "killed")) < before + wait_for:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(moments.random() * (0.3 if kill else 2))  # once while everything starts, then between two lines
        assert process.poll() is None  # it is the kill that ends it
        process.kill()
        process.wait()
        process.stdout.close()
        assert no_process_is_left(process.pid)
    finish(tmp_path / "killed", "--workers", "1", "--seed", "0")
    assert everything(tmp_path / "killed") == everything(tmp_path / "whole")
    assert_whole(tmp_path / "whole")
    assert_whole(tmp_path / "killed")


@pytest.mark.slow
def test_a_second_run_is_told_who_runs_it_and_a_killed_worker_costs_one_epoch_and_no_trial(tmp_path):
    process = start(tmp_path / "home", "--workers", "2")
    while sum(log_lines(tmp_path / "home")) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGSTOP)  # so that it still runs when the second one has loaded what it needs
    second = subprocess.run([*COMMAND, "--home", str(tmp_path / "home")], capture_output=True, text=True, check=False)
    process.send_signal(signal.SIGCONT)
    assert second.returncode == 2
    assert f"process {process.pid}" in second.stderr
    killed = 0
    while process.poll() is None and killed < 3:
        time.sleep(0.05)
        if sum(log_lines(tmp_path / "home")) < 6 * (killed + 1):
            continue
        for pid in children(process.pid):
            os.kill(pid, signal.SIGKILL)
            killed += 1
            break
    output, _ = process.communicate(timeout=400)
    assert process.returncode == 0, output
    assert killed == 3
    assert_whole(tmp_path / "home")


def children(coordinator):
    """The workers: grandchildren, by way of the fork server."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = dict(map(int, line.split()) for line in listed.splitlines())
    return [pid for pid, parent in parents.items() if parents.get(parent) == coordinator]


@pytest.mark.slow
def test_ctrl_c_once_saves_and_says_how_to_go_on_and_twice_ends_at_once_and_nothing_is_lost(tmp_path):
    process = start(tmp_path / "home")
    while sum(log_lines(tmp_path / "home")) < 4:
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to all of them
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in output
    assert "The same command continues." in output
    assert no_process_is_left(process.pid)

    before = sum(log_lines(tmp_path / "home"))
    process = start(tmp_path / "home")
    while sum(log_lines(tmp_path / "home")) < before + 4:
        assert process.poll() is None
        time.sleep(0.05)
    for _ in range(2):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.05)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in output
    finish(tmp_path / "home")
    assert_whole(tmp_path / "home")
