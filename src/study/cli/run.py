"""`study run`: from the arguments to a search, shown as it goes on, and what it came to."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from study import results
from study.cli import live, options, preamble, records
from study.cli.board import Board
from study.cli.terminal import Terminal, width
from study.cli.text import number, to_json
from study.errors import Interrupted
from study.journal import Journal
from study.progress import SearchStarted, TrialEnded

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from study.conduct import Options
    from study.definition import Study
    from study.settings import Settings

log = logging.getLogger("study")
TRIALS = 100
SECOND_CTRL_C = 2.0  # seconds that the end may take after it


def run(
    context: typer.Context,
    name: options.RunName = None,
    trials: options.Trials = None,
    workers: options.Workers = None,
    timeout: options.Timeout = None,
    device: options.Device = "auto",
    executor: options.Executor = "local",
    sampler: options.Sampler = "tpe",
    pruner: options.Pruner = "median",
    seed: options.Seed = 0,
    epochs: options.Epochs = None,
    assignments: options.Assignments = None,
    data: options.Data = None,
    no_fallback: options.NoFallback = False,
    new_name: options.NewName = None,
    accept: options.Accept = False,
    recipe: options.RecipeFile = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
    home: options.Home = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Search a study until it has N finished trials. Stop it as you like: the same command goes on."""
    terminal = context.ensure_object(Terminal)
    with preamble.reporting(terminal) as report:
        if terminal.live:
            report("loading", None)
        from study import prepare, search, settings
        from study.cli import request

        fixed = request.overrides([*(assignments or []), *([f"epochs={epochs}"] if epochs else [])])
        asked = request.read(name, recipe=recipe, fixed=fixed, data=data, rename=new_name)
        how = search.Options(
            trials=trials or (1 if recipe else TRIALS),
            workers=workers,
            device=device,
            executor=executor,
            sampler=sampler,
            pruner=pruner,
            seed=seed,
            timeout=request.seconds(timeout) if timeout else None,
            accept=accept,
        )
        may_fall_back = not no_fallback and data is None
        study, _, reason = prepare.available_data(asked.study, fallback=may_fall_back, report=report)
    if reason:
        preamble.banner(terminal, asked.study, study, reason)
    places = settings.resolve(home, storage, tracking_uri)
    if dry_run:
        finished = results.finished(Journal(places.study_folder(study.name)))
        preamble.show_plan(prepare.plan(study, how, finished), as_json=as_json)
        return
    _search(study, places, how, terminal, as_json=as_json)
    if asked.recorded is not None and not as_json:
        _say_whether_equal(Journal(places.study_folder(study.name)), asked.recorded)


def _search(study: Study, places: Settings, how: Options, terminal: Terminal, *, as_json: bool) -> None:
    """Iterate the search and show it; close with what it came to, however it ended."""
    from study import search

    journal = Journal(places.study_folder(study.name))
    aim = results.Goal(study.metric, study.direction == "maximize")
    board, stop = Board(aim), threading.Event()
    status = "failed"
    try:
        with _signals(stop, board, live=terminal.live) as told_to_stop, live.shown(terminal, board) as show:
            for progress in search.run(study, places, how, stop):
                if isinstance(progress, SearchStarted):
                    board.start(progress, results.rows(journal))
                board.take(progress)
                show(progress)
                if isinstance(progress, TrialEnded) and as_json:
                    ended = results.row(journal.trial(progress.trial), aim)
                    _print({"type": "trial", "study": study.name, **records.row_json(ended)})
            if told_to_stop():
                raise Interrupted("stopped, everything saved", where=study.name, fix="The same command goes on.")
        status = "finished" if board.finished >= how.trials else "stopped"
    except (Interrupted, KeyboardInterrupt):
        status = "interrupted"
        raise
    finally:
        if board.target:  # the search began
            _close(journal, status, how.trials, board, as_json=as_json)


def _close(journal: Journal, status: str, target: int, board: Board, *, as_json: bool) -> None:
    """Say what the search came to, or has come to so far."""
    summary = results.summary(journal)
    if as_json:
        _print({"type": "summary", "status": status, "target": target, **records.summary_json(summary)})
        return
    if status == "finished" and not board.ended_here:
        log.info("%s has its %d finished trials already; a larger --trials adds to them", summary.name, target)
    if status in {"finished", "stopped"}:
        print(records.closing(summary, width()))


def _say_whether_equal(journal: Journal, recorded: float) -> None:
    """Compare a repeated training's value with the recorded one."""
    best = results.summary(journal).best
    if best is None or best.value is None:
        return
    if best.value == recorded:
        print(f"The value equals the recorded one to the bit: {recorded!r}")
    else:
        by = number(abs(best.value - recorded))
        print(f"The value differs from the recorded one by {by}: {best.value!r} now, {recorded!r} recorded")


@contextmanager
def _signals(stop: threading.Event, board: Board, *, live: bool) -> Generator[Callable[[], bool]]:
    """Ctrl-C or SIGTERM once: end after saving; twice: end at once. Gives a function that tells whether one came."""
    came: list[int] = []

    def take(number: int, _frame: object) -> None:
        came.append(number)
        if len(came) == 1 and board.target:  # before the search begins there is nothing to save
            stop.set()
            board.stopping = True
            if not live:  # os.write, since the signal may have come in the middle of a print
                os.write(2, b"stopping after the present epochs; once more to stop at once\n")
            return
        timer = threading.Timer(SECOND_CTRL_C, _end_at_once)
        timer.daemon = True
        timer.start()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, take) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_at_once() -> None:
    for child in multiprocessing.active_children():
        child.kill()
    os._exit(130)


def _print(value: Any) -> None:
    print(to_json(value), flush=True)
