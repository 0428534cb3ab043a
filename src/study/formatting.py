"""Write numbers, durations and knobs for people and JSON for programs, the same in terminal and report."""

from __future__ import annotations

import json
import math
import re
import textwrap
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


NO_BREAK = "\N{NO-BREAK SPACE}"
MOST_OF_A_REASON = 300  # characters of another library's error, some of which bring a whole stack


def reason(error: BaseException) -> str:
    """Write the type and the text of an error that is not ours in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:MOST_OF_A_REASON].removesuffix(": ")


def number(value: float | None) -> str:
    """Write four decimals, or four significant digits below 0.001 and from 1000 on; `-` for None."""
    if value is None:
        return "-"
    return f"{value:.4f}" if value == 0 or 0.001 <= abs(value) < 1000 else f"{value:.4g}"


def knobs(overrides: Mapping[str, Any]) -> str:
    """Write `lr=0.00213 normalize=true`, as `--set` reads them; floats with four significant digits."""
    return " ".join(f"{name}={knob(value)}" for name, value in overrides.items())


def knob(value: Any) -> str:
    """Write one knob's value as `--set` reads it; a float with four significant digits."""
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.4g}"
    return value if isinstance(value, str) else to_json(value)


def duration(seconds: float) -> str:
    """Write seconds as `45 s`, `3 min` or `1 h 20 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def size(count: float) -> str:
    """Write bytes as `163.4 MB`, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Break text into lines of at most `width` characters at its spaces.

    A longer word and a command in backticks stay whole, so that one can copy them.

    Args:
        text: one paragraph.
        width: of a line, indentation included.
        indent: begins each line.

    """
    whole = re.sub("`[^`]+`", lambda command: command[0].replace(" ", NO_BREAK), text)
    lines = textwrap.wrap(
        whole, max(1, width), initial_indent=indent, subsequent_indent=indent, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
    return [line.replace(NO_BREAK, " ") for line in lines]


def fitted(text: str, width: int | None) -> str:
    """Break the lines that are longer than `width` characters at their spaces, each below its own indentation."""
    if width is None or len(text) <= width:
        return text
    lines: list[str] = []
    for line in text.split("\n"):
        start = line[: len(line) - len(line.lstrip())]
        lines += [line] if len(line) <= width else wrapped(line.strip(), width, start)
    return "\n".join(lines)


def nearest(name: str, known: Iterable[str], *, else_say: str = "There are") -> str:
    """Suggest a known name for an unknown one: `Did you mean 'x'?`, else `There are:` and the list of known names."""
    names = list(known)
    near = close_to(name, names)
    return f"Did you mean {near!r}?" if near else f"{else_say}: {', '.join(names) or 'none'}."


def close_to(name: str, known: Iterable[str]) -> str | None:
    """Find the known name that is meant by an unknown one, in any case; None if none is near."""
    names = {each.lower(): each for each in known}
    near = get_close_matches(name.lower(), names, n=1)
    return names[near[0]] if near else None


def plural(count: int, noun: str) -> str:
    """Write a count with its noun: `1 trial`, `2 trials`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def moment(seconds: float | None) -> str | None:
    """Write seconds since 1970 in ISO 8601, in UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="seconds")


def local_moment(seconds: float) -> str:
    """Write seconds since 1970 in local time: `2026-11-21 13:05`."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")


def storable(text: str) -> str:
    r"""Spell what no database or file takes, a lone surrogate and NUL, as `\udcff` and `\x00`; all else as it is."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Write strict JSON: NaN and infinity become null."""
    return json.dumps(_finite(value), indent=indent, allow_nan=False, ensure_ascii=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value


def without_password(line: str) -> str:
    """Hide the password of every URL in a line, up to the last @ of its word: the password may hold one."""
    return re.sub(r"(://[^:/@\s]*):\S*@", r"\1:***@", line)
