"""Stores which test examples a final training got right: one bit each, in `correct.json` of its trial."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

import numpy as np

from study.errors import Damaged, StudyError
from study.record import checked

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def write(path: Path, correct: Any) -> None:
    """Replace a trial's bits.

    Args:
        path: path of the file.
        correct: shape (examples,), whether each example is right, in the order of the test split.

    Raises:
        StudyError: `correct` is not one boolean per example.
        PlaceError: the disk is full or not writable.

    """
    bits = np.asarray(correct)
    if bits.ndim != 1 or not bits.size or bits.dtype != np.bool_:
        raise StudyError(f"`correct` of the test is not one truth value for each example: {bits.dtype} {bits.shape}")
    checked.write(path, {"examples": bits.size, "bits": b64encode(np.packbits(bits).tobytes()).decode()})


def read(path: Path) -> NDArray[np.bool_] | None:
    """Read a trial's bits, shape (examples,); None if the training stored none.

    Raises:
        Damaged: the file is damaged.

    """
    if not path.exists():
        return None
    stored = checked.read(path)
    try:
        packed = np.frombuffer(b64decode(stored["bits"]), dtype=np.uint8)
        return np.unpackbits(packed, count=stored["examples"]).astype(np.bool_)
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged("damaged", where=str(path), fix=checked.CURE) from error
