"""The trial folders: whole or not at all, and a log that survives a torn end."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from study.errors import PlaceError, StudyError
from study.events import Epoch
from study.record import atomic_files
from study.record.history import Ended
from study.record.journal import Journal
from study.running.batch import Batch


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


def together(journal):
    """A batch with an epoch of each of the journal's trials."""
    batch, called = Batch(journal), []
    for trial in journal.trials():
        for number in (1, 2):
            batch.append(trial, "epoch", number=number, metrics={"val_accuracy": trial.number / 3}, seconds=1.0)
        batch.then(lambda number=trial.number: called.append(number))
    return batch, called


def test_what_is_written_together_is_all_there_before_anything_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic_files, "OPEN", 3)
    journal, flushed = Journal(tmp_path / "studies" / "some"), []
    making, fsync = Batch(journal), os.fsync
    for number in range(8):
        making.create(number, "{}", {"uid": str(number)})
        making.then(lambda number=number: flushed.append(journal.trial(number).about()["uid"]))
    making.commit()
    assert flushed == [str(number) for number in range(8)]
    monkeypatch.setattr(
        os, "fsync", lambda handle: (flushed.append(str(Path(f"/proc/self/fd/{handle}").readlink())), fsync(handle))
    )
    batch, called = together(journal)
    flushed.clear()
    batch.then(lambda: flushed.append("acted"))
    batch.commit()
    assert called == list(range(8))
    assert flushed[-1] == "acted"
    assert {str(trial.log) for trial in journal.trials()} <= {*flushed}
    assert [len(trial.history().epochs) for trial in journal.trials()] == [2] * 8
    batch.commit()
    assert called == list(range(8))


def test_where_one_log_cannot_be_written_those_written_with_it_are_as_they_were_and_nothing_is_done(tmp_path):
    journal = Journal(tmp_path / "studies" / "some")
    journal.create_all([(number, "{}", {"uid": str(number)}) for number in range(4)])
    journal.trial(1).append("started", device="cpu")
    journal.trial(3).log.mkdir()
    batch, called = together(journal)
    with pytest.raises(PlaceError, match="Is a directory"):
        batch.commit()
    assert called == []
    assert [journal.trial(number).log_size() for number in (0, 2)] == [0, 0]
    assert [record["kind"] for record in journal.trial(1).records()] == ["started"]


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
