"""Text of data sets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from study.formatting import size
from study.text.table import Block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.schemas.data import DataRemoved, DataSet, Verified

HEADINGS = ("Name", "Kind", "Train", "Test", "Shape", "Classes", "Size", "Source")


def listed(found: Sequence[DataSet], importable: Sequence[str] = ()) -> list[Block]:
    """Show a line for each data set, then the files that can be imported."""
    here, known = ([each for each in found if each.here is wanted] for wanted in (True, False))
    sources = [[f"  {each.name}", each.kind or "-", each.source] for each in known]
    return [
        *([Block(["Here:"], [f"  {HEADINGS[0]}", *HEADINGS[1:]], [_row(each) for each in here])] if here else []),
        *([Block(["Known, made ready when first used:"], ["  Name", "Kind", "Source"], sources)] if known else []),
        *(
            [Block(["In STUDY_DATA, for `study data import NAME PATH`:"], notes=_indented(importable))]
            if importable
            else []
        ),
    ]


def one(found: DataSet) -> list[Block]:
    """Describe one data set in a line."""
    return [Block([f"{found.name}: {described(found)}, sha256 {(found.sha256 or '')[:12]}, {size(found.size or 0)}"])]


def described(found: DataSet) -> str:
    """Describe a data set's size: `8 images to train on and 4 to test, 8x8x3, 2 classes`."""
    what = {"image": "images", "tokens": "sequences", "tensor": "tensors"}.get(found.kind or "", "rows")
    brought = f" ({found.validation:,} of them for validation)" if found.validation else ""
    counts = f"{found.train or 0:,} {what} to train on{brought} and {found.test or 0:,} to test"
    predicted = {"regression": "a number to predict", "multilabel": f"{len(found.classes or ())} labels"}
    return f"{counts}, {_size(found)}, {predicted.get(found.task or '', f'{len(found.classes or ())} classes')}"


def verified(found: Verified) -> list[Block]:
    """Say whether a data set is whole."""
    return [Block([f"{found.name}: {'whole' if found.whole else 'damaged'}"])]


def removed(found: DataRemoved) -> list[Block]:
    """Name the file and its size."""
    return [Block([f"{found.path} ({size(found.size)})"])]


def _row(found: DataSet) -> list[str]:
    if found.sha256 is None:
        return [f"  {found.name}", found.kind or "-", *["-"] * 5, found.source]
    return [
        f"  {found.name}",
        found.kind or "-",
        str(found.train),
        str(found.test),
        _size(found),
        "-" if found.task == "regression" else str(len(found.classes or ())),
        size(found.size or 0),
        re.sub(r"[0-9a-f]{64}", lambda digest: digest[0][:12], found.source),
    ]


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _size(found: DataSet) -> str:
    shape = list(found.shape or [0])
    if found.kind == "tokens":
        return f"{shape[0]} of {found.vocabulary:,} tokens"
    return f"{shape[0]} columns" if found.kind == "table" else "x".join(map(str, shape))
