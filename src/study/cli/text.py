"""Tables as people read them; the words in their cells are those of `study.formatting`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from study.formatting import duration, knob, knobs, moment, number, plural, size, to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "clip", "duration", "knob", "knobs", "moment", "number", "plural", "size", "table", "to_json",
    "without_password",
]  # fmt: skip


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, width: int | None = None) -> str:
    """Lay out columns, numbers to the right; a line longer than `width` characters ends in an ellipsis."""
    cells = [[str(heading) for heading in headings], *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    to_right = [bool(rows) and all(_is_number(row[column]) for row in rows) for column in range(len(headings))]
    lines: list[str] = []
    for row in cells:
        padded = [
            cell.rjust(wide) if right else cell.ljust(wide)
            for cell, wide, right in zip(row, widths, to_right, strict=True)
        ]
        lines.append(clip("  ".join(padded).rstrip(), width))
    return "\n".join(lines)


def clip(line: str, width: int | None) -> str:
    """Cut a line to `width` characters, an ellipsis at its end."""
    return line if width is None or len(line) <= width else f"{line[: max(0, width - 1)]}…"


def without_password(line: str) -> str:
    """Hide the password of every URL in a line."""
    return re.sub(r"(://[^:/@\s]*):[^@/\s]*@", r"\1:***@", line)


def _is_number(cell: str) -> bool:
    return bool(re.fullmatch(r"-|[-+]?[0-9.]+(e[-+]?\d+)?( (s|min|B|kB|MB|GB|%|points))?", cell))
