"""`study export`, which gives trials to other programs, and `study backup` and `study restore` of the home folder."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from study import api
from study.cli import options
from study.errors import InputError
from study.formatting import plural, size

log = logging.getLogger("study")


def export(
    name: options.StudyName,
    form: options.ExportFormat = None,
    output: options.Output = None,
    per_epoch: options.PerEpoch = False,
    home: options.Home = None,
) -> None:
    """Export the trials as CSV, JSON or Parquet. A row has every knob and the last epoch's metrics."""
    from study.record.export import format_of

    form = form or (format_of(output) if output else "csv")
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise InputError(
            "Parquet is binary and cannot be printed", where="--format", fix="Give a file with -o, or pipe it."
        )
    found = api.export(name, per_epoch=per_epoch, home=home)
    if output is None:
        sys.stdout.buffer.write(found.encode(form))
        sys.stdout.buffer.flush()
        return
    found.write(output, form)
    log.info("%s in %s", plural(len(found.rows), "row"), output)


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The archive to write, such as monday.tar.gz.")],
    home: options.Home = None,
) -> None:
    """Write one archive of all results and databases in the home folder. Searches may go on."""
    from study import settings
    from study.service import backup as archive

    done = archive.backup(settings.resolve(home).home, file)
    print(file)
    log.info("%s, %s", plural(done.files, "file"), size(done.bytes))


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An archive that `study backup` wrote.")],
    home: options.Home = None,
) -> None:
    """Restore an archive into a home folder that is not there yet, and compare every file."""
    from study import settings
    from study.service import backup as archive

    place = settings.resolve(home).home
    done = archive.restore(file, place)
    print(place)
    log.info("%s, %s, each compared with its SHA-256", plural(done.files, "file"), size(done.bytes))
