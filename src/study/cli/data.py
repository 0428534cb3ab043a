"""`study data`: the data sets that are here, whether they are whole, and bringing in your own."""

from __future__ import annotations

import logging
import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import typer

from study.cli import options, preamble, records
from study.cli.terminal import Terminal, require_consent, width
from study.errors import DataError, InputError, StudyError
from study.formatting import moment, nearest, size, to_json
from study.text.table import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.data.packed import Pack

app = typer.Typer(no_args_is_help=True, help="Data sets: those that are here, and bringing in your own.")
log = logging.getLogger("study")
TO_COME = {"torchvision": "torchvision, when first used", "scikit-learn": "scikit-learn, when first used"}
HEADINGS = ("Name", "Kind", "Train", "Test", "Shape", "Classes", "Size", "SHA-256", "Imported", "Source")


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
    from study.data import packed
    from study.data.known import TABLES

    if not force and (there := packed.find(name)) is not None:
        raise DataError(f"{name} is here already: {_described(there)}, {there.source}", fix="Replace it by --force.")
    table_given = path.suffix.lower() in TABLES and not path.is_dir()
    unused = {"--size": image_size} if table_given else {"--label": label, "--test": test, "--drop": drop}
    for option, value in unused.items():
        if value:
            raise InputError(f"has no effect on {'a table' if table_given else 'images'}", where=option)
    with preamble.reporting(context.ensure_object(Terminal)) as show:

        def report(text: str, share: float | None) -> None:
            log.warning(text) if share is None else show(text, share)

        if not table_given:
            from study.data.images import import_images

            pack = import_images(name, path, report, size=image_size, test_fraction=test_fraction)
        else:
            if label is None:
                raise InputError("is needed for a table", where="--label", fix="Name the column to predict.")
            from study.data.tables import import_table

            pack = import_table(
                name, path, label, test=test, test_fraction=test_fraction, drop=drop or (), report=report
            )
    print(f"{name}: {_described(pack)}, sha256 {pack.sha256[:12]}, {size(pack.size)}")


def _described(pack: Pack) -> str:
    what = "images" if pack.kind == "image" else "rows"
    counts = f"{pack.train:,} {what} to train on and {pack.test:,} to test"
    return f"{counts}, {_shape(pack.shape)}, {len(pack.classes)} classes"


def _shape(shape: Sequence[int]) -> str:
    return f"{shape[0]} columns" if len(shape) == 1 else "x".join(map(str, shape))


@app.command("list")
def list_(as_json: options.AsJson = False, form: options.ShowFormat = "table") -> None:
    """List the data sets that are here, and the known ones that would be fetched when first used."""
    from study.data import packed
    from study.data.known import KNOWN

    here = packed.names()
    found = [_listed(name) for name in here] + [_to_come(name) for name in KNOWN if name not in here]
    if as_json or form == "json":
        print(to_json(found, indent=2))
    elif form == "csv":
        print(records.csv_of(found), end="")
    else:
        print(table(HEADINGS, [_row(each) for each in found], width=width()))
        log.info("They lie in %s", packed.place("x").parent)


def _listed(name: str) -> dict[str, Any]:
    """One pack as JSON values; a damaged one is listed with its damage."""
    from study.data import packed

    listed = {**_nothing(name), "here": True, "path": str(packed.place(name))}
    try:
        pack = packed.find(name)
    except StudyError as error:
        return {**listed, "source": error.what}
    if pack is None:
        return {**listed, "here": False}
    return {**listed, **packed.to_json(pack), "created": moment(pack.created)}


def _to_come(name: str) -> dict[str, Any]:
    from study.data.known import KNOWN

    known = KNOWN[name]
    return {**_nothing(name), "kind": known.kind, "source": f"not here yet: {TO_COME[known.origin]}"}


def _nothing(name: str) -> dict[str, Any]:
    from study.data.packed import Pack

    return {**dict.fromkeys(field.name for field in fields(Pack)), "name": name, "here": False}


def _row(listed: dict[str, Any]) -> list[str]:
    if listed["sha256"] is None:
        return [listed["name"], listed["kind"] or "-", *["-"] * 7, listed["source"]]
    return [
        listed["name"],
        listed["kind"],
        str(listed["train"]),
        str(listed["test"]),
        _shape(listed["shape"]),
        str(len(listed["classes"])),
        size(listed["size"]),
        listed["sha256"][:12],
        "yes" if listed["imported"] else "no",
        re.sub(r"[0-9a-f]{64}", lambda digest: digest[0][:12], listed["source"]),
    ]


@app.command()
def verify(names: options.DataNames = None) -> None:
    """Read data sets from start to end and compare them with their SHA-256."""
    from study.data import packed

    damaged: list[str] = []
    for name in names or packed.names():
        whole = _is_whole(name)
        damaged += [] if whole else [name]
        print(f"{name}: {'whole' if whole else 'damaged'}")
    if damaged:
        fix = f"Delete with `study data remove {damaged[0]}` and import it, or let it be made, again."
        raise StudyError(f"damaged: {', '.join(damaged)}", fix=fix)


def _is_whole(name: str) -> bool:
    from study.data import packed

    try:
        pack = packed.find(name)
        if pack is not None:
            return packed.verify(pack)
    except DataError as error:
        log.warning("%s", error)
        if packed.place(name).exists():
            return False
        raise
    raise _not_here(name)


def _not_here(name: str) -> DataError:
    from study.data import packed

    return DataError(f"no data set {name!r} is here", fix=nearest(name, packed.names(), else_say="Here are"))


@app.command()
def remove(name: options.DataName, yes: options.Yes = False) -> None:
    """Delete a data set's file here; what it was made from stays."""
    from study.data import packed

    path = packed.place(name)
    if not path.exists():
        raise _not_here(name)
    require_consent(f"Delete {path} ({size(path.stat().st_size)})?", f"study data remove {name}", yes=yes)
    packed.remove(name)
    log.info("Deleted %s", path)
