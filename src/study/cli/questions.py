"""`study compare`, `study confirm` and `study ablate`: parse, run the question, print what it found."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from study.cli import completion, options, preamble, side_by_side
from study.cli.terminal import Terminal, width
from study.cli.watch import follow, print_answer
from study.errors import InputError, Interrupted
from study.running.board import Board

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from threading import Event

    from study.definition import Study
    from study.progress import Progress
    from study.questions.comparison import ComparisonQuestion
    from study.settings import Settings
    from study.text.shown import Shown

log = logging.getLogger("study")

Variants = Annotated[
    str | None,
    typer.Option(
        envvar="STUDY_VARIANTS",
        metavar="A,B",
        show_default="all",
        rich_help_panel=options.WHAT,
        help="Compare these variants.",
    ),
]
Against = Annotated[
    str | None,
    typer.Option(
        envvar="STUDY_AGAINST",
        metavar="VARIANT",
        show_default="baseline, else the first",
        rich_help_panel=options.WHAT,
        help="Compare with this variant.",
    ),
]
ComparedSeeds = Annotated[
    int | None,
    typer.Option(
        "--seeds", envvar="STUDY_SEEDS", min=2, metavar="N", show_default="10; at most 30 with --until-sure",
        rich_help_panel=options.LONG, help="Train every variant on this many seeds, the same for all.",
    ),
]  # fmt: skip
RacedSeeds = Annotated[
    int,
    typer.Option(
        "--seeds", envvar="STUDY_SEEDS", min=2, metavar="N",
        rich_help_panel=options.LONG, help="Use this many fresh seeds for the race, and as many others for the scores.",
    ),
]  # fmt: skip
AblatedSeeds = Annotated[
    int,
    typer.Option(
        "--seeds",
        envvar="STUDY_SEEDS",
        min=2,
        metavar="N",
        rich_help_panel=options.LONG,
        help="Train every recipe on this many fresh seeds, the same for all.",
    ),
]
Top = Annotated[
    int,
    typer.Option(
        envvar="STUDY_TOP",
        min=1,
        metavar="K",
        rich_help_panel=options.WHAT,
        help="Run this many of the best trials again.",
    ),
]
UntilSure = Annotated[
    bool,
    typer.Option(
        "--until-sure",
        envvar="STUDY_UNTIL_SURE",
        rich_help_panel=options.LONG,
        help="Add seeds only until each verdict is settled.",
    ),
]
Smallest = Annotated[
    float,
    typer.Option(
        envvar="STUDY_SMALLEST",
        min=0,
        metavar="X",
        rich_help_panel=options.WHAT,
        help="Name the smallest difference of interest. For accuracies, 0.005 is half a point.",
    ),
]
AsPublished = Annotated[
    bool,
    typer.Option(
        "--as-published",
        envvar="STUDY_AS_PUBLISHED",
        rich_help_panel=options.WHAT,
        help="Also compare the published protocols to the letter.",
    ),
]
ShowTable = Annotated[
    bool,
    typer.Option(
        "--show",
        envvar="STUDY_SHOW",
        rich_help_panel=options.OUTPUT,
        help="Show the table as it stands, and train nothing.",
    ),
]
ShowOnly = Annotated[
    bool,
    typer.Option(
        "--show",
        envvar="STUDY_SHOW",
        rich_help_panel=options.OUTPUT,
        help="Show what was found so far, and train nothing.",
    ),
]
AsCsv = Annotated[
    bool, typer.Option("--csv", envvar="STUDY_CSV", rich_help_panel=options.OUTPUT, help="Print the table as CSV.")
]
ASKED = ("variants", "against", "seeds", "until_sure", "smallest", "as_published")


def compare(
    context: typer.Context,
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME|FILE...", autocompletion=completion.known, help="A study. Several are set side by side."
        ),
    ],
    variants: Variants = None,
    against: Against = None,
    seeds: ComparedSeeds = None,
    until_sure: UntilSure = False,
    smallest: Smallest = 0.005,
    as_published: AsPublished = False,
    epochs: options.Epochs = None,
    assignments: options.Assignments = None,
    data: options.Data = None,
    no_fallback: options.NoFallback = False,
    workers: options.Workers = None,
    timeout: options.Timeout = None,
    device: options.Device = "auto",
    executor: options.Executor = "local",
    accept: options.Accept = False,
    show_only: ShowTable = False,
    as_json: options.AsJson = False,
    as_csv: AsCsv = False,
    home: options.Home = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Compare a study's variants on equal seeds. Says which one really helps, judged on the test split."""
    if len(names) > 1:
        side_by_side.compare(context, names, as_json=as_json, as_csv=as_csv, home=home)
        return
    if as_json and as_csv:
        raise InputError("--json or --csv, not both")
    from study import request, settings
    from study.options import Options
    from study.questions import comparison

    terminal = context.ensure_object(Terminal)
    fixed = request.overrides([*(assignments or []), *([f"epochs={epochs}"] if epochs else [])])
    places = settings.resolve(home, storage, tracking_uri)
    chosen = [each.strip() for each in variants.split(",") if each.strip()] if variants else None

    def ask(study: Study) -> ComparisonQuestion:
        return comparison.ask(
            study, chosen, against, as_published=as_published, seeds=seeds, until_sure=until_sure, smallest=smallest
        )

    if show_only:
        if fixed:
            raise InputError("--set and --epochs change nothing beside --show", fix="Leave one of them out.")
        study = request.recorded_comparison(names[0], places.home, data=data)
        if any(options.typed(context, each) for each in ASKED):
            question = ask(study)
        else:
            study, question = comparison.last_asked(study, places)
        print_answer(comparison.of(study, places, question), as_json=as_json, as_csv=as_csv)
        return
    wanted = request.read(names[0], recipe=None, fixed=fixed, data=data, rename=None, home=places.home).study
    question = ask(wanted)
    study = preamble.settled(terminal, wanted, fallback=not no_fallback and data is None)
    how = Options(workers=workers, device=device, executor=executor, accept=accept, timeout=timeout)
    _answer(
        lambda stop: comparison.run(study, places, how, question, stop),
        lambda: comparison.of(study, places, question), terminal, places, as_json=as_json, as_csv=as_csv,
    )  # fmt: skip


def confirm(
    context: typer.Context,
    name: options.StudyFile,
    top: Top = 10,
    seeds: RacedSeeds = 5,
    data: options.Data = None,
    no_fallback: options.NoFallback = False,
    new_name: options.NewName = None,
    workers: options.Workers = None,
    timeout: options.Timeout = None,
    device: options.Device = "auto",
    executor: options.Executor = "local",
    accept: options.Accept = False,
    show_only: ShowOnly = False,
    as_json: options.AsJson = False,
    home: options.Home = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Run a search's best trials again on fresh seeds. The winner is scored on the test split, opened once."""
    from study import settings
    from study.options import Options
    from study.questions import confirmation

    terminal, places = context.ensure_object(Terminal), settings.resolve(home, storage, tracking_uri)
    study = preamble.searched(
        terminal, places, name, data=data, rename=new_name, fallback=not no_fallback, show_only=show_only
    )
    if show_only and (found := confirmation.read(study, places)):
        print_answer(found, as_json=as_json)
        return
    question = confirmation.ask(study, places, top, seeds)
    how = Options(workers=workers, device=device, executor=executor, accept=accept, timeout=timeout)
    _answer(
        None if show_only else lambda stop: confirmation.run(study, places, how, question, stop),
        lambda: confirmation.of(study, places, question), terminal, places, as_json=as_json,
    )  # fmt: skip


def ablate(
    context: typer.Context,
    name: options.StudyFile,
    seeds: AblatedSeeds = 10,
    smallest: Smallest = 0.005,
    data: options.Data = None,
    no_fallback: options.NoFallback = False,
    new_name: options.NewName = None,
    workers: options.Workers = None,
    timeout: options.Timeout = None,
    device: options.Device = "auto",
    executor: options.Executor = "local",
    accept: options.Accept = False,
    show_only: ShowOnly = False,
    as_json: options.AsJson = False,
    home: options.Home = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Reset the confirmed winner's knobs one at a time. Says what each contributes, judged on validation data."""
    from study import settings
    from study.options import Options
    from study.questions import ablation
    from study.running.preflight import fitting

    terminal, places = context.ensure_object(Terminal), settings.resolve(home, storage, tracking_uri)
    study = preamble.searched(
        terminal, places, name, data=data, rename=new_name, fallback=not no_fallback, show_only=show_only
    )
    if show_only and (found := ablation.read(study, places)):
        print_answer(found, as_json=as_json)
        return
    question = ablation.ask(study, places, seeds, smallest, None if show_only else fitting(device))
    how = Options(workers=workers, device=device, executor=executor, accept=accept, timeout=timeout)
    _answer(
        None if show_only else lambda stop: ablation.run(study, places, how, question, stop),
        lambda: ablation.of(study, places, question), terminal, places, as_json=as_json,
    )  # fmt: skip


def _answer(
    begin: Callable[[Event], Iterator[Progress]] | None,
    read: Callable[[], Shown],
    terminal: Terminal,
    places: Settings,
    *,
    as_json: bool,
    as_csv: bool = False,
) -> None:
    """Run a question, unless it is only to be shown, and print what it found; where it was stopped, how far it came."""
    if begin is not None:
        board = Board()
        try:
            follow(begin, places.home, board, terminal, as_json=as_json)
        except (Interrupted, KeyboardInterrupt):
            if board.target and not as_json:
                log.info("so far:\n%s", read().text(width()))
            raise
    print_answer(read(), as_json=as_json, as_csv=as_csv)
