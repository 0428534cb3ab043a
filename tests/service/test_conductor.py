"""Runs: stopped, resumed, cancelled, taken over by the next server; paused after five failures."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from study.record import family, log_lines, owner, results
from study.schemas.service import Submitted
from study.service import commands, hub, pages, people, queue, tables
from study.service import conductor as conducting
from study.service.conductor import Child, Conductor
from study.service.machines import Here
from tests.service.conftest import ADMIN, RUNNER, away
from tests.service.mine import MINE
from tests.waiting import until

STUBBORN = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
while True: signal.pause()"""  # a child that does not end by itself


@pytest.fixture
def conductor(here, database):
    """The queue of a service, looked at whenever `step` is called; its commands end with the test."""
    Path("studies").mkdir()
    Path("studies/one.py").write_text(MINE.replace("NAME", "one"))
    Path("mlruns").mkdir(exist_ok=True)
    shutil.copy(database, "mlruns/mlflow.db")
    made = here.service.conductor
    yield made
    made.stop()


def ask(made, **asked):
    return queue.submit(made.database, RUNNER, Submitted(study="one", **asked))[0].id


def become(made, run, *statuses):
    def reached():
        made.step()
        found = queue.get(made.database, run)
        return found if found.status in statuses else None

    return until(reached)


def finished(study="one"):
    return results.finished(family.journal(study, Path("mlruns").absolute()))


def process(made, run):
    return made._children[run].who["pid"]


@pytest.mark.slow
def test_a_run_is_stopped_resumed_taken_over_and_cancelled(conductor):
    run = ask(conductor, trials=40, workers=1)
    until(lambda: (conductor.step(), finished())[1])
    queue.wish(conductor.database, RUNNER, run, "stop")
    assert become(conductor, run, "paused").reason == "stopped, everything saved"
    before = finished()
    queue.wish(conductor.database, RUNNER, run, "resume")
    until(lambda: (conductor.step(), finished() > before)[1])
    after = Conductor(conductor.database, conductor.places, Here(4))  # of a server that has ended without a word
    after.start()
    assert process(after, run) == process(conductor, run)
    queue.wish(conductor.database, RUNNER, run, "cancel")
    until(lambda: queue.get(conductor.database, run).status == "cancelled")
    after.stop()


@pytest.mark.slow
def test_five_failures_in_a_row_pause_a_run_with_its_reason(conductor, monkeypatch):
    monkeypatch.setattr(queue, "BACKOFF", 0.01)
    run = ask(conductor, trials=3)
    for number in range(1, 6):
        become(conductor, run, "running")
        os.kill(process(conductor, run), signal.SIGKILL)
        until(lambda number=number: (conductor.step(), queue.get(conductor.database, run).failures == number)[1])
    found = become(conductor, run, "paused")
    assert found.reason.startswith("5 failures in a row, the last with killed by signal 9: ")
    assert finished() == 0


@pytest.mark.slow
def test_a_mistake_in_what_was_asked_ends_a_run_at_once(conductor):
    found = become(conductor, ask(conductor, trials=3, fixed={"nothing": 1}), "failed")
    assert "nothing" in found.reason
    assert found.attempt == 1


@pytest.mark.slow
def test_a_place_that_is_away_when_a_run_begins_is_tried_again(conductor):
    conductor.places = replace(conductor.places, storage="postgresql+psycopg://me:secret@127.0.0.1:9/optuna")
    run = ask(conductor, trials=3)
    become(conductor, run, "running")
    found = become(conductor, run, "queued", "failed")
    assert (found.status, found.failures) == ("queued", 1)
    assert found.reason.startswith("tries again; ")
    assert "127.0.0.1:9" in found.reason
    assert "secret" not in found.reason


def test_a_run_that_cannot_begin_is_tried_again_or_fails_and_keeps_no_other_from_beginning(conductor, monkeypatch):
    monkeypatch.setattr(queue, "BACKOFF", 0.01)
    first = ask(conductor, trials=3, workers=1)
    later, last = (
        queue.submit(conductor.database, RUNNER, Submitted(study=name, workers=1))[0].id for name in ("two", "three")
    )
    with conductor.database.write() as connection:
        mine = sa.update(tables.runs).where(tables.runs.c.id == later)
        connection.execute(mine.values(asked='{"study": "two", "file": null, "of_a_later_version": 1}'))
    folder = conductor.run_folder(first)
    folder.parent.mkdir(parents=True)
    folder.write_text("")  # where a folder cannot be made
    conductor.step()
    found = [queue.get(conductor.database, run) for run in (first, later, last)]
    assert [run.status for run in found] == ["queued", "failed", "running"]
    assert found[0].failures == 1
    assert found[0].reason == f"tries again; cannot begin: File exists: {folder}"
    assert found[1].reason.startswith("this version cannot do what was asked: of_a_later_version: ")
    assert process(conductor, last)
    folder.unlink()
    assert become(conductor, first, "running").attempt == 2


def test_what_ray_says_as_it_ends_a_command_is_told_in_plain_words():
    said = (
        "[2026-11-30 07:34:14,244 E 28691 28792] rpc_client.h:204: Failed to connect to GCS within 60 seconds. GCS may"
    )
    assert commands.last_error(f"Trial 1 finished\n{said} have been killed.\n") == "the Ray cluster no longer answers"


def test_a_run_that_saves_its_epochs_is_not_told_twice_to_end(conductor):
    """The second Ctrl-C would end it at once, without the epochs under way."""
    count = "import signal; signal.signal(signal.SIGINT, lambda *_: print('told', flush=True))"
    wait = "print('ready', flush=True)\nwhile True: signal.pause()"
    with subprocess.Popen(
        [sys.executable, "-c", f"{count}\n{wait}"], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        child = Child({}, owner.known(process.pid), process)
        conductor._heed(child, "yield")
        assert process.stdout.readline() == "told\n"
        conductor._heed(child, "stop")
        conductor._heed(child, "cancel")
        assert process.communicate(timeout=30)[0] == ""
    assert process.returncode == -signal.SIGTERM


@pytest.mark.slow
def test_a_comparison_ends_at_the_quota_of_trials_and_goes_on_when_there_is_more(conductor):
    variants = ', variants={"base": {}, "far": {"x": 0.5}})'
    Path("studies/one.py").write_text(
        MINE.replace("NAME", "one").replace('metric="score")', f'metric="score"{variants}')
    )
    people.change(conductor.database, ADMIN, "runner", max_trials=5)
    run = ask(conductor, question="compare", seeds=4)
    until(lambda: (conductor.step(), " 0 left" in queue.get(conductor.database, run).reason)[1])
    assert finished("one-compare") == 5
    people.change(conductor.database, ADMIN, "runner", max_trials=None)
    done = become(conductor, run, "done")
    assert len(done.answer["variants"]) == 2
    assert pages.answer_of(conductor.places.home, done).startswith("far: not enough seeds")
    assert finished("one-compare") == 8
    with conductor.database.read() as connection:
        assert connection.execute(sa.select(tables.usage.c.trials)).scalars().all() == [8]


@pytest.mark.parametrize("ended", ["killed", "done"])
def test_what_a_command_trained_while_no_server_ran_is_told_as_its_runs(here, made, ended):
    """Who follows the run gets its trials, although the command had ended before anybody saw what it wrote."""
    run, _ = queue.submit(here.database, RUNNER, Submitted(study="mnist_cnn"))
    token = queue.claim(here.database, 1)[0][0]["lease_token"]
    process = subprocess.Popen(["sleep", "60"])
    who = owner.known(process.pid)
    queue.note(here.database, run.id, token, process=json.dumps(who))
    process.kill()
    process.wait()
    conductor = Conductor(here.database, here.service.places, Here(0))
    if ended == "killed":  # and so its lock still says who held it
        (made.folder / "lock").write_text(json.dumps({**who, "host": "here", "since": time.time()}))
    else:  # and so it has let go of its lock, and printed its answer
        (made.folder / "lock").write_text("")
        conductor.run_folder(run.id).mkdir(parents=True)
        (conductor.run_folder(run.id) / "answer.jsonl").write_text('{"study": "made"}\n')
    conductor.start()
    try:
        found = queue.get(here.database, run.id)
        assert (found.studies, found.status) == (["made"], "queued")
        told = hub.read(here.database, 0, (), run.id)
        assert sorted(event.trial for event in told if event.kind == "ended") == list(range(6))
    finally:
        conductor.stop()


@pytest.fixture
def begun(here):
    """Begins a run whose child is a command of ours; gives the run's id and the process."""
    processes = []

    def begin(*words):
        asked = Submitted(study=f"study{len(processes)}", workers=1)
        run, _ = queue.submit(here.database, RUNNER, asked)
        ((row,), _) = queue.claim(here.database, 4)
        processes.append(subprocess.Popen(words, start_new_session=True, stdout=subprocess.PIPE, text=True))
        who = owner.known(processes[-1].pid)
        here.service.conductor._children[run.id] = Child({**row, "process": json.dumps(who)}, who, processes[-1])
        return run.id, processes[-1]

    yield begin
    for each in processes:
        each.kill()
        each.communicate()


def test_an_end_that_a_database_that_was_away_did_not_take_is_written_when_it_is_back(here, begun):
    """Else the run would be running for ever, and keep its slots."""
    run, process = begun("true")
    process.wait()
    with away(here.database), pytest.raises(SQLAlchemyError, match="away"):
        here.service.conductor.step()
    here.service.conductor.step()
    assert queue.get(here.database, run).status == "done"


def test_what_a_database_that_was_away_was_told_of_a_child_it_is_told_again(here, made, begun):
    run, _ = begun("sleep", "60")
    child, lock = here.service.conductor._children[run], made.folder / "lock"
    child.row["process"] = None
    lock.write_text(json.dumps({**child.who, "host": "here", "since": time.time()}))
    os.utime(lock, (time.time() - 60,) * 2)
    for _ in range(2):
        with away(here.database), pytest.raises(SQLAlchemyError, match="away"):
            here.service.conductor.step()
    here.service.conductor.step()
    assert queue.get(here.database, run).studies == ["made"]
    assert json.loads(queue.left_running(here.database)[0]["process"]) == child.who


@pytest.mark.parametrize("reachable", [True, False])
def test_a_server_that_stops_ends_children_that_do_not_whether_the_database_is_there_or_not(
    here, begun, monkeypatch, reachable
):
    monkeypatch.setattr(conducting, "SAVING", 0.5)
    started = [begun(sys.executable, "-c", STUBBORN) for _ in range(2)]
    for _, process in started:
        assert process.stdout.readline() == "ready\n"
    with nullcontext() if reachable else away(here.database):
        here.service.conductor.stop()
    assert [process.wait(10) for _, process in started] == [-signal.SIGKILL] * 2
    reasons = [queue.get(here.database, run).reason for run, _ in started]
    assert reasons == ["its server was stopped" if reachable else ""] * 2


def test_a_server_of_a_copy_of_the_home_leaves_the_trainings_of_the_other_one_alone(here, begun):
    run, process = begun("sleep", "60")
    token = here.service.conductor._children[run].row["lease_token"]
    who = {**owner.known(process.pid), "home": str(Path("elsewhere").absolute())}
    queue.note(here.database, run, token, process=json.dumps(who))
    conductor = Conductor(here.database, here.service.places, Here(0))
    conductor.start()
    assert queue.get(here.database, run).status == "queued"
    conductor.stop()
    assert process.poll() is None


@pytest.mark.parametrize("sign", ["message", "line", "start"])
def test_hours_in_which_no_machine_ran_are_not_charged(here, made, begun, sign):
    """The machine fails on Friday and is back on Monday."""
    run, process = begun("true")
    process.wait()
    started = time.time() - 60 * 3600
    token = here.service.conductor._children[run].row["lease_token"]
    queue.note(here.database, run, token, started=started, studies='["made"]' if sign == "line" else "[]")
    conductor = Conductor(here.database, here.service.places, Here(0))
    messages = conductor.run_folder(run) / "messages.log"
    messages.parent.mkdir(parents=True)
    messages.write_text("said\n")
    os.utime(messages, (started + (3600 if sign == "message" else -3600),) * 2)
    if sign == "line":
        for number in range(6):
            shutil.rmtree(made.trial(number).path)
        made.trial(6).log.write_bytes(log_lines.encode({"kind": "started", "time": started + 7200, "device": "cpu"}))
    conductor.start()
    conductor.stop()
    hours = {"message": 1.0, "line": 2.0, "start": 0.0}[sign]
    assert queue.get(here.database, run).slot_hours == pytest.approx(hours, abs=0.01)


def test_the_reason_of_a_killed_attempt_is_no_error_of_an_earlier_one(conductor):
    run = ask(conductor, trials=3)
    messages = conductor.run_folder(run) / "messages.log"
    messages.parent.mkdir(parents=True)
    messages.write_text("error: another process runs it\n")  # as the attempt before has said
    conductor.step()
    os.kill(process(conductor, run), signal.SIGKILL)
    reason = until(lambda: (conductor.step(), queue.get(conductor.database, run).reason)[1])
    assert reason == "tries again; killed by signal 9: it said nothing"
    assert messages.read_text().startswith("error: another process runs it\n")
