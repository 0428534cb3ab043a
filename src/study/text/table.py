"""Tables of plain text or HTML, and blocks of them with their titles and notes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from study.formatting import fitted, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

WRAPPED = 100  # characters of a long line where the width is not known


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a result's text: lines, then perhaps a table, then notes.

    Args:
        lines: before the table.
        headings: of the table's columns; none for no table.
        rows: a cell for each column, as text; without one no table is shown.
        notes: after the table.
        long: a long line after all that, wrapped at words and indented by two; empty for none.

    """

    lines: Sequence[str] = ()
    headings: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    notes: Sequence[str] = ()
    long: str = ""

    def text(self, width: int | None = None) -> str:
        """Write plain text; lines longer than `width` characters break at words, those of tables end in an ellipsis."""
        laid_out = [table(self.headings, self.rows, width=width)] if self.rows else []
        lines, notes = ([fitted(line, width) for line in part] for part in (self.lines, self.notes))
        return "\n".join([*lines, *laid_out, *notes, *wrapped(self.long, width or WRAPPED, "  ")])

    def html(self) -> str:
        """Write the block as HTML, for a notebook."""
        parts = [f"<p>{escape(line)}</p>" for line in self.lines]
        if self.rows:
            right = numeric_columns(self.headings, self.rows)
            style = ['style="text-align:right"' if each else 'style="text-align:left"' for each in right]
            head = "".join(f"<th {how}>{escape(each)}</th>" for each, how in zip(self.headings, style, strict=True))
            body = "".join(
                "<tr>" + "".join(f"<td {how}>{escape(c)}</td>" for c, how in zip(row, style, strict=True)) + "</tr>"
                for row in self.rows
            )
            parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
        return "".join([*parts, *(f"<p>{escape(note)}</p>" for note in (*self.notes, self.long) if note)])


def text_of(blocks: Sequence[Block], width: int | None = None) -> str:
    """Write blocks as plain text, separated by empty lines."""
    return "\n\n".join(block.text(width) for block in blocks)


def html_of(blocks: Sequence[Block]) -> str:
    """Write blocks as HTML, for a notebook."""
    return "".join(block.html() for block in blocks)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, width: int | None = None) -> str:
    """Align columns, numbers to the right; a line longer than `width` characters ends in an ellipsis."""
    cells = [[str(heading) for heading in headings], *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    to_right = numeric_columns(headings, rows)
    lines: list[str] = []
    for row in cells:
        padded = [
            cell.rjust(wide) if right else cell.ljust(wide)
            for cell, wide, right in zip(row, widths, to_right, strict=True)
        ]
        lines.append(clip("  ".join(padded).rstrip(), width))
    return "\n".join(lines)


def numeric_columns(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[bool]:
    """Tell for each column whether all its cells are numbers."""
    return [bool(rows) and all(_is_number(str(row[column])) for row in rows) for column in range(len(headings))]


def clip(line: str, width: int | None) -> str:
    """Shorten a line to `width` characters, with an ellipsis at its end."""
    return line if width is None or len(line) <= width else f"{line[: max(0, width - 1)]}…"


def _is_number(cell: str) -> bool:
    return bool(re.fullmatch(r"-|[-+]?[0-9.]+(e[-+]?\d+)?( (s|min|B|kB|MB|GB|%|points))?", cell))
