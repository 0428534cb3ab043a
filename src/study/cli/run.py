"""`study run`: parse, run the search, print how it ended."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from study.cli import cluster, options
from study.terminal.console import Terminal
from study.terminal.starting import starting

if TYPE_CHECKING:
    from study.definition import Study
    from study.options import Options
    from study.settings import Settings


def run(
    context: typer.Context,
    name: options.RunName = None,
    trials: options.Trials = None,
    workers: options.Workers = None,
    timeout: options.Timeout = None,
    hang: options.Hang = 10.0,
    device: options.Device = "auto",
    executor: options.Executor = "local",
    address: cluster.Address = "",
    cpus_per_trial: cluster.CpusPerTrial = 1.0,
    gpus_per_trial: cluster.GpusPerTrial = None,
    shared_home: cluster.SharedHome = False,
    sampler: options.Sampler = None,
    pruner: options.Pruner = None,
    seed: options.Seed = None,
    epochs: options.Epochs = None,
    assignments: options.Assignments = None,
    data: options.Data = None,
    no_fallback: options.NoFallback = False,
    new_name: options.NewName = None,
    accept: options.Accept = False,
    recipe: options.RecipeFile = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
    server: options.Server = None,
    home: options.Home = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Search a study until it has N finished trials. Stop it at any time: the same command continues."""
    if server:
        from study.cli import remote

        remote.ask(context, server, "run", name, as_json=as_json)
        return
    terminal = context.ensure_object(Terminal)
    placed = cluster.placed(context, executor, address, cpus_per_trial, gpus_per_trial, shared_home=shared_home)
    with starting(terminal, executor, workers, device):
        from study import request, settings
        from study.cli import preamble
        from study.options import TRIALS, Options

        fixed = request.overrides([*(assignments or []), *([f"epochs={epochs}"] if epochs else [])])
        places = settings.resolve(home, storage, tracking_uri)
        asked = request.read(name, recipe=recipe, fixed=fixed, data=data, rename=new_name, home=places.home)
        how = Options(
            trials=trials or (1 if recipe else TRIALS),
            workers=workers,
            device=device,
            **placed,
            sampler=sampler,
            pruner=pruner,
            seed=seed,
            timeout=timeout,
            hang=hang,
            accept=accept,
        )
    study = preamble.settled(terminal, asked.study, how, fallback=not no_fallback and data is None)
    if dry_run:
        from study.record import results
        from study.record.journal import Journal
        from study.running.dry_run import plan
        from study.terminal.watch import print_answer

        finished = results.finished(Journal(places.study_folder(study.name)))
        print_answer(plan(study, how, finished), as_json=as_json)
        return
    _search(study, places, how, terminal, recorded=asked.recorded, as_json=as_json)


def _search(
    study: Study, places: Settings, how: Options, terminal: Terminal, *, recorded: float | None, as_json: bool
) -> None:
    """Run the search, show it, and print how it ended."""
    from study.questions import search
    from study.running.board import Board
    from study.terminal.watch import follow, print_answer

    board = Board()
    try:
        found = follow(lambda stop: search.run(study, places, how, stop), places.home, board, terminal, as_json=as_json)
    finally:
        error = sys.exception()
        if error is not None and board.target and as_json:  # the search had begun
            print_answer(search.cut_short(study, places, how.trials, error), as_json=True)
    ended = search.ended(found, how.trials, trained=board.ended_here > 0, recorded=recorded)
    print_answer(ended, as_json=as_json)
