"""`study register`, `promote`, `rollback`, `models` and `predict`: registered models and the champion."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from study import api
from study.cli import completion, options
from study.terminal.console import show

log = logging.getLogger("study")

Model = Annotated[
    str,
    typer.Argument(
        metavar="NAME", autocompletion=completion.recorded, help="A registered model. It has the name of its study."
    ),
]
Trial = Annotated[
    int | None,
    typer.Option(
        min=0, metavar="N", show_default="the confirmed winner",
        rich_help_panel=options.WHAT, help="Register this trial of the search instead, marked as unconfirmed.",
    ),
]  # fmt: skip
ModelName = Annotated[
    str | None,
    typer.Option(
        "--name",
        envvar="STUDY_MODEL",
        metavar="MODEL",
        show_default="the study's",
        rich_help_panel=options.WHAT,
        help="Give the model this name.",
    ),
]
Force = Annotated[bool, typer.Option("--force", rich_help_panel=options.WHAT, help="Promote without the test.")]
Reason = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        rich_help_panel=options.WHAT,
        help="Say why it is forced. The reason is kept with the model.",
    ),
]
Margin = Annotated[
    float | None,
    typer.Option(
        metavar="X", show_default="0.005", rich_help_panel=options.WHAT,
        help="Largest loss to accept: of accuracy, 0.005 is half a point; of numbers, in their unit, by default a "
        "hundredth of their standard deviation.",
    ),
]  # fmt: skip
Inputs = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE|FOLDER...", help="Images, a folder of them, one table (.csv, .parquet), or arrays (.npy)."
    ),
]
VersionNumber = Annotated[
    int | None,
    typer.Option(
        "--version", envvar="STUDY_MODEL_VERSION", min=1, metavar="N", show_default="the champion",
        rich_help_panel=options.WHAT, help="Use this version of the model.",
    ),
]  # fmt: skip
Resize = Annotated[
    bool,
    typer.Option("--resize", rich_help_panel=options.WHAT, help="Crop and scale images of another size."),
]
AsCsv = Annotated[bool, typer.Option("--csv", rich_help_panel=options.OUTPUT, help="Print CSV.")]


def register(
    context: typer.Context,
    name: options.StudyName,
    trial: Trial = None,
    model: ModelName = None,
    as_json: options.AsJson = False,
    server: options.Server = None,
    home: options.Home = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Register the confirmed winner, or a trial, in MLflow's model registry."""
    if server:
        from study.cli import remote, remote_models

        remote.refuse(context, "home", "tracking_uri")
        version = remote_models.register(server, name, trial, model, as_json=as_json)
        named, aliases = version.model, version.aliases
    else:
        found = api.register(name, trial=trial, model=model, home=home, tracking_uri=tracking_uri)
        show(found, as_json=as_json)
        named, aliases = found.version.model, found.version.aliases
    if "champion" not in aliases:
        log.info("Make it the champion, which `study predict %s` uses: study promote %s", named, named)


def promote(
    context: typer.Context,
    name: Model,
    number: Annotated[
        int | None, typer.Argument(metavar="VERSION", min=1, show_default="the newest", help="The version to promote.")
    ] = None,
    force: Force = False,
    reason: Reason = None,
    margin: Margin = None,
    as_json: options.AsJson = False,
    server: options.Server = None,
    home: options.Home = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Promote a version that is shown to be no worse on the same test examples. Exits with 3 if there are too few."""
    if server:
        from study.cli import remote, remote_models

        remote.refuse(context, "home", "tracking_uri")
        wanted = {"version": number, "force": force, "reason": reason, "margin": margin}
        remote_models.promote(server, name, wanted, as_json=as_json)
        return
    found = api.promote(
        name, number, force=force, reason=reason, margin=margin, home=home, tracking_uri=tracking_uri
    )  # fmt: skip
    show(found, as_json=as_json)


def rollback(
    context: typer.Context,
    name: Model,
    as_json: options.AsJson = False,
    server: options.Server = None,
    home: options.Home = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Restore the previous champion. Repeated, it goes further back."""
    if server:
        from study.cli import remote, remote_models

        remote.refuse(context, "home", "tracking_uri")
        remote_models.rollback(server, name, as_json=as_json)
        return
    show(api.rollback(name, home=home, tracking_uri=tracking_uri), as_json=as_json)


def models(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", show_default=False, help="A registered model. Without one, all are listed."),
    ] = None,
    as_json: options.AsJson = False,
    server: options.Server = None,
    home: options.Home = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """List the versions of registered models with their scores."""
    if server:
        from study.cli import remote, remote_models

        remote.refuse(context, "home", "tracking_uri")
        remote_models.models(server, name, as_json=as_json)
        return
    found = api.models(name, home=home, tracking_uri=tracking_uri)
    if found or as_json:
        show(found, as_json=as_json)
    else:
        from study.text.models import NO_MODELS

        log.info(NO_MODELS)


def predict(
    name: Model,
    inputs: Inputs,
    version: VersionNumber = None,
    resize: Resize = False,
    as_json: options.AsJson = False,
    as_csv: AsCsv = False,
    home: options.Home = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Predict labels and probabilities with the champion."""
    options.require_one_form(as_json=as_json, as_csv=as_csv)
    found = api.predict(name, inputs, version=version, resize=resize, home=home, tracking_uri=tracking_uri)
    if as_csv:
        print(found.to_csv(), end="")
    else:
        log.info("%s version %d", found.version.model, found.version.number)
        show(found, as_json=as_json)
