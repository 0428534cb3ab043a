"""Metric: what a study judges by; which of two values is better, the smallest step, and how a value is written.

Programs get a value as it was measured, an accuracy in [0, 1]. People read an accuracy in per cent, and a difference of
two in points. An accuracy that a training of one's own measures in per cent is not multiplied by 100 again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from study.formatting import number

if TYPE_CHECKING:
    from collections.abc import Iterable

Direction = Literal["maximize", "minimize"]
ROUNDING = 1e-9  # of an accuracy in [0, 1]: closer values are the same, but for the rounding of floats


ERRORS = (
    "loss",
    "rmse",
    "mae",
    "mse",
    "error",
    "deviance",
    "brier_score",
)  # endings of what is better where it is lower


class Interval(Protocol):
    """Everything from `low` to `high`."""

    @property
    def low(self) -> float:
        """Give the lower end."""
        ...

    @property
    def high(self) -> float:
        """Give the upper end."""
        ...


class Mean(Protocol):
    """A mean with its interval, such as `stats.intervals.Mean`."""

    @property
    def value(self) -> float:
        """Give the mean."""
        ...

    @property
    def interval(self) -> Interval:
        """Give its interval."""
        ...


class Difference(Protocol):
    """A difference with its interval, such as `stats.verdicts.Contrast`."""

    @property
    def difference(self) -> float:
        """Give the difference."""
        ...

    @property
    def interval(self) -> Interval:
        """Give its interval."""
        ...


class Ends(NamedTuple):
    """An interval made of its two ends."""

    low: float
    high: float


def sign_of(direction: Direction) -> int:
    """Give 1 where more is better, else -1."""
    return 1 if direction == "maximize" else -1


def usual_direction(name: str) -> Direction:
    """Tell by its name which values of a metric are better: lower ones of a loss or an error, else higher ones."""
    return "minimize" if name.lower().endswith(ERRORS) else "maximize"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric and the direction in which it is optimized.

    Args:
        name: as in `Epoch.metrics`, such as `val_accuracy`.
        direction: whether more or less of it is better.
        in_percent: whether an accuracy is measured in per cent, as a training of one's own may do; else in [0, 1].

    """

    name: str
    direction: Direction = "maximize"
    in_percent: bool = False

    @property
    def is_accuracy(self) -> bool:
        """Whether people read it in per cent."""
        return "accuracy" in self.name

    @property
    def sign(self) -> int:
        """1 where more is better, else -1: `sign * value` is better where it is larger."""
        return sign_of(self.direction)

    @property
    def factor(self) -> float:
        """From the metric's own unit to the one that people read: 100 for an accuracy in [0, 1]."""
        return 100.0 if self.is_accuracy and not self.in_percent else 1.0

    @property
    def whole(self) -> float:
        """The largest possible value in the metric's own unit; infinite but for an accuracy."""
        return 100.0 / self.factor if self.is_accuracy else math.inf

    @property
    def unit(self) -> str:
        """What differences are counted in, with a space before it; empty for a plain number."""
        return " points" if self.is_accuracy else ""

    @property
    def axis(self) -> str:
        """What differences are counted in, on the axis of a plot."""
        return "points" if self.is_accuracy else self.name

    @property
    def heading(self) -> str:
        """The name and the unit of values, as the heading of a column."""
        return f"{self.name} (%)" if self.is_accuracy else self.name

    @property
    def words(self) -> str:
        """The name as words, without the split: `accuracy`."""
        return self.measure.replace("_", " ")

    @property
    def measure(self) -> str:
        """The name without the split: `accuracy` of `val_accuracy`; under it a test reports the same."""
        return self.name.removeprefix("val_").removeprefix("train_").removeprefix("test_")

    def asked(self) -> dict[str, Any]:
        """Give the fields of a record that says what its values are of (`schemas.Measured`)."""
        return {"metric": self.name, "direction": self.direction, "in_percent": self.in_percent}

    def on(self, split: Literal["val", "train", "test"]) -> Metric:
        """Give the same measure of another split; a name that names no split is left as it is, except on the test."""
        named = split == "test" or self.measure != self.name
        return replace(self, name=f"{split}_{self.measure}") if named else self

    @property
    def of_test(self) -> bool:
        """Whether its values are of the test split."""
        return self.name.startswith("test_")

    def better(self, a: float, b: float) -> bool:
        """Tell whether the value a is better than b."""
        return self.sign * a > self.sign * b

    def best(self, values: Iterable[float]) -> float | None:
        """Choose the best of the finite values; None if there is none."""
        return max((each for each in values if math.isfinite(each)), key=lambda each: self.sign * each, default=None)

    def worst(self, values: Iterable[float]) -> float:
        """Choose the worst of the finite values; NaN if there is none."""
        return min(
            (each for each in values if math.isfinite(each)), key=lambda each: self.sign * each, default=math.nan
        )

    def resolution(self, examples: int) -> float:
        """Give the smallest step of the value over a number of examples; 0 where it moves freely."""
        return self.whole / examples if self.is_accuracy and examples else 0.0

    def step_in(self, values: Iterable[float]) -> float:
        """Give the smallest step between an accuracy's values, where nobody says of how many examples; else 0."""
        known = sorted({each for each in values if math.isfinite(each)}) if self.is_accuracy else []
        steps = (after - before for before, after in pairwise(known))
        return min((step for step in steps if step > ROUNDING * self.whole), default=0.0)

    def seen(self, values: Iterable[float]) -> Metric:
        """Learn the unit from values: an accuracy above 1 is measured in per cent."""
        above = self.is_accuracy and not self.in_percent and any(math.isfinite(each) and each > 1 for each in values)
        return replace(self, in_percent=True) if above else self

    def cell(self, value: float | None, *, signed: bool = False) -> str:
        """Write a value or a difference for a table's cell, without its unit: `97.71`; "-" where it is not finite."""
        if value is None or not math.isfinite(value):
            return "-"
        sign = "+" if signed and value > 0 else ""
        return f"{sign}{self.factor * value:.2f}" if self.is_accuracy else f"{sign}{number(value)}"

    def value(self, value: float | None) -> str:
        """Write a value with its unit: `97.71 %`, or a plain number."""
        written = self.cell(value)
        return f"{written} %" if self.is_accuracy and written != "-" else written

    def gap(self, value: float | None) -> str:
        """Write a difference with its sign, for a table's cell: `+1.93`."""
        return self.cell(value, signed=True)

    def size(self, value: float) -> str:
        """Write how large a difference is, whatever its sign, with its unit: `1.93 points`."""
        return f"{self.cell(abs(value))}{self.unit}"

    def unit_hint(self, option: str, asked: float) -> list[str]:
        """Say what half a point of an accuracy is, where a difference was probably asked for in another unit."""
        if not self.is_accuracy or not asked or (asked < 0.1) != self.in_percent:
            return []
        half, lies = (
            (0.5, "This accuracy is in per cent") if self.in_percent else (0.005, "An accuracy lies between 0 and 1")
        )
        return [f"{lies}: half a point is {option} {half}."]

    def interval(self, found: Interval) -> str:
        """Write an interval of values, `97.60 to 97.82`; an accuracy's ends at 0 and 100 %; "-" without an end."""
        ends = (found.low, found.high)
        if self.is_accuracy:
            ends = tuple(min(max(end, 0.0), self.whole) if math.isfinite(end) else end for end in ends)
        return _span(*map(self.cell, ends))

    def gaps(self, found: Interval) -> str:
        """Write an interval of differences: `+1.70 to +2.16`."""
        return _span(self.gap(found.low), self.gap(found.high))

    def mean(self, found: Mean | None) -> str:
        """Write a mean with its interval on a second line; "-" for None."""
        return _with(self.value(found.value), self.interval(found.interval)) if found else "-"

    def difference(self, found: Difference | None) -> str:
        """Write a difference with its interval on a second line; "-" for None."""
        return _with(self.gap(found.difference), self.gaps(found.interval)) if found else "-"


def _with(value: str, interval: str) -> str:
    return value if interval == "-" else f"{value}\n{interval}"


def _span(low: str, high: str) -> str:
    return "-" if "-" in {low, high} else f"{low} to {high}"
