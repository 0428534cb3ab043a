"""The contract of executors: that every row of the table of executors keeps it, and that a faulty one is found out."""

from __future__ import annotations

import os

import pytest

from study.errors import PlaceError
from study.executors import Resources
from study.executors.inline import Inline
from study.executors.table import EXECUTORS
from tests.contracts.clauses import (
    CONTRACT,
    IN_THIS_PROCESS,
    LAST,
    NAMED,
    Caller,
    a_function_is_called_by_its_path_reports_and_returns,
    a_job_starts_yields_its_epochs_and_finishes,
    a_job_that_hangs_is_killed_and_goes_on_from_its_checkpoint,
    a_job_with_a_checkpoint_sends_its_epochs_again_and_trains_the_rest,
    a_stopped_job_confirms_it_and_takes_no_step_too_many,
    a_worker_that_dies_is_reported_and_the_same_job_goes_on_from_its_checkpoint,
    an_epoch_is_saved_before_it_is_sent_and_nothing_goes_on_before_the_answer,
    closing_ends_what_runs_and_a_second_time_does_nothing,
    jobs_run_one_after_the_other_under_their_own_numbers,
    what_a_called_function_raises_arrives_whole_and_the_next_job_runs,
)

SLOW = "ray"  # its trainers take long to start: those of one clause go on in the next
ROWS = {name: pytest.param(name, marks=pytest.mark.slow if name == SLOW else ()) for name in EXECUTORS}


@pytest.fixture(scope="module")
def kept():
    """The executors that are kept from one clause to the next, by name."""
    made = {}
    yield made
    for executor in made.values():
        executor.close()


@pytest.fixture(params=ROWS.values())
def caller(request, kept):
    """A caller of each executor of the table; a new row is held to the contract without a change here."""
    if request.param == SLOW:
        request.getfixturevalue("cluster")
    executor = kept.get(request.param) or EXECUTORS[request.param].load()(Resources("cpu", 2))
    found = Caller(executor)
    yield found
    if request.param == SLOW and not found.is_closed:
        found.leave()
        kept[SLOW] = executor
    else:
        kept.pop(request.param, None)
        executor.close()


@pytest.mark.parametrize("caller", [row for name, row in ROWS.items() if name not in IN_THIS_PROCESS], indirect=True)
@pytest.mark.parametrize("clause", [
    a_worker_that_dies_is_reported_and_the_same_job_goes_on_from_its_checkpoint,
    a_job_that_hangs_is_killed_and_goes_on_from_its_checkpoint,
], **NAMED)  # fmt: skip
def test_every_executor_with_workers_survives_the_death_of_one(caller, clause):
    epoch = caller.run(caller.job(9))[1]
    here = epoch.metrics["pid"] == os.getpid()
    assert not here, "it trains in this process, which this test would kill: add its name to IN_THIS_PROCESS"
    clause(caller)


@pytest.mark.parametrize("clause", CONTRACT, **NAMED)
def test_every_executor_keeps_the_contract(caller, clause):
    clause(caller)


class DoesNothing:
    """An executor with the right methods, and nothing behind them."""

    slots = 1

    def call(self, function, *arguments, report=None):
        pass

    def submit(self, job):
        pass

    def events(self, timeout):
        return ()

    def answer(self, number, *, go_on):
        pass

    def kill(self, number):
        pass

    def close(self):
        pass


class IgnoresStop(Inline):
    def answer(self, number, *, go_on):
        super().answer(number, go_on=True)


class NeverWaits(Inline):
    def events(self, timeout):
        self._asks = False
        return super().events(timeout)


class StartsAnew(Inline):
    def submit(self, job):
        job.checkpoint.unlink(missing_ok=True)
        super().submit(job)


class ReportsNothing(Inline):
    def call(self, function, *arguments, report=None):
        return super().call(function, *arguments)


class RaisesALine(Inline):
    def call(self, function, *arguments, report=None):
        try:
            return super().call(function, *arguments, report=report)
        except PlaceError as error:
            raise PlaceError(str(error)) from error


class HidesTheEnd(Inline):
    def events(self, timeout):
        return [found for found in super().events(timeout) if not isinstance(found[1], LAST)]


class MixesUpNumbers(Inline):
    def events(self, timeout):
        return [(0, event) for _, event in super().events(timeout)]


class RunsOnWhenClosed(Inline):
    def close(self):
        pass


def breaches(clause, executor):
    """Tell whether the executor breaches a clause of the contract; it has little time."""
    try:
        clause(Caller(executor, patience=0.3))
    except (AssertionError, KeyError, pytest.fail.Exception):
        return True
    finally:
        executor.close()
    return False


CLAUSES = [getattr(each, "values", [each])[0] for each in CONTRACT]
CLAUSES += [
    a_worker_that_dies_is_reported_and_the_same_job_goes_on_from_its_checkpoint,
    a_job_that_hangs_is_killed_and_goes_on_from_its_checkpoint,
]


@pytest.mark.parametrize("clause", CLAUSES, **NAMED)
def test_an_executor_that_does_nothing_is_found_out_by_every_clause(clause):
    assert breaches(clause, DoesNothing())


@pytest.mark.parametrize(
    ("kind", "clause"),
    [
        (IgnoresStop, a_stopped_job_confirms_it_and_takes_no_step_too_many),
        (NeverWaits, an_epoch_is_saved_before_it_is_sent_and_nothing_goes_on_before_the_answer),
        (StartsAnew, a_job_with_a_checkpoint_sends_its_epochs_again_and_trains_the_rest),
        (ReportsNothing, a_function_is_called_by_its_path_reports_and_returns),
        (RaisesALine, what_a_called_function_raises_arrives_whole_and_the_next_job_runs),
        (HidesTheEnd, a_job_starts_yields_its_epochs_and_finishes),
        (MixesUpNumbers, jobs_run_one_after_the_other_under_their_own_numbers),
        (RunsOnWhenClosed, closing_ends_what_runs_and_a_second_time_does_nothing),
    ],
    **NAMED,
)
def test_an_executor_with_one_fault_is_found_out(kind, clause):
    executor = kind()
    try:
        assert breaches(clause, executor)
    finally:
        Inline.close(executor)
