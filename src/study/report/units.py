"""The objective's figures as a report writes them: accuracies in percent, their differences in points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from study.formatting import figure, span

if TYPE_CHECKING:
    from study.stats.intervals import Interval, Mean
    from study.stats.verdicts import Comparison


@dataclass(frozen=True, slots=True)
class Unit:
    """How an objective is written.

    Args:
        metric: its name.

    """

    metric: str

    @property
    def percent(self) -> bool:
        """Whether it is a share that people read in percent."""
        return "accuracy" in self.metric

    @property
    def factor(self) -> float:
        """From the metric's unit to the one that is shown."""
        return 100.0 if self.percent else 1.0

    @property
    def points(self) -> str:
        """What differences are counted in, with a space before it; empty for a plain number."""
        return " points" if self.percent else ""

    @property
    def words(self) -> str:
        """The metric's name as words, without the split it was taken on."""
        return self.metric.removeprefix("val_").removeprefix("train_").replace("_", " ")

    def value(self, value: float | None) -> str:
        """Write a value: `97.71 %`, or a plain number."""
        written = figure(value, percent=self.percent)
        return f"{written} %" if self.percent and written != "-" else written

    def gap(self, value: float | None) -> str:
        """Write a difference with its sign: `+1.93`."""
        return figure(value, percent=self.percent, signed=True)

    def size(self, value: float) -> str:
        """Write how large a difference is, whatever its sign: `1.93 points`."""
        return f"{figure(abs(value), percent=self.percent)}{self.points}"

    def interval(self, found: Interval) -> str:
        """Write an interval of values: `97.60 to 97.82`; a dash where it has no end."""
        return span(found, percent=self.percent)

    def gaps(self, found: Interval) -> str:
        """Write an interval of differences: `+1.70 to +2.16`."""
        return span(found, percent=self.percent, signed=True)

    def mean(self, found: Mean | None) -> str:
        """Write a mean, and its interval below it."""
        return _with(self.value(found.value), self.interval(found.interval)) if found else "-"

    def difference(self, found: Comparison | None) -> str:
        """Write a difference, and its interval below it."""
        return _with(self.gap(found.difference), self.gaps(found.interval)) if found else "-"


def _with(value: str, interval: str) -> str:
    return value if interval == "-" else f"{value}\n{interval}"
