"""A view that is redrawn in place, when the window becomes narrower: its old lines are broken, and are erased whole.

Rich moves up by as many lines as it drew. A terminal that becomes narrower breaks these lines into more, so that the
top of the old view would stay behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

ERASE = "\r\x1b[2K"
UP = "\x1b[1A"


class Frame:
    """The lines that were drawn last.

    Args:
        console: where Rich's live display draws them.

    """

    def __init__(self, console: Console) -> None:  # noqa: D107 - see the class
        self._console = console
        self._drawn: list[int] = []

    def is_broken(self) -> bool:
        """Tell whether the terminal has become narrower than a line that was drawn."""
        return max(self._drawn, default=0) > self._console.width

    def next(self, view: RenderableType) -> RenderableType:
        """Prepare for the next view: erase the lines that the terminal has added by breaking the last ones.

        Args:
            view: what is drawn next.

        Returns:
            The same, to be given to Rich at once.

        """
        width = max(1, self._console.width)
        if added := sum((length - 1) // width for length in self._drawn if length > width):
            self._console.file.write(ERASE + (UP + ERASE) * added)
        lines = self._console.render_lines(view, pad=False)
        self._drawn = [sum(segment.cell_length for segment in line) for line in lines]
        return view
