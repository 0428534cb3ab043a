"""The trial folders: whole or not at all, and a log that survives a torn end."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys

import pytest

from study.errors import PlaceError, StudyError
from study.events import Epoch
from study.record.history import Ended
from study.record.journal import Journal


@pytest.fixture
def trial(tmp_path):
    return Journal(tmp_path / "s").create(3, '{"lr": 0.1}', {"uid": "u"})


def fill(trial):
    trial.append("started", device="cpu")
    trial.append("epoch", number=1, metrics={"val_accuracy": 0.1 + 0.2}, seconds=1.5)
    trial.append("epoch", number=2, metrics={"val_accuracy": 1 / 3}, seconds=1.5)


def test_a_new_folder_holds_the_recipe_and_what_is_known_of_the_trial(trial):
    assert (trial.number, trial.recipe(), trial.about()) == (3, {"lr": 0.1}, {"uid": "u"})


def test_the_log_gives_back_every_float_to_the_bit(trial):
    fill(trial)
    assert trial.history().epochs == [Epoch(1, {"val_accuracy": 0.1 + 0.2}), Epoch(2, {"val_accuracy": 1 / 3})]


def test_an_end_is_read_with_its_reason_and_value(trial):
    record = trial.append("ended", state="pruned", value=0.5, reason="median pruner", evaluation=None)
    assert trial.history().ended == Ended("pruned", 0.5, "median pruner", None, record["time"])


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_last_line_torn_by_a_kill_is_left_out_and_moved_aside_with_its_bytes(trial, cut):
    fill(trial)
    log = trial.path / "log.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole[:-cut])
    assert len(trial.history().epochs) == 1
    torn = trial.repair()
    assert torn
    assert (trial.path / "log.torn").read_bytes() == torn + b"\n"
    trial.append("epoch", number=2, metrics={"val_accuracy": 1 / 3}, seconds=1.5)
    assert [epoch.number for epoch in trial.history().epochs] == [1, 2]


def test_a_whole_log_needs_no_repair(trial):
    fill(trial)
    assert trial.repair() == b""
    assert not (trial.path / "log.torn").exists()


def test_a_damaged_line_before_the_last_names_file_and_line(trial):
    fill(trial)
    log = trial.path / "log.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"number": 1', b'"number": 7'))
    with pytest.raises(StudyError, match=r"log\.jsonl, line 2: damaged line"):
        trial.history()


def test_a_restart_takes_back_the_epochs_after_it(trial):
    fill(trial)
    trial.append("restarted", epochs=1)
    trial.append("epoch", number=2, metrics={"val_accuracy": 0.9}, seconds=1.0)
    assert [epoch.metrics["val_accuracy"] for epoch in trial.history().epochs] == [0.1 + 0.2, 0.9]


def test_a_write_that_the_disk_refuses_leaves_the_log_as_it_was(trial):
    fill(trial)
    before = (trial.path / "log.jsonl").read_bytes()
    old, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, old[1]))
    try:
        with pytest.raises(PlaceError, match="cannot be written"):
            trial.append("epoch", number=3, metrics={"val_accuracy": 0.1}, seconds=1.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    assert (trial.path / "log.jsonl").read_bytes() == before


def test_trials_come_by_number_and_half_made_ones_not_at_all(tmp_path):
    journal = Journal(tmp_path / "s")
    for number in (2, 0, 10):
        journal.create(number, "{}", {})
    (tmp_path / "s" / "trials" / ".making-00004").mkdir()
    assert [each.number for each in journal.trials()] == [0, 2, 10]


def test_the_definition_is_none_before_it_is_stored(tmp_path):
    journal = Journal(tmp_path / "s")
    assert journal.definition() is None
    journal.store_definition({"metric": "val_accuracy"})
    assert journal.definition() == {"metric": "val_accuracy"}


def test_what_killed_processes_have_left_is_deleted_and_what_a_living_one_writes_is_kept(tmp_path):
    journal = Journal(tmp_path / "home" / "studies" / "s")
    trial = journal.create(0, "{}", {})
    fill(trial)
    trial.append("ended", state="complete", value=1.0, reason="", evaluation=None)
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    trial.checkpoint.write_bytes(b"of a trial that has ended")
    left = [trial.path / f".checkpoint.pt.{killed.pid}", journal.folder / f".study.json.{killed.pid}"]
    kept = trial.path / f".best.safetensors.{os.getpid()}"
    for file in (*left, kept):
        file.write_bytes(b"half")
    (journal.folder / "trials" / ".making-00001").mkdir()
    journal.settle()
    assert [path.name for path in trial.path.glob("*checkpoint*")] == []
    assert kept.exists()
    assert not any(file.exists() for file in left)
    assert [path.name for path in (journal.folder / "trials").iterdir()] == ["00000"]
