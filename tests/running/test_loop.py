"""The loop alone, over a list of recipes on digits, in this process: what it writes, whom it asks, when it ends."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from multiprocessing import forkserver
from pathlib import Path
from queue import SimpleQueue

import pytest
from pydantic import BaseModel

from study import Epoch, Recipe, Study
from study.errors import StudyError
from study.executors.inline import Inline
from study.executors.local import Local
from study.progress import Notice, SearchStarted, TrialEnded, TrialEpoch, TrialStarted
from study.record.journal import Journal
from study.running import hangs
from study.running.loop import Loop
from study.sampling.trials import Trials
from study.study_files import load

RECIPE = Recipe(dataset="digits", model="logistic", train_size=200, epochs=3)
STUDY = Study(name="some", recipe=RECIPE)


@dataclass
class Listed:
    """A source of given overrides, which remembers about whom it was asked."""

    overrides: list
    prunes: bool = False
    asked: list = field(default_factory=list)
    at_once = True

    def target(self, trials):
        return len(self.overrides)

    def is_done(self, trials):
        return trials.finished() >= len(self.overrides)

    def next(self, trials, under_way):
        for number in trials.running():
            if number not in under_way:
                return trials.left(number)
        trial = trials.fixed({}, "any")
        if trial.number >= len(self.overrides):
            return None
        return trials.fixed(self.overrides[trial.number], "any")

    def may_prune(self, trial):
        self.asked.append(trial.number)
        return self.prunes


class Asked(Trials):
    """Trials that note after which epochs the pruner was asked; it ends none, or every one with `prunes`."""

    prunes = False

    def should_prune(self, number):
        reported = self._memory.get_trial(self._id(number)).intermediate_values
        self.asked = [*getattr(self, "asked", []), len(reported)]
        return self.prunes


class Pruned(Asked):
    """Trials of which the pruner ends every one."""

    prunes = True


def loop(tmp_path, source, study=STUDY, stop=None, kind=Trials, executor=None, **more):
    journal = Journal(tmp_path / study.name)
    trials = kind(study, journal, SimpleQueue(), "random", "none", 0)
    about = {"metric": study.metric, "direction": study.direction, "data": {}, "environment": {}}
    return Loop(study, journal, trials, executor or Inline(), source, stop or threading.Event(), about, **more)


def run(each):
    with closing(each.executor):
        return list(each.run())


def kinds(each):
    return [record["kind"] for record in each.records()]


def test_each_step_is_in_the_folder_before_anyone_is_told(tmp_path):
    each = loop(tmp_path, Listed([{}]))
    with closing(each.executor):
        for progress in each.run():
            folder = each.journal.trial(0)
            if isinstance(progress, TrialStarted):
                assert folder.recipe()["epochs"] == 3
            if isinstance(progress, TrialEpoch):
                assert len(folder.history().epochs) == progress.epoch.number
            if isinstance(progress, TrialEnded):
                assert folder.history().ended == progress.ended
    assert kinds(folder) == ["started", "epoch", "epoch", "epoch", "ended"]
    assert not folder.checkpoint.exists()


def test_it_says_what_is_asked_for_and_what_becomes_of_it(tmp_path):
    progress = run(loop(tmp_path, Listed([{"lr": 0.1}, {"lr": 0.2}])))
    assert progress[0] == SearchStarted("some", 2, 0, 0, 1, 3)
    assert [type(each) for each in progress[1:6]] == [TrialStarted, TrialEpoch, TrialEpoch, TrialEpoch, TrialEnded]
    assert [each.trial for each in progress if isinstance(each, TrialEnded)] == [0, 1]


def test_stopped_it_ends_after_the_current_epoch_and_another_loop_goes_on_from_there(tmp_path):
    stop = threading.Event()
    each = loop(tmp_path, Listed([{}]), stop=stop)
    with closing(each.executor):
        for progress in each.run():
            if isinstance(progress, TrialEpoch):
                stop.set()
    assert kinds(each.journal.trial(0)) == ["started", "epoch", "epoch"]
    again = loop(tmp_path, Listed([{}]))
    started = next(progress for progress in run(again) if isinstance(progress, TrialStarted))
    assert started.epochs == 2
    assert kinds(again.journal.trial(0)) == ["started", "epoch", "epoch", "started", "epoch", "ended"]


def test_past_its_deadline_it_starts_nothing_and_says_so(tmp_path):
    each = loop(tmp_path, Listed([{}, {}]), deadline=time.monotonic() - 1)
    assert [type(progress) for progress in run(each)] == [SearchStarted, Notice]
    assert each.journal.trials() == []


def test_an_equal_recipe_takes_over_epochs_end_and_weights(tmp_path):
    each = loop(tmp_path, Listed([{}, {"lr": 0.3}, {}]))
    run(each)
    first, other, twin = each.journal.trials()
    assert [kinds(folder)[0] for folder in (first, other, twin)] == ["started", "started", "epoch"]
    assert twin.history().ended.repeats == 0
    assert twin.history().epochs == first.history().epochs
    assert twin.best.read_bytes() == first.best.read_bytes()
    assert twin.last.exists() == first.last.exists()


def test_five_failures_in_a_row_end_it_with_the_reason(tmp_path):
    each = loop(tmp_path, Listed([{"train_size": 10**6}] * 9))
    with pytest.raises(StudyError, match="5 trials in a row failed, the last one with"):
        run(each)
    assert len(each.journal.trials()) == 5


class Silent(BaseModel):
    """A recipe that does not say how long its training is."""

    rounds: int = 4
    bad: int = 0  # the round that raises, or is not finite if negative


def silent(recipe, resume):
    first = resume["number"] + 1 if resume else 1
    for number in range(first, recipe.rounds + 1):
        if number == recipe.bad:
            raise ValueError("boom")
        score = math.nan if number == -recipe.bad else number / 10
        yield Epoch(number, {"score": score}, state=lambda number=number: {"number": number})
    return {"rounds": recipe.rounds}


OWN = Study(name="own", recipe=Silent(), train=silent, metric="score")
STEPS = replace(STUDY, recipe=Recipe(dataset="digits", model="logistic", train_size=200, batch_size=100, steps=7))


@pytest.mark.parametrize(("study", "length"), [(OWN, 4), (STEPS, 4), (STUDY, 3)])
def test_the_pruner_is_asked_after_every_epoch_but_the_final_one(tmp_path, study, length):
    each = loop(tmp_path, Listed([{}], prunes=True), study, kind=Asked)
    run(each)
    assert each.trials.asked == list(range(1, length))
    history = each.journal.trial(0).history()
    assert (len(history.epochs), history.ended.state) == (length, "complete")


def test_the_pruner_is_not_asked_where_the_source_does_not_permit_it(tmp_path):
    each = loop(tmp_path, Listed([{}]), kind=Asked)
    run(each)
    assert not hasattr(each.trials, "asked")


def test_a_trial_that_is_pruned_has_the_epochs_that_it_was_judged_by(tmp_path):
    each = loop(tmp_path, Listed([{}], prunes=True), OWN, kind=Pruned)
    run(each)
    assert each.trials.asked == [1]
    ended = each.journal.trial(0).history().ended
    assert (ended.state, ended.value) == ("pruned", 0.1)


@pytest.mark.parametrize("study", [OWN, STEPS, STUDY])
def test_stopped_after_each_epoch_it_gives_the_same_and_asks_about_no_final_epoch(tmp_path, study):
    whole = loop(tmp_path / "whole", Listed([{}]), study)
    run(whole)
    asked = []
    for _ in range(5):
        stop = threading.Event()
        each = loop(tmp_path / "cut", Listed([{}], prunes=True), study, stop=stop, kind=Asked)
        with closing(each.executor):
            known = 0
            for progress in each.run():
                known = progress.epochs if isinstance(progress, TrialStarted) else known
                if isinstance(progress, TrialEpoch) and progress.epoch.number >= known:
                    stop.set()
        asked += getattr(each.trials, "asked", [])
    first, second = (each.journal.trial(0).history() for each in (whole, each))
    assert [dict(epoch.metrics) for epoch in first.epochs] == [dict(epoch.metrics) for epoch in second.epochs]
    assert second.ended.evaluation == first.ended.evaluation
    assert set(asked) == set(range(1, len(first.epochs)))


@pytest.mark.parametrize(("bad", "epochs", "reason"), [(3, 2, "ValueError: boom"), (-3, 3, "diverged in epoch 3")])
def test_what_goes_wrong_in_a_training_of_unknown_length_does_so_after_the_epochs_before_it(
    tmp_path, bad, epochs, reason
):
    each = loop(tmp_path, Listed([{"bad": bad}]), OWN)
    run(each)
    history = each.journal.trial(0).history()
    assert len(history.epochs) == epochs
    assert reason in history.ended.reason


def sided(recipe, resume):
    for number in (1, 2, 3):
        sides = {"nan": math.nan, "inf": math.inf} if number == 2 else {"nan": 0.0, "inf": 0.0}
        yield Epoch(number, {"score": number / 10, **sides}, state=lambda number=number: {"model": {}, "n": number})


def test_only_the_objective_decides_whether_a_training_has_diverged_and_the_rest_is_recorded(tmp_path):
    each = loop(tmp_path, Listed([{}]), Study(name="sided", recipe=Silent(), train=sided, metric="score"))
    run(each)
    history = each.journal.trial(0).history()
    assert (history.ended.state, history.ended.value) == ("complete", 0.3)
    assert [epoch.metrics["inf"] for epoch in history.epochs] == [0.0, math.inf, 0.0]
    assert math.isnan(history.epochs[1].metrics["nan"])


@pytest.fixture
def work():
    """A study whose training hangs or loses its device when told to, and a worker for it."""
    executor = Local(1)
    yield load(str(Path(__file__).parents[1] / "executors" / "work.py")), executor
    executor.close()


def test_deaths_between_which_a_trial_advances_do_not_make_it_fail(tmp_path, work):
    toy = load(str(Path(__file__).parents[1] / "toy.py"))
    each = loop(tmp_path, Listed([{"kind": "dies each epoch", "epochs": 6}]), toy, executor=work[1])
    notices = [progress.text for progress in run(each) if isinstance(progress, Notice)]
    history = each.journal.trial(0).history()
    assert [text.rpartition("; ")[2] for text in notices] == [f"retry 1 of 3 from epoch {n}" for n in range(6)]
    assert (history.ended.state, len(history.epochs), len(history.deaths)) == ("complete", 6, 6)


def test_a_trial_whose_worker_always_dies_fails_with_the_reason(tmp_path, work, monkeypatch):
    monkeypatch.setenv("DEATHS", "4")
    toy = load(str(Path(__file__).parents[1] / "toy.py"))
    each = loop(tmp_path, Listed([{"kind": "dies"}, {}]), toy, executor=work[1])
    run(each)
    ended = [folder.history().ended for folder in each.journal.trials()]
    assert [each.state for each in ended] == ["failed", "complete"]
    assert ended[0].reason == "the worker was ended by SIGKILL (out of memory?), 4 times without a new epoch"


def test_workers_that_die_with_their_server_use_up_no_retry(tmp_path, work):
    study, executor = work
    each, killed = loop(tmp_path, Listed([{"epochs": 8}]), study, executor=executor), 0
    for progress in each.run():
        if isinstance(progress, TrialEpoch) and killed < 5:
            killed += 1
            for pid in (forkserver._forkserver._forkserver_pid, int(progress.epoch.metrics["pid"])):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    history = each.journal.trial(0).history()
    assert (history.ended.state, len(history.epochs), history.deaths) == ("complete", 8, [])
    assert len(history.devices) > 1


def test_a_hanging_epoch_is_killed_and_trained_again(tmp_path, work, monkeypatch):
    study, executor = work
    monkeypatch.setattr(hangs, "LEAST", 3.0)  # seconds; an epoch takes milliseconds
    each = loop(tmp_path, Listed([{"fault": "hangs"}]), study, executor=executor, hang=10.0)
    notices = [progress.text for progress in run(each) if isinstance(progress, Notice)]
    history = each.journal.trial(0).history()
    assert [epoch.metrics["first"] for epoch in history.epochs] == [1, 2, 2]
    assert history.ended.state == "complete"
    assert len(notices) == 1
    assert notices[0].startswith("trial 0: an epoch has not ended within ")
    assert notices[0].endswith("(see --hang); retry 1 of 3 from epoch 1")


def test_a_first_epoch_that_hangs_does_not_keep_a_stopped_search_for_ever(tmp_path, work, monkeypatch):
    study, executor = work
    monkeypatch.setattr(hangs, "LEAST", 3.0)
    stop = threading.Event()
    each = loop(tmp_path, Listed([{"fault": "hangs", "at": 1}]), study, stop, executor=executor, hang=10.0)
    with closing(executor):
        for progress in each.run():
            if isinstance(progress, TrialStarted):
                stop.set()
    assert kinds(each.journal.trial(0)) == ["started"]


def test_a_suspended_search_takes_no_epoch_for_a_hanging_one(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    each = hangs.HangDetector(10.0)
    each.learn(1.0)
    each.begins(0)
    now[0] += 1e6
    assert each.hanging(is_stopping=False) == {}
    for _ in range(100):
        now[0] += hangs.STEP
        found = each.hanging(is_stopping=False)
    assert found == {0: 101 * hangs.STEP}
    each.ends(0)
    assert each.hanging(is_stopping=False) == {}


def test_a_trial_whose_device_always_fails_fails_by_itself_and_the_next_ones_do_not(tmp_path, work):
    study, executor = work
    each = loop(tmp_path, Listed([{"fault": "device"}, {"x": 1.0}, {"x": 2.0}]), study, executor=executor)
    run(each)
    ended = [folder.history().ended for folder in each.journal.trials()]
    assert [each.state for each in ended] == ["failed", "complete", "complete"]
    assert ended[0].reason == (
        "the device failed: RuntimeError: CUDA error: device-side assert triggered, 4 times without a new epoch"
    )


def test_a_process_whose_own_device_failed_ends_the_search_with_what_to_do(tmp_path, work):
    study, _ = work
    each = loop(tmp_path, Listed([{"fault": "device"}, {}]), study)
    with pytest.raises(StudyError, match=r"the device failed: .*; this process can use it no more. Run the same"):
        run(each)
    assert kinds(each.journal.trial(0)) == ["started", "epoch", "died"]
