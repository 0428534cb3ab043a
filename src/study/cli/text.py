"""Values, durations and tables as people read them; JSON as programs do."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def number(value: float | None) -> str:
    """Four decimals, or four digits where decimals would hide them; a dash for nothing."""
    if value is None:
        return "-"
    return f"{value:.4f}" if value == 0 or 0.001 <= abs(value) < 1000 else f"{value:.4g}"


def knobs(overrides: Mapping[str, Any]) -> str:
    """`lr=0.00213 normalize=true`, spelt as `--set` reads them, floats at four digits."""
    return " ".join(f"{name}={knob(value)}" for name, value in overrides.items())


def knob(value: Any) -> str:
    """One knob's value, spelt as `--set` reads it, a float at four digits."""
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.4g}"
    return value if isinstance(value, str) else to_json(value)


def duration(seconds: float) -> str:
    """`45 s`, `3 min`, `1 h 20 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def size(count: float) -> str:
    """Bytes as `163.4 MB`, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def plural(count: int, noun: str) -> str:
    """`1 trial`, `2 trials`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def moment(seconds: float | None) -> str | None:
    """Seconds since 1970 in ISO 8601, UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="seconds")


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Strict JSON: what is not finite becomes null."""
    return json.dumps(_finite(value), indent=indent, allow_nan=False, ensure_ascii=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value


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
    return bool(re.fullmatch(r"-|[-+]?[0-9.]+(e[-+]?\d+)?( (s|min|B|kB|MB|GB))?", cell))
