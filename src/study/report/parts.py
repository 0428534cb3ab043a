"""The parts of a report's sections, the same for HTML and Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

FAR = 12  # a difference larger than the second largest by this factor does not stretch the scale
NEAR = 2  # the scale then ends at the second largest difference times this factor
Tone = Literal["good", "bad", "same", "open"]


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; text between backticks is code. A `quiet` one is of less weight, such as a chart's caption."""

    text: str
    kind: Literal["plain", "quiet", "warning", "lead"] = "plain"


@dataclass(frozen=True, slots=True)
class Points:
    """A list of short texts."""

    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class Facts:
    """Terms with their values; `large` ones are shown side by side, the second line of a value small."""

    items: Sequence[tuple[str, str]]
    large: bool = False


@dataclass(frozen=True, slots=True)
class Commands:
    """Commands to type, each with what it answers."""

    items: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Bar:
    """A difference with its interval, drawn in a row of a table.

    Args:
        low: lower end of the interval; None if unknown.
        center: the difference.
        high: upper end of the interval; None if unknown.
        tone: decides the colour.

    """

    low: float | None
    center: float
    high: float | None
    tone: Tone


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text and numbers.

    Args:
        name: title of the table, also read by screen readers.
        head: headings of the columns; one that starts with `>` holds numbers, one that starts with `~` long text.
        rows: a cell for each column; the second line of a cell is shown small.
        bars: a bar for each row, in their own column; empty for none.
        small: the smallest difference that matters, drawn as a band behind the bars.
        picture: of the bars, for Markdown.

    """

    name: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    bars: Sequence[Bar | None] = ()
    small: float = 0.0
    picture: Picture | None = None

    def position(self, value: float) -> float:
        """Compute a value's position on the scale, from 0 to 100 per cent; a value off the scale is at its end."""
        low, high = self._ends()
        return round(100 * min(1.0, max(0.0, (value - low) / (high - low))), 2)

    def is_off(self, value: float) -> bool:
        """Tell whether a value is off the scale."""
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
        """Compute a cell's share of its row, in [0, 1]."""
        return round(self.counts[row][column] / max(1, sum(self.counts[row])), 4)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture.

    Args:
        name: of its file beside the Markdown, without the suffix.
        alt: description in words.
        content: of the file.
        kind: file format and suffix.
        caption: text below it.

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
    """A plotly figure, as JSON; left out of the Markdown.

    Args:
        name: unique on the page.
        alt: description in words.
        figure: its data and layout.
        half: whether two charts share a row if there is room.
        wide: minimum width in rem; in less room it scrolls.

    """

    name: str
    alt: str
    figure: str
    half: bool = False
    wide: float = 0.0


@dataclass(frozen=True, slots=True)
class Code:
    """Commands to type, or a file's content."""

    text: str


Part = Text | Points | Facts | Commands | Table | Matrix | Gallery | Chart | Code


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the parts below it.

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
