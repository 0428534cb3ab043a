"""`study list`, `new`, `check`, `report`, `sync`, `remove`, `doctor` and `ui`: studies as a whole, and this machine."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from study import api, settings
from study.cli import asked, completion, options
from study.cli.consent import require_consent
from study.errors import InputError
from study.formatting import size
from study.terminal.console import show

if TYPE_CHECKING:
    from study.running.removal import Removal

log = logging.getLogger("study")

NewName = Annotated[str, typer.Argument(metavar="NAME", help="The name of the study, a Python identifier.")]
Repair = Annotated[
    bool,
    typer.Option(
        "--repair",
        help="Restore damaged results from Optuna and MLflow, after a copy of each file into `backups`.",
    ),
]
RunAgain = Annotated[
    bool,
    typer.Option("--run-again", help="With --repair: let the next search train damaged trials again."),
]
ReportPlace = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="PLACE", show_default="the study's artifacts",
        rich_help_panel=options.OUTPUT, help="Write to this file, which ends in .html or .md, or both to this folder.",
    ),
]  # fmt: skip

OptunaPort = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=65535,
        metavar="PORT",
        show_default="a free one",
        rich_help_panel=options.WHERE,
        help="Serve Optuna dashboard on this port.",
    ),
]
MlflowPort = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=65535,
        metavar="PORT",
        show_default="a free one",
        rich_help_panel=options.WHERE,
        help="Serve MLflow on this port.",
    ),
]
StudyNames = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME", show_default="all", autocompletion=completion.recorded, help="Studies that have results."
    ),
]
ListOnly = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        rich_help_panel=options.OUTPUT,
        help="Only say what MLflow lacks, without asking or sending anything.",
    ),
]


def list_(as_json: options.AsJson = False, home: options.Home = None) -> None:
    """List the studies that can be run or have results."""
    show(api.list_studies(home=home), as_json=as_json)


def new(name: NewName) -> None:
    """Write a commented study, studies/NAME.py, that runs as it is."""
    print(api.new(name))
    log.info("try it: study check %s, then study run %s --trials 20", name, name)


def check(name: options.StudyFile, as_json: options.AsJson = False) -> None:
    """Check without training that a study can be searched."""
    show(api.check(name), as_json=as_json)


def plan(
    name: options.StudyFile,
    difference: asked.Difference = 0.005,
    sd: asked.Sd = None,
    workers: options.Workers = None,
    as_json: options.AsJson = False,
    home: options.Home = None,
) -> None:
    """Say how many seeds a comparison needs, and how long they take. Runs nothing."""
    show(api.plan(name, difference, sd=sd, workers=workers, home=home), as_json=as_json)


def report(
    context: typer.Context,
    name: options.StudyName,
    output: ReportPlace = None,
    as_json: options.AsJson = False,
    server: options.Server = None,
    home: options.Home = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Write a study's report as one HTML page and as Markdown. The page needs no network."""
    if server:
        from study.cli import remote

        remote.refuse(context, "home", "tracking_uri")
        found = remote.report(server, name, output)
        print(found.to_json() if as_json else found.html)
        return
    written = api.write_report(name, output, home=home, tracking_uri=tracking_uri)
    if as_json:
        print(written.to_json())
        return
    print(written.text())
    if written.html and written.markdown:
        log.info("%s; the same as Markdown: %s", size(written.bytes), written.markdown)


def sync(
    names: StudyNames = None,
    dry_run: ListOnly = False,
    as_json: options.AsJson = False,
    home: options.Home = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Update Optuna and MLflow from the trial folders."""
    done = api.sync(names or (), dry_run=dry_run, home=home, storage=storage, tracking_uri=tracking_uri)
    show(done, as_json=as_json)
    if not done.ok:
        raise typer.Exit(1)


def remove(
    name: options.StudyName,
    yes: options.Yes = False,
    home: options.Home = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Delete a study's results: folders, Optuna trials, MLflow runs. The study file and registered models are kept."""

    def ask(found: Removal) -> None:
        from study.text.studies import studies_of

        question = f"Delete the results of {studies_of(found.record())}, {size(found.size)}?"
        require_consent(question, f"study remove {name}", yes=yes)

    api.remove(name, ask=ask, home=home, storage=storage, tracking_uri=tracking_uri)
    place = settings.resolve(home, storage, tracking_uri).tracking_uri
    log.info("Deleted. MLflow can restore its runs until `mlflow gc --backend-store-uri %s`.", place)


def doctor(
    repair: Repair = False,
    run_again: RunAgain = False,
    as_json: options.AsJson = False,
    home: options.Home = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Check devices, places, databases, data and results, and suggest fixes."""
    if run_again and not repair:
        raise InputError("--run-again requires --repair", fix="Give both.")
    from study.text.machine import finding

    watch = None if as_json else lambda found: print(finding(found), flush=True)
    found = api.doctor(
        watch=watch, repair=repair, run_again=run_again, home=home, storage=storage, tracking_uri=tracking_uri
    )
    if as_json:
        show(found, as_json=True)
    if not found.ok:
        raise typer.Exit(1)


def ui(
    optuna_port: OptunaPort = None,
    mlflow_port: MlflowPort = None,
    home: options.Home = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Start Optuna dashboard and MLflow on this machine. Ctrl-C stops both."""
    from study.service.ui import serve

    log.info("Starting Optuna dashboard and MLflow, which takes some seconds. Ctrl-C stops both.")
    serve(settings.resolve(home, storage, tracking_uri), _say, log.warning, optuna_port, mlflow_port)


def _say(name: str, address: str) -> None:
    print(f"{name:16}  {address}", flush=True)
