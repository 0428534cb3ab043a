"""The layout of a pack's file, which only this module knows, and its two hashes.

A header of JSON with the sha256 of itself, then the arrays, of which the header has the sha256, too.
"""

from __future__ import annotations

import json
import math
import re
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import numpy as np

from study.errors import DataError
from study.knobs import is_own

if TYPE_CHECKING:
    from collections.abc import Mapping

ARRAYS = ("train_y", "test_y", "train_x", "test_x")  # in the file's order; the widest type first keeps all aligned
FORMAT, EARLIER = "study-pack-2", "study-pack-1"  # the earlier one has no hash of its header
DTYPES = {"uint8": "U8", "float32": "F32", "float64": "F64", "int64": "I64"}  # numpy's names and those of safetensors
NAMES = {theirs: ours for ours, theirs in DTYPES.items()}
BLOCK = 1 << 20  # bytes that are hashed at a time
PLACE = "0" * 64  # what a header holds, while it is hashed, where its sha256 is later
LONGEST_HEADER = 100_000_000  # bytes, the limit of safetensors
SUFFIX = ".safetensors"
LONGEST_NAME = 255 - len(SUFFIX) - 20  # bytes; a temporary file adds some to it


def file_name(name: str) -> str:
    """Name the file of a data set. Data that a function in a file gives are named by the file's whole path.

    Raises:
        DataError: the name is not valid.

    """
    if is_own(name):
        place, _, function = name.rpartition(":")
        stem = quote(f"{Path(place).resolve()}:{function}" if place.endswith(".py") else name, safe="")
        if len(stem) > LONGEST_NAME:
            raise DataError(f"{name!r} is too long a path", fix="Give it as package.module:name.")
        return stem + SUFFIX
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", name):
        raise DataError(f"{name!r} cannot name a data set", fix="Use letters, digits, '_', '-' and '.' only.")
    return name + SUFFIX


def name_in(file: Path) -> str:
    """Give the name of the data set whose file it is: the reverse of `file_name`."""
    return unquote(file.name.removesuffix(SUFFIX))


def header(arrays: Mapping[str, np.ndarray], about: Mapping[str, str]) -> bytes:
    """Make the header of a safetensors file: length of the JSON in 8 bytes, then the JSON; the arrays follow it.

    The library is not used because it would copy all data once more and hide why a write failed.
    """
    header: dict[str, Any] = {"__metadata__": {"header_sha256": PLACE, **about}}
    offset = 0
    for name in ARRAYS:
        array, start = arrays[name], offset
        offset += array.nbytes
        header[name] = {"dtype": DTYPES[array.dtype.name], "shape": array.shape, "data_offsets": [start, offset]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    whole = len(text).to_bytes(8, "little") + text
    return whole.replace(PLACE.encode(), sha256(whole).hexdigest().encode(), 1)


def check_header(path: Path) -> None:
    """Compare a header with its sha256. Raises OSError, and ValueError if it is damaged."""
    with path.open("rb") as file:
        length = file.read(8)
        size = int.from_bytes(length, "little")
        whole = length + file.read(min(size, LONGEST_HEADER))
    try:
        about = json.loads(whole[8:]).get("__metadata__") or {}
        known, form = about.get("header_sha256"), about.get("format")
        if known is None and form != FORMAT:
            return
        known = str(known)
        is_same = sha256(whole.replace(known.encode(), PLACE.encode(), 1)).hexdigest() == known
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no header of ours: {error!r}") from error
    if not is_same:
        raise ValueError("its header has another sha256")


def digest(arrays: Mapping[str, np.ndarray]) -> str:
    """Compute the sha256, in hex, over names, types, shapes and contents of the four arrays."""
    total = sha256()
    for name in ARRAYS:
        array = arrays[name]
        total.update(_described(name, array.dtype.name, array.shape))
        total.update(content(array))
    return total.hexdigest()


def _described(name: str, dtype: str, shape: tuple[int, ...]) -> bytes:
    return f"{name} {dtype} {shape}\n".encode()


def digest_of(path: Path) -> str:
    """Compute the same from a file, block by block. Raises OSError, ValueError and others if it is damaged."""
    total = sha256()
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > path.stat().st_size:
            raise ValueError("its header is cut short")
        about = json.loads(file.read(length))
        for name in ARRAYS:
            start, end = about[name]["data_offsets"]
            total.update(_described(name, NAMES[about[name]["dtype"]], tuple(about[name]["shape"])))
            file.seek(8 + length + start)
            for left in range(end - start, 0, -BLOCK):
                block = file.read(min(left, BLOCK))
                if len(block) < min(left, BLOCK):
                    raise ValueError("cut short")
                total.update(block)
    return total.hexdigest()


def content(array: np.ndarray) -> memoryview:
    """View an array as little-endian bytes, as safetensors stores them; without a copy on little-endian machines."""
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return np.ascontiguousarray(little).reshape(math.prod(array.shape)).view(np.uint8).data
