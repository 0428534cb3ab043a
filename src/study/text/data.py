"""Text of data sets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from study.formatting import size
from study.text.table import Block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.schemas.data import DataRemoved, DataSet, Verified

HEADINGS = ("Name", "Kind", "Train", "Test", "Shape", "Classes", "Size", "SHA-256", "Imported", "Source")


def listed(found: Sequence[DataSet]) -> list[Block]:
    """Show a line for each data set."""
    return [Block(headings=HEADINGS, rows=[_row(each) for each in found])]


def one(found: DataSet) -> list[Block]:
    """Describe one data set in a line."""
    return [Block([f"{found.name}: {described(found)}, sha256 {(found.sha256 or '')[:12]}, {size(found.size or 0)}"])]


def described(found: DataSet) -> str:
    """Describe a data set's size: `8 images to train on and 4 to test, 8x8x3, 2 classes`."""
    what = "images" if found.kind == "image" else "rows"
    brought = f" ({found.validation:,} of them for validation)" if found.validation else ""
    counts = f"{found.train or 0:,} {what} to train on{brought} and {found.test or 0:,} to test"
    return f"{counts}, {_shape(found.shape or ())}, {len(found.classes or ())} classes"


def verified(found: Verified) -> list[Block]:
    """Say whether a data set is whole."""
    return [Block([f"{found.name}: {'whole' if found.whole else 'damaged'}"])]


def removed(found: DataRemoved) -> list[Block]:
    """Name the file and its size."""
    return [Block([f"{found.path} ({size(found.size)})"])]


def _row(found: DataSet) -> list[str]:
    if found.sha256 is None:
        return [found.name, found.kind or "-", *["-"] * 7, found.source]
    return [
        found.name,
        found.kind or "-",
        str(found.train),
        str(found.test),
        _shape(found.shape or ()),
        str(len(found.classes or ())),
        size(found.size or 0),
        found.sha256[:12],
        "yes" if found.imported else "no",
        re.sub(r"[0-9a-f]{64}", lambda digest: digest[0][:12], found.source),
    ]


def _shape(shape: Sequence[int]) -> str:
    return f"{shape[0]} columns" if len(shape) == 1 else "x".join(map(str, shape))
