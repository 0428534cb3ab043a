"""The live view at the widths that people have, the plain lines, the banner: what they say of a search."""

from __future__ import annotations

import io
import logging
from dataclasses import replace

import pytest
from rich.console import Console

from study.cli import preamble
from study.definition import Study
from study.events import Epoch
from study.formatting import knobs
from study.metric import Metric
from study.progress import (
    Notice,
    Preparing,
    SearchStarted,
    TrialEnded,
    TrialEpoch,
    TrialPaused,
    TrialPlaced,
    TrialStarted,
)
from study.recipe import Recipe
from study.record.history import Ended
from study.record.trial import TrialRow
from study.running.board import Board, Placed
from study.terminal import live
from study.terminal.console import Terminal, wants_color
from study.terminal.starting import reporting

LONG = {"optimizer": "adamw", "lr": 0.0123456, "activation": "leaky_relu", "dropout_conv": 0.25, "schedule": "cosine"}
BEST = "[3/10] Best is trial 0 with value: 50.00 %."
STARTED = SearchStarted(study="toy", target=10, finished=3, resumed=1, slots=2, epochs=4)


class Clock:
    """Seconds that go when told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def ended(trial, state, value, *, reason="", epochs=4, variant=None, overrides=None):
    return TrialEnded(trial, variant, overrides or {}, epochs, Ended(state, value, reason, None, 0.0))


def row(number, state, value):
    return TrialRow(number, None, state, value, value, 4, 1.0, {"lr": 0.1}, "", None, "cpu")


@pytest.fixture
def board():
    """Three trials from before, two running, one of them after two epochs."""
    made = Board(clock=Clock())
    made.start(
        STARTED,
        Metric("val_accuracy"),
        [row(0, "complete", 0.5), row(1, "pruned", 0.9), row(2, "complete", 0.4), row(3, "failed", None)],
    )
    for progress in (
        STARTED,
        TrialStarted(4, None, LONG, 1),
        TrialStarted(5, "norm_inputs", {"normalize": True}, 0),
        TrialEpoch(4, Epoch(2, {"val_accuracy": 0.61})),
    ):
        made.take(progress)
    return made


def drawn(board, width):
    stream = io.StringIO()
    console = Console(file=stream, width=width, height=24, force_terminal=False)
    console.print(live.draw(board, console))
    return stream.getvalue().splitlines()


def test_on_a_cluster_slots_nodes_and_each_trials_node_are_shown(board):
    assert any(line.startswith("2 complete  1 pruned  1 failed  2 running") for line in drawn(board, 100))
    board.take(TrialPlaced(4, "node7", 5))
    board.take(TrialPlaced(5, "node8", 6))
    lines = drawn(board, 100)
    assert any("2 running on 6 slots, 2 nodes" in line for line in lines)
    assert any(line.startswith("  trial 4") and "epoch 2/4    node7  " in line for line in lines)
    board.take(TrialEpoch(4, Epoch(3, {"val_accuracy": 0.7})))
    assert any(line.startswith("  trial 4") and "node7" in line for line in drawn(board, 100))


def test_the_board_counts_from_what_was_there_before(board):
    assert (board.complete, board.pruned, board.failed, board.finished) == (2, 1, 1, 3)
    assert board.best is not None
    assert (board.best.number, board.best.value) == (0, 0.5)


def test_the_best_is_the_best_complete_trial(board):
    board.take(ended(4, "pruned", 0.99))
    board.take(ended(5, "complete", 0.7, variant="norm_inputs", overrides={"normalize": True}))
    assert board.best == Placed(5, "norm_inputs", {"normalize": True}, "complete", 4, 0.7)
    assert (board.complete, board.pruned, board.finished, list(board.running)) == (3, 2, 5, [])


def test_the_leaders_are_the_best_five_and_the_last_is_the_last_one(board):
    for number, value in enumerate([0.6, 0.1, 0.9, 0.9, 0.7, 0.8], 10):
        board.take(ended(number, "complete", value))
    board.take(ended(20, "pruned", 0.99, epochs=2))
    assert [(each.number, each.value) for each in board.leaders] == [
        (12, 0.9), (13, 0.9), (15, 0.8), (14, 0.7), (10, 0.6),
    ]  # fmt: skip
    assert board.last == Placed(20, None, {}, "pruned", 2, 0.99)


def test_where_less_is_better_the_smallest_values_lead():
    board = Board()
    board.start(STARTED, Metric("val_loss", "minimize"), [row(0, "complete", 0.5), row(1, "complete", 0.4)])
    board.take(ended(2, "complete", 0.3))
    board.take(ended(3, "complete", float("nan")))
    assert [each.number for each in board.leaders] == [2, 1, 0]


def test_pace_and_end_count_running_trials_by_their_share(board):
    assert board.per_minute() is None
    board.take(ended(5, "complete", 0.7))
    board.clock.now += 75
    assert board.per_minute() == pytest.approx(1.0)  # one trial and a quarter: epoch 1 was there before
    assert board.seconds_left() == pytest.approx(60 * (10 - 4 - 0.25))


def test_a_paused_trial_counts_as_one_that_is_over_and_no_more_once_it_goes_on(board, caplog):
    caplog.set_level(logging.INFO, logger="study")
    pause = TrialPaused(4, 2)
    board.take(pause)
    live.tell(pause, board)
    line = f"Trial 4 paused after 2 epochs with value: 61.00 % ({knobs(LONG)}). {BEST.replace('3/10', '4/10')}"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [("INFO", line)]
    board.clock.now += 75
    assert (board.reached, board.finished, list(board.running)) == (4, 3, [5])
    assert (board.per_minute(), board.seconds_left()) == (pytest.approx(0.8), pytest.approx(75 * 6))
    text = "\n".join(drawn(board, 140))
    assert "4/10 trials" in text
    assert "2 complete  1 pruned  1 paused  1 failed  1 running" in text
    board.take(TrialStarted(4, None, LONG, 2))
    assert (board.reached, board.paused, board.per_minute()) == (3, {}, None)
    board.take(TrialPaused(4, 3))
    board.take(ended(4, "pruned", 0.61))
    assert (board.reached, board.finished, board.paused, board.per_minute()) == (4, 4, {}, pytest.approx(0.8))


def test_trials_that_were_paused_before_count_on_the_way_and_not_in_the_pace(caplog):
    caplog.set_level(logging.INFO, logger="study")
    board = Board(clock=Clock())
    board.start(STARTED, Metric("val_accuracy"), [replace(row(4, "running", 0.5), paused=True)])
    live.tell(STARTED, board)
    assert caplog.messages == ["toy: 3 of 10 trials finished, 1 paused, 1 trial to go on with; 2 trials at a time"]
    board.clock.now += 60
    assert (board.reached, board.per_minute()) == (1, None)
    board.take(ended(4, "pruned", 0.5))  # as the search ends
    assert (board.reached, board.per_minute()) == (1, None)
    board.take(ended(5, "complete", 0.7))
    assert board.per_minute() == pytest.approx(1.0)


def test_a_trials_own_length_wins_over_the_studys(board):
    board.take(TrialStarted(6, None, {"epochs": 20}, 0))
    assert board.length(board.running[6]) == 20
    assert board.length(board.running[4]) == 4


@pytest.mark.parametrize("width", [40, 60, 80, 140])
def test_the_live_view_fits_its_width(board, width):
    board.take(ended(5, "complete", 0.7, overrides=LONG))
    board.clock.now += 75
    lines = drawn(board, width)
    assert max(map(len, lines)) <= width
    assert len(lines) <= 13


def test_the_live_view_tells_where_the_search_stands(board):
    board.clock.now += 75
    board.take(ended(6, "complete", 0.7, variant="wide", overrides=LONG))
    text = "\n".join(drawn(board, 140))
    for part in (
        "4/10 trials", "3 complete  1 pruned  1 failed  2 running", "trials/min", "ends about",
        "best val_accuracy 70.00 %  trial 6 (wide)", "  optimizer=adamw lr=0.01235 activation=leaky_relu",
        "  trial 0    50.00 %  lr=0.1\n  trial 2    40.00 %  lr=0.1\n",
        "last finished, after 4 epochs:\n  trial 6    70.00 %",
        "trial 4    61.00 %  ━━━━━─────  epoch 2/4    optimizer=adamw", "trial 5          -  ──────────  epoch 0/4",
        "norm_inputs normalize=true",
    ):  # fmt: skip
        assert part in text


def test_the_live_view_says_that_it_is_stopping(board):
    board.stopping = live.STOPPING
    assert "Press Ctrl-C again to stop at once." in drawn(board, 80)[-1]


def test_the_live_view_of_many_workers_keeps_to_the_screen(board):
    for trial in range(10, 90):
        board.take(TrialStarted(trial, None, {}, 0))
    lines = drawn(board, 80)
    assert len(lines) < 24
    assert lines[-1].endswith("more")


def test_before_the_search_begins_the_view_says_what_is_done():
    board = Board()
    board.take(Preparing("checking the study, its recipes and its data"))
    assert drawn(board, 80) == ["checking the study, its recipes and its data"]


@pytest.mark.parametrize(
    ("progress", "level", "line"),
    [
        (STARTED, "INFO", "toy: 3 of 10 trials finished, 1 trial to go on with; 2 trials at a time"),
        (
            ended(12, "complete", 0.9134, overrides={"lr": 0.00213}),
            "INFO",
            f"Trial 12 finished with value: 91.34 % (lr=0.00213). {BEST}",
        ),
        (
            ended(12, "pruned", 0.2, reason="median pruner", epochs=1, variant="wide"),
            "INFO",
            f"Trial 12 (wide) pruned after 1 epoch, value: 20.00 %: median pruner. {BEST}",
        ),
        (
            ended(12, "pruned", None, reason="diverged in epoch 1: val_loss is nan", epochs=1),
            "INFO",
            f"Trial 12 pruned after 1 epoch: diverged in epoch 1: val_loss is nan. {BEST}",
        ),
        (
            ended(12, "failed", None, reason="ValueError: boom", epochs=0),
            "WARNING",
            f"Trial 12 failed after 0 epochs: ValueError: boom. {BEST}",
        ),
        (TrialStarted(7, "wide", {"hidden": [9]}, 0), "DEBUG", "Trial 7 starts (wide) hidden=[9]"),
        (TrialEpoch(7, Epoch(2, {"val_accuracy": 0.5})), "DEBUG", "Trial 7 epoch 2: val_accuracy 50.00 %"),
        (Notice("MLflow is away"), "WARNING", "MLflow is away"),
    ],
)
def test_every_event_is_one_line_of_the_log(board, caplog, progress, level, line):
    caplog.set_level(logging.DEBUG, logger="study")
    live.tell(progress, board)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [(level, line)]


def test_off_a_terminal_the_events_become_lines(board, caplog):
    caplog.set_level(logging.INFO, logger="study")
    with live.shown(Terminal(live=False), board) as show:
        show(ended(4, "complete", 0.8))
    assert "Trial 4 finished with value: 80.00 %." in caplog.text


def on(dataset, name):
    return Study(name=name, recipe=Recipe(dataset=dataset))


@pytest.mark.parametrize("quiet", [False, True])
def test_the_banner_over_fallback_data_is_shown_even_when_quiet(capsys, quiet):
    asked, taken = on("cifar10", "cifar_tricks"), on("digits", "cifar_tricks@digits")
    preamble.banner(Terminal(quiet=quiet), asked, taken, "cifar10 cannot be downloaded: no network")
    answered = capsys.readouterr()
    assert answered.out == ""
    lines = answered.err.splitlines()
    assert lines[0] == lines[-1] == "!" * 78
    text = " ".join(line.removeprefix("!! ") for line in lines)
    for part in (
        "NOT CIFAR10",
        "no network",
        "the study cifar_tricks@digits",
        "study data import cifar10",
        "--no-fallback",
    ):
        assert part in text


def test_the_banner_on_a_terminal_is_a_panel(capsys):
    asked, taken = on("cifar10", "cifar_tricks"), on("digits", "cifar_tricks@digits")
    preamble.banner(Terminal(live=True), asked, taken, "no network")
    text = capsys.readouterr().err
    assert "╭" in text
    assert "NOT cifar10" in text


def test_progress_off_a_terminal_is_a_line_for_each_tenth(caplog):
    caplog.set_level(logging.INFO, logger="study")
    with reporting(Terminal(live=False)) as report:
        for step in range(101):
            report("downloading", step / 100)
        report("unpacking", None)
    assert [record.getMessage() for record in caplog.records] == [
        *(f"downloading: {10 * tenth} %" for tenth in range(11)), "unpacking",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("variables", "here", "wanted"),
    [
        ({}, True, True), ({}, False, False), ({"FORCE_COLOR": "1"}, False, True), ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False), ({"NO_COLOR": ""}, True, True),
    ],
)  # fmt: skip
def test_colour_is_for_terminals_and_no_color_wins(monkeypatch, variables, here, wanted):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert wants_color(here=here) is wanted
