"""`study data`: the data sets that are here, whether they are whole, and importing your own."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from study import api
from study.cli import completion, options
from study.cli.consent import require_consent
from study.cli.help import App
from study.formatting import size
from study.terminal.console import Terminal, show

if TYPE_CHECKING:
    from study.data.sets import RemovedData

NewName = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="The name that recipes use. A known name such as cifar10 is replaced by the import."
    ),
]
DataPath = Annotated[
    Path,
    typer.Argument(metavar="PATH", help="A folder, an archive, a file, torchvision:NAME, or scikit-learn:NAME."),
]
DataName = Annotated[
    str, typer.Argument(metavar="NAME", autocompletion=completion.data_sets, help="A data set that is here.")
]
DataNames = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME", show_default="all", autocompletion=completion.data_sets, help="Data sets that are here."
    ),
]
Label = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="Predict this column of a table; or several of 0 and 1: a,b,c."),
]
TestFile = Annotated[
    Path | None,
    typer.Option("--test", metavar="FILE", help="Read the test rows of a table from this file."),
]
TestFraction = Annotated[
    float | None,
    typer.Option(
        "--test-fraction",
        "--test-share",
        metavar="F",
        show_default="0.2",
        help="Hold out this share, stratified, if there is no test split.",
    ),
]
ImageSize = Annotated[
    int | None,
    typer.Option(
        "--size",
        min=1,
        max=4096,
        metavar="N",
        help="Crop images to squares and scale them to NxN pixels.",
    ),
]
DropColumns = Annotated[
    list[str] | None,
    typer.Option("--drop", metavar="COLUMN", help="Leave out this column of a table. It can be repeated."),
]
MaxCategories = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        show_default="all",
        help="Keep this many categories of each text column, the most frequent ones.",
    ),
]
Category = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN",
        help="Treat the numbers in this column as categories, those of the label as classes. It can be repeated.",
    ),
]
Missing = Annotated[
    list[str] | None,
    typer.Option(metavar="TEXT", help="Treat this text as a missing value. It can be repeated."),
]
Separator = Annotated[
    str | None,
    typer.Option(metavar="CHAR", show_default="found", help="Separator of a text file."),
]
DecimalSign = Annotated[
    str | None,
    typer.Option(
        "--decimal",
        metavar="CHAR",
        show_default="found",
        help="Read this as the decimal sign: a point or a comma.",
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(metavar="NAME", show_default="found", help="Encoding of a text file."),
]
Header = Annotated[
    bool | None,
    typer.Option(
        "--header/--no-header",
        show_default="found",
        help="Whether the first line of a text file has the names of the columns.",
    ),
]
Task = Annotated[
    str | None,
    typer.Option(
        metavar="TASK",
        show_default="found",
        help="Task of the label: classification; regression, of numbers; or multilabel, of several labels in a field, "
        "such as cat|dog.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace a data set of this name.")]

app = App(no_args_is_help=True, help="Import, list, verify and remove data sets.")
log = logging.getLogger("study")


@app.command("import")
def import_(
    context: typer.Context,
    name: NewName,
    path: DataPath,
    label: Label = None,
    test: TestFile = None,
    test_fraction: TestFraction = None,
    image_size: ImageSize = None,
    drop: DropColumns = None,
    max_categories: MaxCategories = None,
    category: Category = None,
    missing: Missing = None,
    separator: Separator = None,
    decimal: DecimalSign = None,
    encoding: Encoding = None,
    header: Header = None,
    task: Task = None,
    force: Force = False,
) -> None:
    """Import images, a table, arrays or tokens.

    Images are a folder, .tar, .tar.gz, .tar.xz or .zip of train/CLASS/* and test/CLASS/*, or a COCO .json. A table, or
    a list of images, is a text file such as .csv, or a .parquet, with --label. Arrays and tokens are an .npz file. A
    Hugging Face data set is its folder. Under a known name, such as cifar10, the import is used for it from then on.
    """
    from study.terminal.starting import reporting

    with reporting(context.ensure_object(Terminal)) as progress:

        def watch(text: str, share: float | None) -> None:
            log.warning(text) if share is None else progress(text, share)

        made = api.import_data(
            name, path, label=label, test=test, test_fraction=test_fraction, image_size=image_size, drop=drop or (),
            max_categories=max_categories, category=category or (), missing=missing or (), separator=separator,
            decimal=decimal, encoding=encoding, header=header, task=task, force=force, watch=watch,
        )  # fmt: skip
    print(made.text())


@app.command("list")
def list_(as_json: options.AsJson = False, form: options.ShowFormat = "table") -> None:
    """List local and built-in data sets. Built-in ones are fetched on first use."""
    found = api.list_data()
    if form == "csv" and not as_json:
        print(found.to_csv(), end="")
        return
    show(found, as_json=as_json or form == "json")
    if not as_json and form == "table":
        log.info("Kept in %s", found.folder)


@app.command()
def verify(names: DataNames = None) -> None:
    """Read data sets from start to end and compare them with their SHA-256."""
    from study.text.data import verified
    from study.text.table import text_of

    api.verify_data(names or (), watch=lambda each: print(text_of(verified(each)), flush=True)).require_whole()


@app.command()
def remove(name: DataName, yes: options.Yes = False) -> None:
    """Delete a data set's file. The original files stay."""

    def ask(found: RemovedData) -> None:
        require_consent(f"Delete {found.path} ({size(found.size)})?", f"study data remove {name}", yes=yes)

    log.info("Deleted %s", api.remove_data(name, ask=ask).path)
