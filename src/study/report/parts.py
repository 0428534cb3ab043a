"""What a report's sections are made of, whether they become HTML or Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

FAR = 12  # times the others' largest difference: one that goes farther does not stretch the scale
NEAR = 2  # times the others' largest difference: where the scale ends then
Tone = Literal["good", "bad", "same", "open"]


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; what stands between backticks is code. A `quiet` one says how to get what is not there."""

    text: str
    kind: Literal["plain", "quiet", "warning", "lead"] = "plain"


@dataclass(frozen=True, slots=True)
class Points:
    """A list of short texts."""

    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class Facts:
    """Terms and what they are."""

    items: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Bar:
    """A difference with its interval, drawn into a row of a table.

    Args:
        low: lower end, None where it is not known.
        center: the difference.
        high: upper end.
        tone: by which it is coloured.

    """

    low: float | None
    center: float
    high: float | None
    tone: Tone


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of words and numbers.

    Args:
        name: what the table is, for those who cannot see it.
        head: of the columns; one that begins with `>` holds numbers, one with `~` words that may be many.
        rows: a cell a column; what stands below a line's end is small.
        bars: a picture for each row, in a column of its own; empty for none.
        small: the largest difference that does not matter, a band behind the bars.
        picture: of the bars, for Markdown.

    """

    name: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    bars: Sequence[Bar | None] = ()
    small: float = 0.0
    picture: Picture | None = None

    def place(self, value: float) -> float:
        """Give a value's place between the ends of the scale, in percent; what lies beyond stands at the end."""
        low, high = self._ends()
        return round(100 * min(1.0, max(0.0, (value - low) / (high - low))), 2)

    def is_off(self, value: float) -> bool:
        """Tell whether a value lies beyond the scale, which one far from all others does not stretch."""
        low, high = self._ends()
        return not low <= value <= high

    def _ends(self) -> tuple[float, float]:
        ends = [[each for each in (bar.low, bar.center, bar.high) if each is not None] for bar in self.bars if bar]
        *_, second, largest = sorted([0.0, 0.0, *(max(map(abs, each)) for each in ends)])
        reach = NEAR * second if second and largest > FAR * second else largest
        values = [0.0, *(value for each in ends for value in each)]
        low, high = max(min(values), -reach), min(max(values), reach)
        margin = 0.04 * (high - low) or 1.0
        return low - margin, high + margin


@dataclass(frozen=True, slots=True)
class Matrix:
    """Counts by true class (rows) and predicted class (columns)."""

    classes: Sequence[str]
    counts: Sequence[Sequence[int]]

    def share(self, row: int, column: int) -> float:
        """Give a cell's share of its row, in [0, 1]."""
        return round(self.counts[row][column] / max(1, sum(self.counts[row])), 4)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture.

    Args:
        name: of its file beside the Markdown, without the ending.
        alt: what is to be seen, in words.
        content: of the file.
        kind: its ending.
        caption: below it.

    """

    name: str
    alt: str
    content: bytes
    kind: Literal["png", "svg"] = "png"
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Gallery:
    """Small pictures side by side on the page, and one sheet of them for Markdown."""

    pictures: Sequence[Picture]
    sheet: Picture


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure of Plotly's, as JSON; left out in Markdown.

    Args:
        name: unique on the page.
        alt: what is to be seen, in words.
        figure: its data and layout.
        half: whether two stand side by side where there is room.
        wide: room in rem below which it scrolls inside its box.

    """

    name: str
    alt: str
    figure: str
    half: bool = False
    wide: float = 0.0


@dataclass(frozen=True, slots=True)
class Code:
    """Lines to be typed, or a file's content."""

    text: str


Part = Text | Points | Facts | Table | Matrix | Gallery | Chart | Code


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it.

    Args:
        key: unique on the page, for links.
        title: the heading.
        parts: below it.

    """

    key: str
    title: str
    parts: Sequence[Part]

    @property
    def interactive(self) -> bool:
        """Whether it holds a chart."""
        return any(isinstance(part, Chart) for part in self.parts)
