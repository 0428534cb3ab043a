"""Numbers as people write them: decimal commas, thousands separators, per cent, currencies."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Decimal = Literal[".", ","]
NEARLY = 0.8  # a column with at least this share of numbers is meant to be numbers
SPACES = " \u00a0\u2009\u202f"  # between thousands, also the narrow ones that do not break
GROUPS = f"'\u2019{SPACES}"  # other signs between thousands
CURRENCY = r"[$€£¥₹]|USD|EUR|GBP|JPY|CHF|CNY|INR"
NUMERAL = re.compile(
    rf"(?P<sign>[-+\u2212]?)[{SPACES}]*(?P<before>{CURRENCY})?[{SPACES}]*(?P<inner>[-\u2212]?)"
    rf"(?P<body>\d[\d.,{GROUPS}]*|[.,]\d+)(?P<exponent>[eE][-+]?\d+)?[{SPACES}]*(?P<after>%|‰|{CURRENCY})?"
)
OF_UNIT = re.compile(rf"(?P<number>.*[\d.,])[{SPACES}]+(?P<unit>°?[^\W\d_][^\s\d]{{0,11}})")  # 12.5 kg, 30 km/h, 21 °C
POINT = re.compile(rf"(?:\d*|\d{{1,3}}(?P<group>[,{GROUPS}])\d{{3}}(?:(?P=group)\d{{3}})*)(?:\.\d*)?")
COMMA = re.compile(rf"(?:\d*|\d{{1,3}}(?P<group>[.{GROUPS}])\d{{3}}(?:(?P=group)\d{{3}})*)(?:,\d*)?")


@dataclass(frozen=True, slots=True)
class Numeral:
    """One text as a number, in the two ways to read it.

    Args:
        unit: per cent, currency or another unit; empty for none.
        point: its value if the point is the decimal sign; None if that is impossible.
        comma: its value if the comma is.

    """

    unit: str
    point: float | None
    comma: float | None


def numeral(text: str) -> Numeral | None:
    """Read a text without blanks around it as a number; None if it is none."""
    if not (match := NUMERAL.fullmatch(text)):
        return None
    body, sign = match["body"].rstrip(SPACES), -1 if match["sign"] + match["inner"] in {"-", "\u2212"} else 1
    end = match["exponent"] or ""
    point = _value(body, ",", ".", end) if POINT.fullmatch(body) else None
    comma = _value(body, ".", ",", end) if COMMA.fullmatch(body) else None
    if (match["before"] and match["after"]) or (point is None and comma is None):
        return None
    unit = match["before"] or match["after"] or ""
    return Numeral(unit, None if point is None else sign * point, None if comma is None else sign * comma)


def _value(body: str, group: str, decimal: str, exponent: str) -> float:
    return float(re.sub(rf"[{group}{GROUPS}]", "", body).replace(decimal, ".") + exponent)


@dataclass(frozen=True, slots=True)
class Column:
    """The distinct texts of a column, read as numbers.

    Args:
        found: what each text is; None for one that is no number.
        counts: how often each occurs.

    """

    found: Mapping[str, Numeral | None]
    counts: Mapping[str, int]

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> Column:
        """Read the distinct texts of a column."""
        return cls({text: numeral(text) for text in counts}, counts)

    @classmethod
    def of_features(cls, counts: Mapping[str, int]) -> Column:
        """Read a column's distinct texts; those of numbers with one unit, such as 12.5 kg, as these numbers."""
        column = cls.of(counts)
        return column if column.is_meant else column.of_one_unit() or column

    def of_one_unit(self) -> Column | None:
        """Read texts of a number and a unit as numbers; None if there are several units, or many other texts."""
        found, units = dict(self.found), set[str]()
        for text in self.counts:
            if (match := OF_UNIT.fullmatch(text)) and (number := numeral(match["number"])) and not number.unit:
                found[text] = replace(number, unit=match["unit"])
                units.add(match["unit"])
        meant = Column(found, self.counts)
        return meant if len(units) == 1 and meant.is_meant else None

    @property
    def is_meant(self) -> bool:
        """Whether nearly all values are numbers."""
        numbers = sum(count for text, count in self.counts.items() if self.found[text] is not None)
        return bool(self.counts) and numbers >= NEARLY * sum(self.counts.values())

    @property
    def stray(self) -> str | None:
        """The first text that is no number; None if all are."""
        return next((text for text, each in self.found.items() if each is None), None)

    @property
    def units(self) -> dict[str, str]:
        """A text for each unit that occurs, none included."""
        return {each.unit: text for text, each in reversed(list(self.found.items())) if each is not None}

    @property
    def ambiguous(self) -> str | None:
        """A text that is another number with the other decimal sign, such as 1,234; None if there is none."""
        return next((text for text, each in self._read() if each.point != each.comma), None)

    def only(self, decimal: Decimal) -> str | None:
        """Find a text that needs this decimal sign; None if none does."""
        return next((text for text, each in self._read() if _of(each, "," if decimal == "." else ".") is None), None)

    def values(self, decimal: Decimal) -> dict[str, float]:
        """Map each text to its value, NaN for one that is no number with this decimal sign."""
        return {
            text: np.nan if each is None or (value := _of(each, decimal)) is None else value
            for text, each in self.found.items()
        }

    def _read(self) -> Iterable[tuple[str, Numeral]]:
        return [(text, each) for text, each in self.found.items() if each is not None]


def _of(each: Numeral, decimal: Decimal) -> float | None:
    return each.point if decimal == "." else each.comma
