"""What is told while data is read and stored, and to whom if nobody asks."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[str, float | None], None]  # of what is done, and which share of it is done, if that is known


def silent(_text: str, _share: float | None) -> None:
    """Tell nobody."""
