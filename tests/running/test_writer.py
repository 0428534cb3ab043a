"""Rounds that another process writes, as at a thousand slots: the same files, in the same order, whatever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from types import SimpleNamespace

import pytest

from study.errors import PlaceError, StudyError
from study.progress import TrialEnded, TrialEpoch, TrialStarted
from study.record import atomic_files
from study.record.journal import Journal
from study.running import batch
from study.running.batch import Batch
from tests.running.test_loop import Listed, kinds, loop, run

ABOUT = {"params": {}}


@pytest.fixture(autouse=True)
def all_by_the_writer(monkeypatch):
    monkeypatch.setattr(batch, "MANY", 1)


@pytest.fixture
def made(tmp_path):
    """A batch, of the study `some`, with what it has acted upon."""
    journal = Journal(tmp_path / "some")
    (tmp_path / "some" / "trials").mkdir(parents=True)
    with closing(Batch(journal)) as each:
        yield SimpleNamespace(batch=each, journal=journal, done=[])


def pid(each):
    return each._writer._process.pid


def test_a_search_writes_the_same_and_tells_nobody_before(tmp_path):
    each = loop(tmp_path, Listed([{}, {"lr": 0.3}, {}]))
    with closing(each.executor):
        for progress in each.run():
            if isinstance(progress, TrialStarted):
                assert each.journal.trial(progress.trial).recipe()["epochs"] == 3
            if isinstance(progress, TrialEpoch):
                assert len(each.journal.trial(progress.trial).history().epochs) >= progress.epoch.number
            if isinstance(progress, TrialEnded):
                assert each.journal.trial(progress.trial).history().ended == progress.ended
    first, other, twin = each.journal.trials()
    whole = ["started", "epoch", "epoch", "epoch", "ended"]
    assert [kinds(folder) for folder in (first, other, twin)] == [whole, whole, whole[1:]]
    assert twin.history().ended.repeats == 0


def test_what_is_begun_is_acted_upon_when_it_is_on_disk_and_told_after_the_next_steps(made):
    def steps(number):
        folder = made.batch.create(number, '{"x": 1}', ABOUT)
        made.batch.append(folder, "started", device="cpu")
        made.batch.then(lambda: made.done.append(folder.path.exists()))
        yield number

    assert list(made.batch.recorded(steps(0))) == []
    assert not made.batch.is_empty
    assert list(made.batch.recorded(steps(1))) == [0]
    assert made.done == [True]
    assert list(made.batch.settled()) == [1]
    assert [kinds(folder) for folder in made.journal.trials()] == [["started"], ["started"]]
    assert made.batch.is_empty


def test_a_full_disk_is_the_same_error_and_nothing_is_acted_upon(made):
    made.batch.create(0, "{}", ABOUT)
    made.batch.commit()
    made.journal.trial(0).log.mkdir()  # no line can be appended
    made.batch.append(made.journal.trial(0), "started", device="cpu")
    made.batch.then(lambda: made.done.append(True))
    with pytest.raises(PlaceError, match=r"log\.jsonl.*cannot be written"):
        made.batch.commit()
    assert made.done == []


def kill_writer_at_the_first_epoch(each):
    with closing(each.executor):
        for progress in each.run():
            if isinstance(progress, TrialEpoch):
                os.kill(pid(each.batch), signal.SIGKILL)
                each.batch._writer._process.join()


def test_a_killed_writer_ends_the_search_in_one_line_and_the_next_one_goes_on(tmp_path):
    each = loop(tmp_path, Listed([{}, {}]))
    with pytest.raises(StudyError, match="the process that writes its results") as raised:
        kill_writer_at_the_first_epoch(each)
    assert raised.value.fix == "The same command continues."
    ended = [progress for progress in run(loop(tmp_path, Listed([{}, {}]))) if isinstance(progress, TrialEnded)]
    assert [progress.trial for progress in ended] == [0, 1]
    assert [kinds(folder).count("epoch") for folder in each.journal.trials()] == [3, 3]


SCRIPT = """
import sys, time
from pathlib import Path
from study.record.journal import Journal
from study.running import batch

batch.MANY = 1
if __name__ == "__main__":
    each = batch.Batch(Journal(Path(sys.argv[1])))
    each.create(0, "{}", {})
    each.commit()
    print(each._writer._process.pid, flush=True)
    time.sleep(600)
"""


def test_it_ends_with_a_coordinator_that_is_killed(tmp_path):
    (tmp_path / "some" / "trials").mkdir(parents=True)
    (tmp_path / "script.py").write_text(SCRIPT)
    words = [sys.executable, tmp_path / "script.py", tmp_path / "some"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        writer = int(process.stdout.readline())
        assert atomic_files.is_alive(writer)
        process.kill()
    until = time.monotonic() + 20
    while atomic_files.is_alive(writer) and time.monotonic() < until:
        with suppress(ChildProcessError):
            os.waitpid(writer, os.WNOHANG)
        time.sleep(0.02)
    assert not atomic_files.is_alive(writer)
