"""`study register`, `promote`, `rollback`, `models` and `predict`: registered models and the champion."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from study import api
from study.cli import options
from study.cli.terminal import show
from study.errors import InputError

log = logging.getLogger("study")

Model = Annotated[str, typer.Argument(metavar="NAME", help="A registered model; it has its study's name.")]
Trial = Annotated[
    int | None,
    typer.Option(
        envvar="STUDY_TRIAL", min=0, metavar="N", show_default="the confirmed winner",
        help="A trial of the search instead, marked unconfirmed.",
    ),
]  # fmt: skip
ModelName = Annotated[
    str | None,
    typer.Option("--name", envvar="STUDY_MODEL", metavar="MODEL", show_default="the study's", help="Of the model."),
]
Force = Annotated[bool, typer.Option("--force", envvar="STUDY_FORCE", help="Promote without the test.")]
Reason = Annotated[
    str | None, typer.Option(envvar="STUDY_REASON", metavar="TEXT", help="Why it is forced; kept with the model.")
]
Inputs = Annotated[
    list[Path],
    typer.Argument(metavar="FILE|FOLDER...", help="Images, a folder of them, or one table (.csv, .parquet)."),
]
VersionNumber = Annotated[
    int | None,
    typer.Option(
        "--version", envvar="STUDY_MODEL_VERSION", min=1, metavar="N", show_default="the champion",
        help="Another version of the model.",
    ),
]  # fmt: skip
Resize = Annotated[bool, typer.Option("--resize", envvar="STUDY_RESIZE", help="Cut and scale images of another size.")]
AsCsv = Annotated[bool, typer.Option("--csv", envvar="STUDY_CSV", help="Print CSV.")]


def register(
    name: options.StudyName,
    trial: Trial = None,
    model: ModelName = None,
    as_json: options.AsJson = False,
    home: options.Home = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Register the confirmed winner, or a trial, as a model in MLflow's registry."""
    found = api.register(name, trial=trial, model=model, home=home, tracking_uri=tracking_uri)
    show(found, as_json=as_json)
    if "champion" not in found.version.aliases:
        named = found.version.model
        log.info("Make it the champion, which `study predict %s` uses: study promote %s", named, named)


def promote(
    name: Model,
    number: Annotated[
        int | None, typer.Argument(metavar="VERSION", min=1, show_default="the newest", help="Of the model.")
    ] = None,
    force: Force = False,
    reason: Reason = None,
    as_json: options.AsJson = False,
    home: options.Home = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Make a version the champion, unless it is surely worse than the present one on the same test examples."""
    show(api.promote(name, number, force=force, reason=reason, home=home, tracking_uri=tracking_uri), as_json=as_json)


def rollback(
    name: Model,
    as_json: options.AsJson = False,
    home: options.Home = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Make the champion before the present one champion again; repeated, it goes further back."""
    show(api.rollback(name, home=home, tracking_uri=tracking_uri), as_json=as_json)


def models(
    name: Annotated[str | None, typer.Argument(metavar="NAME", show_default="all", help="A registered model.")] = None,
    as_json: options.AsJson = False,
    home: options.Home = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """List the versions of registered models: aliases, scores, ages."""
    found = api.models(name, home=home, tracking_uri=tracking_uri)
    if found or as_json:
        show(found, as_json=as_json)
    else:
        from study.text.models import NO_MODELS

        log.info(NO_MODELS)


def predict(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A registered model; it has its study's name.")],
    inputs: Inputs,
    version: VersionNumber = None,
    resize: Resize = False,
    as_json: options.AsJson = False,
    as_csv: AsCsv = False,
    home: options.Home = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Predict labels and probabilities with the champion."""
    if as_json and as_csv:
        raise InputError("--json and --csv exclude each other", where="study predict", fix="Give one.")
    found = api.predict(name, inputs, version=version, resize=resize, home=home, tracking_uri=tracking_uri)
    if as_csv:
        print(found.to_csv(), end="")
    else:
        log.info("%s version %d", found.version.model, found.version.number)
        show(found, as_json=as_json)
