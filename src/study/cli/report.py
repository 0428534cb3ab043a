"""`study report`: all that is known of a study on one page, and where the page lies."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from study import settings
from study.cli import options
from study.cli.show import journal_of
from study.errors import StudyError
from study.formatting import size, to_json
from study.record.family import Family, names_of, studies

if TYPE_CHECKING:
    from study.settings import Settings

log = logging.getLogger("study")

ReportName = Annotated[str, typer.Argument(metavar="NAME", help="A study that has results here.")]
Place = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", envvar="STUDY_OUTPUT", metavar="PLACE", show_default="the study's artifacts",
        help="A file that ends in .html or .md, or a folder for both.",
    ),
]  # fmt: skip


def report(
    name: ReportName,
    output: Place = None,
    as_json: options.AsJson = False,
    home: options.Home = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Write a study's report: one HTML page that needs no network, and the same as Markdown."""
    places = settings.resolve(home, None, tracking_uri)
    study = _study(name, places)
    from study.report import page

    written = page.write(study, places, output)
    main = written.html or written.markdown
    assert main is not None
    if as_json:
        paths = {"html": written.html, "markdown": written.markdown}
        print(to_json({
            "type": "report", "study": study, **{kind: str(path) if path else None for kind, path in paths.items()},
            "pictures": [str(path) for path in written.pictures], "bytes": main.stat().st_size,
        }))  # fmt: skip
    else:
        print(main)
    if written.html and written.markdown:
        log.info("%s; the same as Markdown: %s", size(written.html.stat().st_size), written.markdown)
    if output is None:
        _log_to_mlflow(places, main.parent.parent.name)


def _study(name: str, places: Settings) -> str:
    """Name the study that is to be reported on.

    Raises:
        InputError: nothing is known of it; says the nearest.

    """
    if names_of(name, studies(places.home)):
        return Family.of(name, places.home).name
    return journal_of(name, places.home).folder.name


def _log_to_mlflow(places: Settings, study: str) -> None:
    """Let the study's run have the report; it is written, whatever MLflow says."""
    from study import tracking

    try:
        troubles = [each.error for each in tracking.sync_studies(places, [study]) if each.error]
    except StudyError as error:
        troubles = [str(error)]
    for trouble in troubles:
        log.warning("MLflow does not have the report yet: %s; `study sync %s` sends it", trouble, study)
