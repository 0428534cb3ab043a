"""The edges of a search space: where the best trial lies at one, and which line of the study's file would widen it."""

from __future__ import annotations

import ast
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from study.recipe import Recipe
from study.study_files import file_of

if TYPE_CHECKING:
    from collections.abc import Mapping

NEAR = 0.03  # of a range, in its own scale
WIDER = 0.5  # of a range, in its own scale, is added
Side = Literal["low", "high"]


@dataclass(frozen=True, slots=True)
class Range:
    """The range of a number in a search space."""

    low: float
    high: float
    log: bool
    whole: bool  # integers

    def place(self, value: float) -> float:
        """Where a value lies, from 0 (low) to 1 (high), in the range's own scale."""
        low, high, value = (math.log(each) if self.log else each for each in (self.low, self.high, value))
        return (value - low) / (high - low)

    def value(self, place: float) -> float:
        """Give the value at a place, rounded to two digits, or to a whole number."""
        low, high = (math.log(each) if self.log else each for each in (self.low, self.high))
        found = low + place * (high - low)
        found = math.exp(found) if self.log else found
        return round(found) if self.whole else float(f"{found:.2g}")

    def edge(self, value: float) -> Side | None:
        """Name the end that a value lies at."""
        place = self.place(value)
        return "low" if place <= NEAR else "high" if place >= 1 - NEAR else None

    def end(self, side: Side) -> float:
        """Give one of the two ends."""
        return self.low if side == "low" else self.high

    def moved(self, side: Side, to: float) -> Range:
        """Give the range with one end elsewhere."""
        return replace(self, low=to) if side == "low" else replace(self, high=to)

    def __str__(self) -> str:
        """Spell it as people do: `0.0001 to 0.1 (log)`."""
        return f"{spell(self.low)} to {spell(self.high)}{' (log)' if self.log else ''}"


def ranges(definition: Mapping[str, Any]) -> dict[str, Range]:
    """Read the ranges of a stored definition's numbers, by the names of its suggestions; choices are left out."""
    found: dict[str, Range] = {}
    for name, text in (definition.get("space") or {}).items():
        stored = json.loads(text)
        each = stored["attributes"]
        if stored["name"] != "CategoricalDistribution" and each["high"] > each["low"]:
            found[name] = Range(each["low"], each["high"], bool(each.get("log")), stored["name"].startswith("Int"))
    return found


def wider(definition: Mapping[str, Any], name: str, present: Range, side: Side) -> Range | None:
    """Widen a range at one end, as far as the knob goes; None where the knob itself ends there.

    A knob of which nothing is known is taken to end at 0.
    """
    low, high = _limits(definition, name)
    end = present.end(side)
    if end in {low, high} or (end == 0 and low is None):
        return None
    to = present.value(-WIDER if side == "low" else 1 + WIDER)
    if side == "low":
        floor = low if low is not None else 0.0 if present.low > 0 else -math.inf
        to = max(to, floor)
    elif high is not None and to >= high:
        to = high if present.whole else float(f"{(present.high + high) / 2:.3g}")
    return present.moved(side, to) if to != end else None


def _limits(definition: Mapping[str, Any], name: str) -> tuple[float | None, float | None]:
    """Where a knob of our own recipe itself ends, at both sides; None where it does not, or is not known."""
    if not str(definition.get("recipe_type")).endswith("study.recipe:Recipe"):
        return None, None
    schema = Recipe.model_json_schema()["properties"].get(name, {})
    found = [schema, *schema.get("anyOf", ())]
    lows = [each[key] for each in found for key in ("minimum", "exclusiveMinimum") if key in each]
    highs = [each[key] for each in found for key in ("maximum", "exclusiveMaximum") if key in each]
    return min(lows, default=None), max(highs, default=None)


def line(study: str, stored: Mapping[str, Any], name: str, new: Range | None = None) -> str | None:
    """Find the line of the study's file that suggests a parameter; None where there is none to be found.

    Args:
        study: its name, `@dataset` or not.
        stored: its definition.
        name: of the suggestion.
        new: spell the line with this range in place of its own.

    Returns:
        `studies/mine.py, line 12: trial.suggest_float("lr", 1e-4, 0.1, log=True)`.

    """
    file = file_of(study, stored)
    if file is None:
        return None
    try:
        source = file.read_text(encoding="utf-8")
        calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    except (OSError, SyntaxError, ValueError):
        return None  # the search has been run from another state of the file
    for call in calls:
        if _suggests(call, name):
            text = _spelt(source, call, new)
            return f"{_shown(file)}, line {call.lineno}: {' '.join(text.split())}"
    return None


def _suggests(call: ast.Call, name: str) -> bool:
    function = call.func
    named = isinstance(function, ast.Attribute) and function.attr in {"suggest_float", "suggest_int"}
    first = call.args[0] if call.args else None
    return named and isinstance(first, ast.Constant) and first.value == name


def _spelt(source: str, call: ast.Call, new: Range | None) -> str:
    if new is None:
        return ast.get_source_segment(source, call) or ""
    for place, end in enumerate((new.low, new.high), 1):
        if place < len(call.args):
            call.args[place] = _changed(call.args[place], end)
    for each in call.keywords:
        if each.arg in {"low", "high"}:
            each.value = _changed(each.value, new.low if each.arg == "low" else new.high)
    return ast.unparse(call).replace("'", '"')


def _changed(node: ast.expr, end: float) -> ast.expr:
    """Give the expression of a range's end, left as it is where it says the same."""
    try:
        return node if float(ast.literal_eval(node)) == end else ast.Constant(end)
    except (ValueError, TypeError):
        return ast.Constant(end)


def spell(value: float) -> str:
    """Spell a number as a person writes it into a study's file."""
    return f"{value:g}"


def _shown(file: Path) -> str:
    try:
        return str(file.relative_to(Path.cwd()))
    except ValueError:
        return str(file)
