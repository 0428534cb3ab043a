"""`study run`: from the arguments to a search, shown as it goes on, and what it came to."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import typer

from study.cli import options
from study.cli.starting import starting
from study.cli.terminal import Terminal, width
from study.errors import Interrupted

if TYPE_CHECKING:
    from study.definition import Study
    from study.options import Options
    from study.record.journal import Journal
    from study.running.board import Board
    from study.schemas.search import Status
    from study.settings import Settings

log = logging.getLogger("study")
TRIALS = 100


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
    with starting(terminal, executor, workers, device):
        from study import request, settings
        from study.cli import preamble
        from study.options import Options
        from study.record.journal import Journal

        fixed = request.overrides([*(assignments or []), *([f"epochs={epochs}"] if epochs else [])])
        places = settings.resolve(home, storage, tracking_uri)
        asked = request.read(name, recipe=recipe, fixed=fixed, data=data, rename=new_name, home=places.home)
        how = Options(
            trials=trials or (1 if recipe else TRIALS),
            workers=workers,
            device=device,
            executor=executor,
            sampler=sampler,
            pruner=pruner,
            seed=seed,
            timeout=timeout,
            accept=accept,
        )
    study = preamble.settled(terminal, asked.study, how, fallback=not no_fallback and data is None)
    if dry_run:
        from study.record import results
        from study.running.dry_run import plan

        finished = results.finished(Journal(places.study_folder(study.name)))
        found = plan(study, how, finished)
        print(found.to_json() if as_json else found.text(width()))
        return
    _search(study, places, how, terminal, as_json=as_json)
    if asked.recorded is not None and not as_json:
        _say_whether_equal(Journal(places.study_folder(study.name)), asked.recorded)


def _search(study: Study, places: Settings, how: Options, terminal: Terminal, *, as_json: bool) -> None:
    """Iterate the search and show it; close with what it came to, however it ended."""
    from study.cli.watch import follow
    from study.questions import search
    from study.record.journal import Journal
    from study.running.board import Board

    journal = Journal(places.study_folder(study.name))
    board = Board()
    status: Status = "failed"
    try:
        follow(lambda stop: search.run(study, places, how, stop), places.home, board, terminal, as_json=as_json)
        status = "finished" if board.finished >= how.trials else "stopped"
    except (Interrupted, KeyboardInterrupt):
        status = "interrupted"
        raise
    finally:
        if board.target:  # the search began
            _close(journal, status, how.trials, board, as_json=as_json)


def _close(journal: Journal, status: Status, target: int, board: Board, *, as_json: bool) -> None:
    """Say what the search came to, or has come to so far."""
    from study.cli.watch import print_json
    from study.record import summary
    from study.schemas.search import EndedSearch

    found = summary.of(journal)
    if as_json:
        print_json(EndedSearch(status=status, target=target, **found.values()).plain())
        return
    if status == "finished" and not board.ended_here:
        log.info("%s has its %d finished trials already; a larger --trials adds to them", found.name, target)
    if status in {"finished", "stopped"}:
        print(found.text(width()))


def _say_whether_equal(journal: Journal, recorded: float) -> None:
    """Compare a repeated training's value with the recorded one."""
    from study.record import summary
    from study.text.search import repeated

    found = summary.of(journal)
    if found.best is not None and found.best.value is not None:
        print(repeated(found.best.value, recorded, found.metric))
