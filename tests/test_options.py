"""Options: each run has its full time, however old the object; names and numbers are checked."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

import study as public
from study import settings as places
from study.errors import InputError
from study.executors.inline import Inline
from study.executors.local import Local
from study.executors.table import EXECUTORS
from study.options import Options
from study.progress import Notice, SearchStarted, TrialEnded
from study.questions import ablation, confirmation, search
from study.record.journal import Journal
from study.study_files import load

TESTS = Path(__file__).parent
ONE = {"executor": "inline", "track": False, "sampler": "random"}


class Clock:
    """A clock that can be put forward."""

    def __init__(self):
        self.ahead, self._true = 0.0, time.monotonic

    def __call__(self):
        return self._true() + self.ahead


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(time, "monotonic", made)
    return made


def test_the_deadline_counts_from_the_start_of_a_run(clock):
    options = Options(timeout=60)
    clock.ahead += 3600
    first = options.started()
    assert 50 < first.deadline - clock() <= 60
    clock.ahead += 3600
    assert first.deadline < clock()
    assert 50 < options.started().deadline - clock() <= 60


def test_options_that_were_started_keep_their_deadline(clock):
    started = Options(timeout=60).started()
    clock.ahead += 30
    assert started.started() is started
    assert started == Options(timeout=60)  # equal options, whenever they were started


def test_without_a_timeout_there_is_no_deadline():
    assert Options().deadline == Options().started().deadline == math.inf


def test_one_object_gives_each_of_two_searches_its_full_time(clock):
    options = Options(trials=2, timeout=60, **ONE)
    toy = load(str(TESTS / "toy.py"))
    for name in ("morning", "noon"):
        clock.ahead += 3600
        told = list(search.run(replace(toy, name=name), places.resolve(), options, threading.Event()))
        assert [each for each in told if isinstance(each, Notice)] == []
        assert sum(isinstance(each, TrialEnded) for each in told) == 2


@pytest.fixture
def noisy():
    """A study that was searched, of which x and brake help."""
    plain = load(str(TESTS / "noisy.py"))
    quiet = replace(plain, recipe=plain.recipe_for({"spread": 0.001}), variants={})
    study = replace(quiet, space=lambda _: {"x": 0.6, "brake": -0.05, "useless": 2, "epochs": 3})
    list(search.run(study, places.resolve(), Options(trials=1, **ONE), threading.Event()))
    return study


def trained(name):
    return len(list(Journal(places.resolve().study_folder(name)).trials()))


def test_an_ablation_has_one_deadline_for_all_its_searches(noisy, clock):
    home = places.resolve()
    list(confirmation.run(noisy, home, Options(**ONE), confirmation.ask(noisy, home, 1, 2), threading.Event()))
    question = ablation.ask(noisy, home, 6)
    searches, ended = [], 0
    for told in ablation.run(noisy, home, Options(timeout=60, **ONE), question, threading.Event()):
        if isinstance(told, SearchStarted):
            searches.append(told)
        ended += isinstance(told, TrialEnded)
        if searches and ended == searches[0].target:  # the last training of the first search
            clock.ahead = 1800
    assert len(searches) == 2
    assert ended == searches[0].target
    assert not ablation.read(noisy, home).complete


def test_a_confirmation_from_python_has_one_deadline_for_the_race_and_the_scores(noisy, clock):
    def watch(told):
        if isinstance(told, TrialEnded) and trained("noisy-confirm") == 2:
            clock.ahead = 1800  # the race is over

    how = {"executor": "inline", "track": False, "timeout": 60.0, "watch": watch}
    found = public.confirm(noisy, top=1, seeds=2, **how)
    assert found.winner
    assert not found.complete
    assert trained("noisy-final") == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sampler": "tea"}, r"unknown sampler 'tea'\. There are: tpe, random, gp\."),
        ({"pruner": "scissors"}, r"unknown pruner 'scissors'\. There are: median, .*, none\."),
        ({"cpus_per_trial": 0.0}, "--cpus-per-trial must be a whole number, or a share between 0 and 1, not 0"),
        ({"gpus_per_trial": 1.5}, r"--gpus-per-trial must be a whole number, or a share between 0 and 1, not 1\.5"),
        ({"gpus_per_trial": math.inf}, "--gpus-per-trial must be a whole number, or a share between 0 and 1, not inf"),
        ({"cpus_per_trial": 1.5}, r"--cpus-per-trial must be a whole number, or a share between 0 and 1, not 1\.5"),
        ({"gpus_per_trial": "auto", "device": "cpu"}, "--gpus-per-trial: has no effect with --device cpu"),
        ({"gpus_per_trial": 0.25, "device": "cpu"}, "--gpus-per-trial: has no effect with --device cpu"),
        ({"executor": "slurm"}, rf"unknown executor 'slurm'\. There are: {', '.join(EXECUTORS)}\."),
        ({"trials": 0}, "--trials must be 1 or more, not 0"),
        ({"workers": 0}, "--workers must be 1 or more, not 0"),
        ({"hang": math.nan}, "--hang must be a number, 0 or more, not nan. 0 waits for ever"),
        ({"hang": -1.0}, "--hang must be a number, 0 or more, not -1"),
        ({"timeout": math.nan}, "--timeout must be above 0, not nan"),
        ({"timeout": 0.0}, "--timeout must be above 0, not 0"),
        ({"cpus_per_trial": math.nan}, "--cpus-per-trial must be a whole number, or a share between 0 and 1, not nan"),
    ],
)
def test_a_wrong_option_is_named_with_what_it_may_be(given, message):
    with pytest.raises(InputError, match=message):
        Options(**given).check()


def test_the_executor_is_the_one_that_was_named_with_the_workers_that_were_asked_for():
    inline = Options(executor="inline", device="cpu", workers=3).make_executor()
    inline.close()
    local = Options(executor="local", device="cpu", workers=3).make_executor()
    local.close()
    assert (type(inline), inline.slots) == (Inline, 1)
    assert (type(local), local.slots) == (Local, 3)


def test_an_executor_on_a_device_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="no device 'cuda:77' on this machine"):
        Options(executor="inline", device="cuda:77").make_executor()
