"""A search on many slots, as the benchmark plays it: killed half-way, it ends with exactly its trials everywhere."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from pathlib import Path

import pytest

from study.record import results
from study.record.journal import Journal
from study.sampling import storage

ROOT = Path(__file__).parents[2]
TRIALS, SLOTS = 500, 150  # so many that trials are asked for ahead of need, and from the fit of the last one


@pytest.mark.slow
def test_a_search_on_many_slots_that_is_killed_ends_with_exactly_its_trials_in_folders_and_database(tmp_path):
    import optuna

    home = tmp_path / "home"
    command = [sys.executable, "-m", "benchmarks.scale", "--slots", SLOTS, "--seconds", 1, "--trials", TRIALS]
    command = [*map(str, command), "--pruner", "median", "--home", str(home)]
    journal = Journal(home / "studies" / "played")
    with (tmp_path / "said").open("w") as said:
        first = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said)
        until = time.monotonic() + 120
        while len(journal.numbers()) < 2 * SLOTS and first.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        first.kill()
        first.wait()
        before = [trial.number for trial in results.intact(journal) if trial.history.ended]
        assert 0 < len(before) < TRIALS, (tmp_path / "said").read_text()
        subprocess.run(command, cwd=ROOT, stdout=said, stderr=said, timeout=240, check=True)
    trials = list(results.intact(journal))
    ends = {trial.number: trial.history.ended.state for trial in trials}
    assert sorted(ends) == list(range(TRIALS))
    assert set(ends.values()) == {"complete", "pruned"}
    assert {*before} <= {*ends}
    with storage.opened(f"sqlite:///{home}/optuna.db") as database:
        told = {
            trial.user_attrs["uid"]: trial for trial in optuna.load_study(study_name="played", storage=database).trials
        }
    assert len(told) == TRIALS
    for trial in trials:
        numbers = [record["number"] for record in trial.folder.records() if record["kind"] == "epoch"]
        assert numbers == list(range(1, len(numbers) + 1))
        assert ends[trial.number] == "pruned" or len(numbers) == 10
        ours, theirs = storage.frozen(trial), told[trial.about["uid"]]
        assert (ours.state, ours.params, ours.user_attrs) == (theirs.state, theirs.params, theirs.user_attrs)
        assert (ours.value, ours.intermediate_values) == (theirs.value, theirs.intermediate_values)
        assert ours.value is None or math.isfinite(ours.value)
