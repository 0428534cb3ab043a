"""`study data`: the data sets that are here, whether they are whole, and importing your own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import typer

from study import api
from study.cli import options
from study.cli.terminal import Terminal, require_consent, show
from study.formatting import size

if TYPE_CHECKING:
    from study.data.sets import RemovedData

app = typer.Typer(no_args_is_help=True, help="Data sets: those that are here, and bringing in your own.")
log = logging.getLogger("study")


@app.command("import")
def import_(
    context: typer.Context,
    name: options.NewDataName,
    path: options.DataPath,
    label: options.Label = None,
    test: options.TestFile = None,
    test_fraction: options.TestFraction = None,
    image_size: options.ImageSize = None,
    drop: options.DropColumns = None,
    force: options.Force = False,
) -> None:
    """Bring in images (a folder, .tar, .tar.gz, .tar.xz or .zip of train/CLASS/* and test/CLASS/*) or a table.

    A table is a .csv with a header, or a .parquet, with --label. Under a known name, such as cifar10, the import is
    used for it from then on.
    """
    from study.cli.starting import reporting

    with reporting(context.ensure_object(Terminal)) as progress:

        def watch(text: str, share: float | None) -> None:
            log.warning(text) if share is None else progress(text, share)

        made = api.import_data(
            name, path, label=label, test=test, test_fraction=test_fraction, image_size=image_size, drop=drop or (),
            force=force, watch=watch,
        )  # fmt: skip
    print(made.text())


@app.command("list")
def list_(as_json: options.AsJson = False, form: options.ShowFormat = "table") -> None:
    """List the data sets that are here, and the known ones that would be fetched when first used."""
    found = api.list_data()
    if form == "csv" and not as_json:
        print(found.to_csv(), end="")
        return
    show(found, as_json=as_json or form == "json")
    if not as_json and form == "table":
        log.info("They lie in %s", found.folder)


@app.command()
def verify(names: options.DataNames = None) -> None:
    """Read data sets from start to end and compare them with their SHA-256."""
    from study.text.data import verified
    from study.text.table import text_of

    api.verify_data(names or (), watch=lambda each: print(text_of(verified(each)), flush=True)).require_whole()


@app.command()
def remove(name: options.DataName, yes: options.Yes = False) -> None:
    """Delete a data set's file here; what it was made from stays."""

    def ask(found: RemovedData) -> None:
        require_consent(f"Delete {found.path} ({size(found.size)})?", f"study data remove {name}", yes=yes)

    log.info("Deleted %s", api.remove_data(name, ask=ask).path)
