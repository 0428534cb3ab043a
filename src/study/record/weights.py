"""Hashes of checkpoints and weights, verified on every read, without torch.

Weights are a safetensors file. Its metadata has `study_format` and `sha256`, the hash of the whole file with zeros in
place of the hash. Files of format 1 have neither, but they have the epoch.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from study.errors import Damaged
from study.record.checked import CURE, FORMAT

if TYPE_CHECKING:
    from pathlib import Path

PLACE = "0" * 64
MARKS = {"study_format": str(FORMAT), "sha256": PLACE}  # metadata of a file before it is sealed
CHECKPOINT = b"study checkpoint 1\n"  # then the sha256 of the rest, 32 bytes, then what torch.save wrote
DIGEST = 32  # bytes
LENGTH = 8  # size in bytes of the header length


def sealed(content: bytes) -> list[bytes | memoryview]:
    """Insert the hash into the content of a safetensors file with the metadata `MARKS`; return its parts in order."""
    whole = memoryview(content)
    at = content.index(PLACE.encode(), LENGTH, LENGTH + int.from_bytes(content[:LENGTH], "little"))
    return [whole[:at], sha256(content).hexdigest().encode(), whole[at + len(PLACE) :]]


def read(path: Path) -> bytes:
    """Read the content of a weights file.

    Raises:
        Damaged: the file is missing or damaged.

    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Damaged(f"cannot be read: {error.strerror or error}", where=str(path), fix=CURE) from error
    try:
        _check(content)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Damaged(f"damaged: {error}", where=str(path), fix=CURE) from error
    return content


def is_whole(content: bytes) -> bool:
    """Tell whether the content of a weights file is undamaged."""
    try:
        _check(content)
    except (ValueError, TypeError, KeyError, AttributeError):
        return False
    return True


def is_whole_checkpoint(content: bytes) -> bool:
    """Tell whether the content of a checkpoint is undamaged."""
    start = len(CHECKPOINT)
    digest, body = content[start : start + DIGEST], memoryview(content)[start + DIGEST :]
    return content.startswith(CHECKPOINT) and sha256(body).digest() == digest


def _check(content: bytes) -> None:
    """Verify the hash. Raises ValueError and others."""
    end = LENGTH + int.from_bytes(content[:LENGTH], "little")
    header: dict[str, Any] = json.loads(content[LENGTH:end])
    known: dict[str, str] = header["__metadata__"]
    if not MARKS.keys() & known.keys() and "epoch" in known:
        return
    stored = known["sha256"].encode()
    at = content.index(stored, LENGTH, end)
    whole = memoryview(content)
    total = sha256(whole[:at])
    total.update(PLACE.encode())
    total.update(whole[at + len(stored) :])
    if total.hexdigest().encode() != stored:
        raise ValueError("its SHA-256 does not match")
