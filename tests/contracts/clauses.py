"""The clauses of the contract of executors: what every row of the table of executors must do."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from study.engine import checkpoint
from study.errors import PlaceError
from study.events import Died, Epoch, Failed, Finished, Started, Stopped, Stuck
from study.executors import Job
from study.record.journal import TrialFolder
from study.stopping import SIGNALS
from study.study_files import load

FILE = Path(__file__).parents[1] / "executors" / "work.py"
WORK = load(str(FILE))
LAST = (Finished, Stopped, Failed, Stuck, Died)
IN_THIS_PROCESS = {"inline"}  # no worker that could die: a training that kills its process kills the caller


@dataclass
class Caller:
    """Uses an executor as the loop does; an event that does not come within `patience` seconds is a failure."""

    executor: object
    patience: float = 60.0
    waiting: deque = field(default_factory=deque)
    open: set = field(default_factory=set)  # numbers of the jobs that have not ended
    is_closed: bool = False

    def job(self, number=0, **recipe):
        folder = TrialFolder(Path(str(number)).absolute())
        folder.path.mkdir(exist_ok=True)
        Path("caller").write_text(str(os.getpid()))
        return Job.of(WORK, number, WORK.recipe_for(recipe).model_dump(mode="json"), folder)

    def next(self):
        deadline = time.monotonic() + self.patience
        while not self.waiting:
            assert time.monotonic() < deadline, "no event"
            self.waiting.extend(self.executor.events(0.1))
        number, event = self.waiting.popleft()
        (self.open.discard if isinstance(event, LAST) else self.open.add)(number)
        return number, event

    def leave(self):
        """End what the clause has left."""
        for number in self.open.copy():
            self.executor.kill(number)
        while self.open:
            self.next()

    def finish(self, *jobs, stop_after=None):
        """Run the jobs at once to their ends, each stopped after an epoch if asked; events by job."""
        found = {job.number: [] for job in jobs}
        for job in jobs:
            self.executor.submit(job)
        while not all(events and isinstance(events[-1], LAST) for events in found.values()):
            number, event = self.next()
            found[number].append(event)
            if isinstance(event, Epoch):
                self.executor.answer(number, go_on=event.number != stop_after)
        return found

    def run(self, job, stop_after=None):
        return self.finish(job, stop_after=stop_after)[job.number]


def begun():
    """The epochs that trainings have begun, as `x number`."""
    return Path("begun").read_text().splitlines()


def scores(events):
    return [(event.number, event.metrics["score"]) for event in events if isinstance(event, Epoch)]


def a_job_starts_yields_its_epochs_and_finishes(caller):
    events = caller.run(caller.job(x=1.0))
    assert [type(event) for event in events] == [Started, Epoch, Epoch, Epoch, Finished]
    assert (events[0].epochs, events[0].device) == (0, "cpu")
    assert scores(events) == [(1, 1.1), (2, 1.2), (3, 1.3)]
    assert all(event.seconds > 0 for event in events[1:-1])
    assert events[-1] == Finished({"score": 1.0})


def an_epoch_is_saved_before_it_is_sent_and_nothing_goes_on_before_the_answer(caller):
    job = caller.job()
    caller.executor.submit(job)
    assert isinstance(caller.next()[1], Started)
    assert caller.next()[1].number == 1
    assert [epoch["number"] for epoch in checkpoint.load(job.checkpoint)["epochs"]] == [1]
    assert [event for _ in range(3) for event in caller.executor.events(0.1)] == []
    assert begun() == ["0.0 1"]
    caller.executor.answer(0, go_on=True)
    assert caller.next()[1].number == 2


def a_stopped_job_confirms_it_and_takes_no_step_too_many(caller):
    events = caller.run(caller.job(), stop_after=2)
    assert [type(event) for event in events] == [Started, Epoch, Epoch, Stopped]
    assert begun() == ["0.0 1", "0.0 2"]


def a_job_with_a_checkpoint_sends_its_epochs_again_and_trains_the_rest(caller):
    before = caller.run(caller.job(), stop_after=2)
    after = caller.run(caller.job())
    assert after[0] == Started(2, "cpu")
    assert after[1:3] == before[1:3]
    assert scores(after) == [(1, 0.1), (2, 0.2), (3, 0.3)]
    assert [event.metrics["first"] for event in after[1:4]] == [1, 1, 3]
    assert isinstance(after[-1], Finished)
    assert begun() == ["0.0 1", "0.0 2", "0.0 3"]


def a_resumed_job_can_be_stopped_while_its_epochs_are_sent_again(caller):
    caller.run(caller.job(), stop_after=2)
    assert [type(event) for event in caller.run(caller.job(), stop_after=1)] == [Started, Epoch, Stopped]
    assert begun() == ["0.0 1", "0.0 2"]


def a_training_that_raises_fails_and_the_next_job_runs(caller):
    failed = caller.run(caller.job(fault="raises"))
    assert [type(event) for event in failed] == [Started, Epoch, Failed]
    assert failed[-1].reason == "ValueError: boom"
    assert "strike" in failed[-1].traceback
    assert isinstance(caller.run(caller.job(1))[-1], Finished)


def a_full_disk_is_no_failure_and_with_room_the_job_goes_on(caller):
    stuck = caller.run(caller.job(fault="full"))
    assert [type(event) for event in stuck] == [Started, Epoch, Stuck]
    assert isinstance(stuck[-1].error, PlaceError)
    assert "the disk is full" in str(stuck[-1].error)
    after = caller.run(caller.job(fault="full"))
    assert after[0].epochs == 1
    assert scores(after) == [(1, 0.1), (2, 0.2), (3, 0.3)]


def jobs_run_one_after_the_other_under_their_own_numbers(caller):
    for number in (5, 9, 2):
        assert scores(caller.run(caller.job(number, x=number))) == [(each, number + each / 10) for each in (1, 2, 3)]


def every_slot_runs_a_job_at_the_same_time(caller):
    jobs = [caller.job(number, x=number) for number in range(caller.executor.slots)]
    for number, events in caller.finish(*jobs).items():
        assert scores(events) == [(each, number + each / 10) for each in (1, 2, 3)]


def closing_ends_what_runs_and_a_second_time_does_nothing(caller):
    caller.executor.submit(caller.job(seconds=0.2))
    caller.next()
    pid = int(caller.next()[1].metrics["pid"])
    caller.executor.answer(0, go_on=True)
    for _ in range(2):
        caller.executor.close()
    caller.is_closed = True
    assert list(caller.executor.events(0.3)) == []
    if pid != os.getpid():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def the_signals_of_the_caller_stay_its_own(caller):
    assert isinstance(caller.run(caller.job())[-1], Finished)
    assert not [each for each in SIGNALS if getattr(signal.getsignal(each), "__module__", "") == "study.processes"]


def a_worker_that_dies_is_reported_and_the_same_job_goes_on_from_its_checkpoint(caller):
    died = caller.run(caller.job(fault="kills"))
    assert [type(event) for event in died] == [Started, Epoch, Died]
    assert "SIGKILL" in died[-1].reason
    after = caller.run(caller.job(fault="kills"))
    assert after[0].epochs == 1
    assert [event.metrics["first"] for event in after[1:4]] == [1, 2, 2]
    assert isinstance(after[-1], Finished)


def a_job_that_hangs_is_killed_and_goes_on_from_its_checkpoint(caller):
    caller.executor.submit(caller.job(fault="hangs"))
    assert [type(caller.next()[1]) for _ in range(2)] == [Started, Epoch]
    caller.executor.answer(0, go_on=True)
    caller.executor.kill(0)
    assert isinstance(caller.next()[1], Died)
    assert isinstance(caller.run(caller.job())[-1], Finished)


def a_function_is_called_by_its_path_reports_and_returns(caller):
    told = []
    value = caller.executor.call(f"{FILE}:half_done", 21, report=lambda text, share: told.append((text, share)))
    assert (value, told) == (42, [("half", 0.5)])
    assert caller.executor.call(f"{FILE}:half_done", 1) == 2


def what_a_called_function_raises_arrives_whole_and_the_next_job_runs(caller):
    with pytest.raises(PlaceError) as raised:
        caller.executor.call(f"{FILE}:refuse")
    assert (raised.value.what, raised.value.where, raised.value.fix) == ("full", "disk", "Free some.")
    assert isinstance(caller.run(caller.job())[-1], Finished)


CONTRACT = [
    a_function_is_called_by_its_path_reports_and_returns,
    what_a_called_function_raises_arrives_whole_and_the_next_job_runs,
    a_job_starts_yields_its_epochs_and_finishes,
    an_epoch_is_saved_before_it_is_sent_and_nothing_goes_on_before_the_answer,
    a_stopped_job_confirms_it_and_takes_no_step_too_many,
    a_job_with_a_checkpoint_sends_its_epochs_again_and_trains_the_rest,
    a_resumed_job_can_be_stopped_while_its_epochs_are_sent_again,
    a_training_that_raises_fails_and_the_next_job_runs,
    pytest.param(
        a_full_disk_is_no_failure_and_with_room_the_job_goes_on,
        marks=pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full"),
    ),
    jobs_run_one_after_the_other_under_their_own_numbers,
    every_slot_runs_a_job_at_the_same_time,
    the_signals_of_the_caller_stay_its_own,
    closing_ends_what_runs_and_a_second_time_does_nothing,
]
NAMED = {"ids": lambda each: each.__name__}
