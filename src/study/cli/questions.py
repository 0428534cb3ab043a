"""`study compare`, `study confirm` and `study ablate`: parse, run the question, print what it found."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from study.cli import asked, cluster, completion, options
from study.errors import InputError, Interrupted
from study.terminal.console import Terminal, width
from study.terminal.starting import starting

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from study.progress import Progress
    from study.settings import Settings
    from study.stopping import Stop
    from study.text.shown import Shown

log = logging.getLogger("study")
Answer = TypeVar("Answer", bound="Shown")


def compare(
    context: typer.Context,
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME|FILE...", autocompletion=completion.known, help="A study. Several are set side by side."
        ),
    ],
    variants: asked.Variants = None,
    against: asked.Against = None,
    seeds: asked.ComparedSeeds = None,
    until_sure: asked.UntilSure = False,
    smallest: asked.Smallest = 0.005,
    as_published: asked.AsPublished = False,
    resplit: asked.NewSplits = False,
    target: asked.Target = None,
    epochs: options.Epochs = None,
    assignments: options.Assignments = None,
    data: options.Data = None,
    no_fallback: options.NoFallback = False,
    workers: options.Workers = None,
    timeout: options.Timeout = None,
    hang: options.Hang = 10.0,
    device: options.Device = "auto",
    executor: options.Executor = "local",
    address: cluster.Address = "",
    cpus_per_trial: cluster.CpusPerTrial = 1.0,
    gpus_per_trial: cluster.GpusPerTrial = None,
    shared_home: cluster.SharedHome = False,
    accept: options.Accept = False,
    show_only: asked.ShowTable = False,
    as_json: options.AsJson = False,
    as_csv: asked.AsCsv = False,
    server: options.Server = None,
    home: options.Home = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Compare a study's variants on equal seeds. Says which one really helps, judged on the test split."""
    options.require_one_form(as_json=as_json, as_csv=as_csv)
    if len(names) > 1:
        from study.cli import side_by_side

        side_by_side.compare(context, names, as_json=as_json, as_csv=as_csv, home=home)
        return
    if server:
        from study.cli import remote

        remote.ask(context, server, "compare", names[0], as_json=as_json)
        return
    terminal = context.ensure_object(Terminal)
    placed = cluster.placed(context, executor, address, cpus_per_trial, gpus_per_trial, shared_home=shared_home)
    with starting(terminal, executor, workers, device, trains=not show_only):
        from study import request, settings
        from study.cli import preamble
        from study.options import Options
        from study.questions import comparison, several
        from study.terminal.watch import print_answer

        fixed = request.overrides([*(assignments or []), *([f"epochs={epochs}"] if epochs else [])])
        places = settings.resolve(home, storage, tracking_uri)
        given: dict[str, Any] = {
            "variants": [each.strip() for each in variants.split(",") if each.strip()] if variants else None,
            "against": against, "seeds": seeds, "until_sure": until_sure, "smallest": smallest,
            "as_published": as_published, "resplit": resplit, "target": target,
        }  # fmt: skip
        sets = several.named(data, until_sure=until_sure)
        if show_only:
            if fixed:
                raise InputError("--set and --epochs change nothing beside --show", fix="Leave one of them out.")
            shown = [request.recorded_comparison(names[0], places.home, data=each) for each in sets]
            print_answer(several.shown(shown, places, _typed(context, **given)), as_json=as_json, as_csv=as_csv)
            return
        wanted = [
            request.read(names[0], recipe=None, fixed=fixed, data=each, rename=None, home=places.home).study
            for each in sets
        ]
        for each in wanted:
            comparison.ask(each, **given)  # before the data are fetched
        how = Options(workers=workers, device=device, accept=accept, timeout=timeout, hang=hang, **placed)
    fallback = not no_fallback and data is None
    studies = [preamble.searched(terminal, places, each, how, fallback=fallback) for each in wanted]
    questions = [(each, comparison.ask(each, **given)) for each in studies]
    _answer(
        lambda stop: several.run(questions, places, how, stop),
        lambda: several.of(questions, places), terminal, places, as_json=as_json, as_csv=as_csv,
    )  # fmt: skip


def confirm(
    context: typer.Context,
    name: options.StudyFile,
    top: asked.Top = 10,
    seeds: asked.RacedSeeds = 5,
    resplit: asked.Resplit = None,
    data: options.Data = None,
    no_fallback: options.NoFallback = False,
    new_name: options.NewName = None,
    workers: options.Workers = None,
    timeout: options.Timeout = None,
    hang: options.Hang = 10.0,
    device: options.Device = "auto",
    executor: options.Executor = "local",
    address: cluster.Address = "",
    cpus_per_trial: cluster.CpusPerTrial = 1.0,
    gpus_per_trial: cluster.GpusPerTrial = None,
    shared_home: cluster.SharedHome = False,
    accept: options.Accept = False,
    show_only: asked.ShowOnly = False,
    as_json: options.AsJson = False,
    server: options.Server = None,
    home: options.Home = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Run a search's best trials again on fresh seeds. The winner is scored on the test split, which is used once."""
    if server:
        from study.cli import remote

        remote.ask(context, server, "confirm", name, as_json=as_json)
        return
    terminal = context.ensure_object(Terminal)
    placed = cluster.placed(context, executor, address, cpus_per_trial, gpus_per_trial, shared_home=shared_home)
    with starting(terminal, executor, workers, device, trains=not show_only):
        from study import settings
        from study.cli import preamble
        from study.options import Options

        places = settings.resolve(home, storage, tracking_uri)
        how = Options(workers=workers, device=device, accept=accept, timeout=timeout, hang=hang, **placed)
        wanted = preamble.read(places, name, data=data, rename=new_name, show_only=show_only)

        from study.questions import confirmation  # by then, most mistakes have been said
        from study.terminal.watch import print_answer

    if show_only:
        typed = _typed(context, top=top, seeds=seeds, resplit=resplit)
        print_answer(confirmation.shown(wanted, places, **typed), as_json=as_json)
        return
    study = preamble.searched(terminal, places, wanted, how, fallback=not no_fallback and data is None)
    question = confirmation.ask(study, places, top, seeds, resplit=resplit)
    _answer(
        lambda stop: confirmation.run(study, places, how, question, stop),
        lambda: confirmation.of(study, places, question), terminal, places, as_json=as_json,
    )  # fmt: skip


def ablate(
    context: typer.Context,
    name: options.StudyFile,
    seeds: asked.AblatedSeeds = 10,
    smallest: asked.Smallest = 0.005,
    data: options.Data = None,
    no_fallback: options.NoFallback = False,
    new_name: options.NewName = None,
    workers: options.Workers = None,
    timeout: options.Timeout = None,
    hang: options.Hang = 10.0,
    device: options.Device = "auto",
    executor: options.Executor = "local",
    address: cluster.Address = "",
    cpus_per_trial: cluster.CpusPerTrial = 1.0,
    gpus_per_trial: cluster.GpusPerTrial = None,
    shared_home: cluster.SharedHome = False,
    accept: options.Accept = False,
    show_only: asked.ShowOnly = False,
    as_json: options.AsJson = False,
    server: options.Server = None,
    home: options.Home = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Reset the confirmed winner's knobs one at a time. Says what each contributes, judged on validation data."""
    if server:
        from study.cli import remote

        remote.ask(context, server, "ablate", name, as_json=as_json)
        return
    terminal = context.ensure_object(Terminal)
    placed = cluster.placed(context, executor, address, cpus_per_trial, gpus_per_trial, shared_home=shared_home)
    with starting(terminal, executor, workers, device, trains=not show_only):
        from study import settings
        from study.cli import preamble
        from study.options import Options

        places = settings.resolve(home, storage, tracking_uri)
        how = Options(workers=workers, device=device, accept=accept, timeout=timeout, hang=hang, **placed)
        wanted = preamble.read(places, name, data=data, rename=new_name, show_only=show_only)

        from study.questions import ablation  # as in `confirm`
        from study.running.preflight import fitting
        from study.terminal.watch import print_answer

    if show_only:
        typed = _typed(context, seeds=seeds, smallest=smallest)
        print_answer(ablation.shown(wanted, places, **typed), as_json=as_json)
        return
    study = preamble.searched(terminal, places, wanted, how, fallback=not no_fallback and data is None)
    with how.calling() as call:
        question = ablation.ask(study, places, seeds, smallest, fitting(device, call))
    _answer(
        lambda stop: ablation.run(study, places, how, question, stop),
        lambda: ablation.of(study, places, question), terminal, places, as_json=as_json,
    )  # fmt: skip


def _typed(context: typer.Context, **given: Any) -> dict[str, Any]:
    """Keep the options that were typed: without any, `--show` is about the last question."""
    return {name: value for name, value in given.items() if options.typed(context, name)}


def _answer(
    begin: Callable[[Stop], Generator[Progress, None, Answer]],
    read: Callable[[], Answer],
    terminal: Terminal,
    places: Settings,
    *,
    as_json: bool,
    as_csv: bool = False,
) -> None:
    """Run a question and print its result; if it is interrupted, the result so far."""
    from study.running.board import Board
    from study.terminal.watch import follow, print_answer

    board = Board()
    try:
        found = follow(begin, places.home, board, terminal, as_json=as_json)
    except (Interrupted, KeyboardInterrupt):
        if board.target and not as_json:
            log.info("so far:\n%s", read().text(width()))
        raise
    print_answer(found, as_json=as_json, as_csv=as_csv)
