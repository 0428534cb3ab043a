"""`study list`, `new`, `check`, `report`, `sync`, `remove`, `doctor` and `ui`: studies as a whole, and this machine."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from study import api, settings
from study.cli import options
from study.cli.terminal import require_consent, show
from study.formatting import size

if TYPE_CHECKING:
    from study.running.removal import Removal

log = logging.getLogger("study")

NewName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the study, a Python identifier.")]
ReportPlace = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", envvar="STUDY_OUTPUT", metavar="PLACE", show_default="the study's artifacts",
        help="A file that ends in .html or .md, or a folder for both.",
    ),
]  # fmt: skip


def list_(as_json: options.AsJson = False, home: options.Home = None) -> None:
    """List the studies that can be run or have results here."""
    show(api.list_studies(home=home), as_json=as_json)


def new(name: NewName) -> None:
    """Write studies/NAME.py: a commented study that runs as it is."""
    print(api.new(name))
    log.info("try it: study check %s, then study run %s --trials 20", name, name)


def check(name: options.StudyFile, as_json: options.AsJson = False) -> None:
    """Prove without training that a study can be searched."""
    show(api.check(name), as_json=as_json)


def report(
    name: options.StudyName,
    output: ReportPlace = None,
    as_json: options.AsJson = False,
    home: options.Home = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Write a study's report: one HTML page that needs no network, and the same as Markdown."""
    written = api.write_report(name, output, home=home, tracking_uri=tracking_uri)
    if as_json:
        print(written.to_json())
        return
    print(written.text())
    if written.html and written.markdown:
        log.info("%s; the same as Markdown: %s", size(written.bytes), written.markdown)


def sync(
    names: options.StudyNames = None,
    dry_run: options.ListOnly = False,
    as_json: options.AsJson = False,
    home: options.Home = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Make Optuna and MLflow equal to the trial folders."""
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
    """Delete a study's results: folders, trials in Optuna, runs in MLflow. Its file and registered models stay."""

    def ask(found: Removal) -> None:
        from study.text.studies import studies_of

        question = f"Delete the results of {studies_of(found.record())}, {size(found.size)}?"
        require_consent(question, f"study remove {name}", yes=yes)

    api.remove(name, ask=ask, home=home, storage=storage, tracking_uri=tracking_uri)
    place = settings.resolve(home, storage, tracking_uri).tracking_uri
    log.info("Deleted. MLflow can restore its runs until `mlflow gc --backend-store-uri %s`.", place)


def doctor(
    as_json: options.AsJson = False,
    home: options.Home = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Check devices, places, databases and data, and name cures."""
    from study.text.machine import finding

    watch = None if as_json else lambda found: print(finding(found), flush=True)
    found = api.doctor(watch=watch, home=home, storage=storage, tracking_uri=tracking_uri)
    if as_json:
        show(found, as_json=True)
    if not found.ok:
        raise typer.Exit(1)


def ui(
    optuna_port: options.OptunaPort = None,
    mlflow_port: options.MlflowPort = None,
    home: options.Home = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Start Optuna dashboard and MLflow here; Ctrl-C stops both."""
    from study.service.ui import serve

    log.info("starting both, which takes some seconds")
    serve(settings.resolve(home, storage, tracking_uri), _say, optuna_port, mlflow_port)


def _say(dashboard: str, mlflow: str) -> None:
    print(f"Optuna dashboard  {dashboard}\nMLflow            {mlflow}\nCtrl-C stops both.", flush=True)
