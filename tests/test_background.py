"""The thread that tells another program: at once when woken, at the end what is left, and trouble once."""

from __future__ import annotations

import itertools
import threading
import time
from queue import SimpleQueue

import pytest

from study import background
from study.background import Background, follow
from study.errors import PlaceError
from study.progress import Notice
from study.stopping import HURRY
from tests.waiting import until


def test_it_tells_nothing_before_it_is_woken_and_what_is_left_at_the_end():
    rounds = []
    thread = Background("t", lambda: rounds.append(1), pytest.fail)
    time.sleep(0.05)
    assert rounds == []
    thread.wake()
    until(lambda: len(rounds) == 1)
    assert thread.close(10)
    assert len(rounds) == 2


def test_an_idle_thread_looks_again_without_being_woken(monkeypatch):
    monkeypatch.setattr(background, "PACE", 0.01)
    rounds = []
    thread = Background("t", lambda: rounds.append(1), pytest.fail, idle=0.0)
    thread.wake()
    until(lambda: len(rounds) > 3)
    assert thread.close(10)


def test_trouble_is_said_once_and_the_pauses_grow_up_to_the_longest(monkeypatch):
    monkeypatch.setattr(background, "PACE", 0.02)
    monkeypatch.setattr(background, "LONGEST_PAUSE", 0.1)
    times, said = [], []

    def tell():
        times.append(time.monotonic())
        raise PlaceError("away")

    thread = Background("t", tell, said.append)
    thread.wake()
    until(lambda: len(times) >= 5)
    assert thread.close(10)
    pauses = [later - earlier for earlier, later in itertools.pairwise(times[:5])]
    assert all(pause >= least for pause, least in zip(pauses, (0.04, 0.08, 0.1, 0.1), strict=True))
    assert said == ["away"]


def test_whatever_a_library_raises_is_said_and_ends_nothing():
    said = []
    thread = Background("t", lambda: 1 / 0, said.append)
    assert thread.close(10)
    assert said == ["ZeroDivisionError: division by zero"]


def test_the_end_waits_no_longer_than_it_is_told():
    release = threading.Event()
    thread = Background("t", lambda: release.wait(60) and None, pytest.fail)
    began = time.monotonic()
    assert not thread.close(0.05)
    assert time.monotonic() - began < 10
    release.set()
    assert thread.close(10)


class Away:
    """A program that is told nothing."""

    def __init__(self, notices):
        self.notices, self.patience = notices, None

    def wake(self):
        if self.patience is None:
            self.notices.put("it is away")
            self.patience = 0.0

    def close(self, timeout, stop):
        self.patience = timeout
        return 3


def test_a_search_goes_on_with_one_notice_and_ends_with_what_makes_the_program_equal():
    notices = SimpleQueue()
    away = Away(notices)
    progress = list(follow(iter([Notice("a"), Notice("b")]), away, notices, "Optuna", "s", threading.Event()))
    assert [each.text for each in progress] == [
        "a",
        "it is away (the search continues and sends it later)",
        "b",
        "Optuna does not have all of 3 trials yet: `study sync s` sends the rest",
    ]
    assert away.patience == background.LAST_TRY


def test_a_search_that_fails_still_says_what_makes_the_program_equal():
    def failing():
        yield Notice("a")
        raise PlaceError("the disk is full")

    notices = SimpleQueue()
    progress = follow(failing(), Away(notices), notices, "Optuna", "s", threading.Event())
    assert [next(progress).text for _ in range(3)][-1].startswith("Optuna does not have all of 3 trials yet")
    with pytest.raises(PlaceError, match="disk is full"):
        next(progress)


def test_a_search_that_was_told_to_end_does_not_wait_for_the_program():
    thread, stop = Background("t", lambda: release.wait(60) and None, pytest.fail), threading.Event()
    release = threading.Event()
    stop.set()
    began = time.monotonic()
    assert not thread.close(600, stop)
    assert HURRY <= time.monotonic() - began < 60
    release.set()
    assert thread.close(10)


def test_a_search_that_is_told_to_end_while_it_waits_for_the_program_waits_no_longer():
    release, stop = threading.Event(), threading.Event()
    thread = Background("t", lambda: release.wait(60) and None, pytest.fail)
    threading.Timer(0.3, stop.set).start()
    began = time.monotonic()
    assert not thread.close(600, stop)
    assert time.monotonic() - began < 60
    release.set()
    assert thread.close(10)
