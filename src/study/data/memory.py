"""How much memory data may fill."""

from __future__ import annotations

import os

from study.errors import DataError
from study.formatting import size


def require_room(needed: int, subject: str, where: str, fix: str) -> None:
    """Reject data that would fill more than half of the memory, if the system reports how much there is.

    Args:
        needed: bytes.
        subject: what fills it.
        where: what errors name as their place.
        fix: what to do about it.

    Raises:
        DataError: names both sizes.

    """
    room = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2 if hasattr(os, "sysconf") else needed
    if needed > room:
        what = f"{subject} would take {size(needed)}, more than half of the memory ({size(room)})"
        raise DataError(what, where=where, fix=fix)
