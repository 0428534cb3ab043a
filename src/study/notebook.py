"""A progress bar in a notebook: how many trials are finished, the best so far, the pace; quiet everywhere else.

IPython is no dependency: it is used where it is loaded already.
"""

from __future__ import annotations

import importlib
import sys
import time
import warnings
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from study.formatting import duration
from study.progress import TrialEpoch
from study.running.board import Board

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from study.progress import Progress

SECONDS_BETWEEN = 0.25  # updates after epochs; a trial that starts or ends is shown at once
TERMINAL = "TerminalInteractiveShell"  # IPython's class of a terminal, which shows no HTML


def is_here() -> bool:
    """Tell whether the program runs in a notebook, or another shell of IPython's that shows HTML."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and type(shell).__name__ != TERMINAL


if is_here():  # Optuna loads tqdm, which complains where ipywidgets is missing; our bar needs neither
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")
        importlib.import_module("tqdm.auto")


def watcher(home: Path) -> Callable[[Progress], None] | None:
    """Give a function that shows a run's events as a progress bar; None outside of a notebook.

    Args:
        home: folder of all results.

    """
    return Bar(home).take if is_here() else None


@dataclass(slots=True)
class Bar:
    """A progress bar, shown below the notebook's cell when the first run starts.

    Args:
        home: folder of all results.
        board: the state of the run.

    """

    home: Path
    board: Board = field(default_factory=Board)
    _handle: Any = None
    _shown: float = 0.0

    def take(self, progress: Progress) -> None:
        """Apply the next event, and show it."""
        self.board.follow(progress, self.home)
        if not self.board.target:  # it is being prepared
            return
        if not isinstance(progress, TrialEpoch) or time.monotonic() - self._shown > SECONDS_BETWEEN:
            self._show()

    def _show(self) -> None:
        from IPython.display import display  # noqa: PLC0415 - loaded already, or this is not called

        self._shown = time.monotonic()
        if self._handle is None:
            self._handle = display(self, display_id=True)
        else:
            self._handle.update(self)

    def __repr__(self) -> str:
        """Say in one line how far the run is."""
        return " · ".join(self._parts())

    def _repr_html_(self) -> str:
        done, target = self.board.reached, max(1, self.board.target)
        bar = f'<progress value="{min(done, target)}" max="{target}" style="width:20em"></progress>'
        return f"<div>{bar} {escape(' · '.join(self._parts()))}</div>"

    def _parts(self) -> list[str]:
        board = self.board
        parts = [f"{board.study}: {board.reached}/{board.target} trials"]
        if board.paused:
            parts.append(f"{len(board.paused)} paused")
        if board.failed:
            parts.append(f"{board.failed} failed")
        if board.best is not None:
            number, value, variant = board.best.number, board.best.value, board.best.variant
            named = f" ({variant})" if variant else ""
            parts.append(f"best {board.metric.name} {board.metric.value(value)} by trial {number}{named}")
        if (rate := board.per_minute()) is not None:
            parts.append(f"{rate:.1f} trials/min")
        left = board.seconds_left()
        return [*parts, f"{duration(left)} left"] if left else parts
