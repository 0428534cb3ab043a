"""The search as it goes on: a view redrawn in place on a terminal, plain lines anywhere else."""

from __future__ import annotations

import logging
import textwrap
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from study.formatting import duration, knobs, plural, wrapped
from study.progress import (
    Notice,
    Preparing,
    Progress,
    SearchStarted,
    TrialEnded,
    TrialEpoch,
    TrialPaused,
    TrialPlaced,
    TrialStarted,
    Written,
)
from study.terminal.console import hiding_news
from study.terminal.frame import Frame
from study.text.table import clip

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from rich.console import Console, RenderableType

    from study.running.board import Board, Placed, Running
    from study.terminal.console import Terminal

log = logging.getLogger("study")
FRAMES_PER_SECOND = 4
STOPPING = "Stopping after the current epochs. Press Ctrl-C again to stop at once."
STOPPING_SOON = "Stopping within seconds. Epochs that take longer are trained again by the same command."


@contextmanager
def shown(terminal: Terminal, board: Board) -> Generator[Callable[[Progress], None]]:
    """Give a function that shows each event, after the board has taken it."""
    if not terminal.live:
        yield lambda progress: tell(progress, board)
        return
    from rich.live import Live

    console = terminal.console()
    frame = Frame(console)
    view = Live(
        console=console,
        get_renderable=lambda: frame.next(draw(board, console)),
        refresh_per_second=FRAMES_PER_SECOND,
        transient=True,
    )

    def show(progress: Progress) -> None:
        if frame.is_broken():  # before a line is printed above it
            view.refresh()
        tell(progress, board)

    with view, hiding_news():
        yield show
        view.refresh()


def tell(progress: Progress, board: Board) -> None:
    """Log an event in one line; which of them are shown is the log level's matter."""
    match progress:
        case Preparing():
            log.debug(progress.text)
        case SearchStarted():
            log.info(_opening(progress, board))
        case TrialStarted():
            log.debug("Trial %d starts%s %s", progress.trial, _named(progress.variant), knobs(progress.overrides))
        case TrialPlaced(number, host):
            log.debug("Trial %d trains on node %s", number, host)
        case TrialEpoch():
            value = board.metric.value(progress.epoch.metrics.get(board.metric.name))
            log.debug("Trial %d epoch %d: %s %s", progress.trial, progress.epoch.number, board.metric.name, value)
        case TrialPaused(number):
            log.info(_pausing(board.paused[number], board))
        case TrialEnded():
            log.log(logging.WARNING if progress.ended.state == "failed" else logging.INFO, _ending(progress, board))
        case Notice():
            log.warning(progress.text)
        case Written():
            log.info("%s: %s", progress.what, ", ".join(map(str, progress.paths)))


def _opening(progress: SearchStarted, board: Board) -> str:
    paused = f", {len(board.paused)} paused" if board.paused else ""
    going_on = f", {plural(progress.resumed, 'trial')} to go on with" if progress.resumed else ""
    slots = f"; {plural(progress.slots, 'trial')} at a time" if progress.slots else ""
    return f"{progress.study}: {progress.finished} of {progress.target} trials finished{paused}{going_on}{slots}"


def _pausing(trial: Running, board: Board) -> str:
    what, epochs = f"Trial {trial.number}{_named(trial.variant)}", plural(trial.epochs, "epoch")
    value = board.metric.value(trial.value)
    return f"{what} paused after {epochs} with value: {value}{_changed(trial.overrides)}.{_so_far(board)}"


def _so_far(board: Board) -> str:
    best = board.best
    named = f" Best is trial {best.number} with value: {board.metric.value(best.value)}." if best else ""
    return f" [{board.reached}/{board.target}]{named}"


def _ending(progress: TrialEnded, board: Board) -> str:
    """As Optuna writes it, and how far the search is."""
    ended, what = progress.ended, f"Trial {progress.trial}{_named(progress.variant)}"
    value, changed, so_far = board.metric.value(ended.value), _changed(progress.overrides), _so_far(board)
    if ended.repeats is not None:
        return f"{what} repeats trial {ended.repeats}, recipe and seed, with value: {value}{changed}.{so_far}"
    if ended.state == "complete":
        return f"{what} finished with value: {value}{changed}.{so_far}"
    if ended.state == "pruned":
        reached = f", value: {value}" if ended.value is not None else ""
        return f"{what} pruned after {plural(progress.epochs, 'epoch')}{reached}: {ended.reason}{changed}.{so_far}"
    return f"{what} failed after {plural(progress.epochs, 'epoch')}: {ended.reason}{changed}.{so_far}"


def _named(variant: str | None) -> str:
    return f" ({variant})" if variant else ""


def _changed(overrides: Mapping[str, Any]) -> str:
    return f" ({knobs(overrides)})" if overrides else ""


def draw(board: Board, console: Console) -> RenderableType:
    """Draw the board at the console's width: where the search stands, the best so far, a line for each worker."""
    from rich.console import Group
    from rich.text import Text

    if not board.target:
        return Text(board.doing, style="dim")
    width = console.width
    lines = [_progress(board, width), *_pace(board, width), *_best(board, width)]
    workers = sorted(board.running.values(), key=lambda trial: trial.number)
    room = max(2, console.height - len(lines) - 4)  # for the leaderboard and the workers, who come first
    rest = max(0, room - min(len(workers), max(2, room // 2)))
    leaders = [_ended(trial, board, width) for trial in board.leaders[1:][:rest]]
    room -= len(leaders)
    lines += [*leaders, *_last(board, width), *(_worker(trial, board, width) for trial in workers[:room])]
    if len(workers) > room:
        lines.append(Text(f"  and {len(workers) - room} more", style="dim"))
    if board.stopping:
        lines += [Text(line, style="bold yellow") for line in wrapped(board.stopping, width)]
    return Group(*lines)


def _progress(board: Board, width: int) -> RenderableType:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    row = Table.grid(padding=(0, 2, 0, 0))
    row.add_column(no_wrap=True)
    row.add_column(width=max(10, min(40, width // 3)))
    row.add_column(no_wrap=True)
    shares = sum(trial.epochs / (board.length(trial) or 10) for trial in tuple(board.running.values()))
    row.add_row(
        Text(clip(board.study, max(12, width // 3)), style="bold"),
        ProgressBar(total=max(1, board.target), completed=min(board.target, board.reached + shares)),
        f"{board.reached}/{board.target} trials",
    )
    return row


def _pace(board: Board, width: int) -> list[RenderableType]:
    """Trials by state, how fast they come and when the last one is expected: one line where there is room, else two."""
    from rich.text import Text

    paused = f"{len(board.paused)} paused  " if board.paused else ""
    counts = f"{board.complete} complete  {board.pruned} pruned  {paused}"
    failed = f"{board.failed} failed"
    hosts = {trial.host for trial in tuple(board.running.values())} - {""}
    where = f" on {plural(board.slots, 'slot')}, {plural(len(hosts), 'node')}" if hosts else ""
    running = f"  {len(board.running)} running{where}"
    line = Text.assemble(counts, (failed, "bold red" if board.failed else ""), running)
    pace: list[str] = []
    if (rate := board.per_minute()) is not None:
        pace.append(f"{rate:.1f} trials/min")
    if (left := board.seconds_left()) is not None:
        ends = datetime.now().astimezone() + timedelta(seconds=left)
        day = "" if left < 12 * 3600 else f"{ends:%a} "
        pace.append(f"ends about {day}{ends:%H:%M}, in {duration(left)}")
    if len(line) + sum(map(len, pace)) + 4 <= width:
        return [Text("  ").join([line, *map(Text, pace)])]
    return [line, Text(clip("  ".join(pace), width))]


def _best(board: Board, width: int) -> list[RenderableType]:
    """The best value and its trial, and on lines of their own the knobs; those of the next best follow."""
    from rich.text import Text

    if board.best is None:
        return [Text("best: none yet", style="dim")]
    best = board.best
    head = f"best {board.metric.name} {board.metric.value(best.value)}  trial {best.number}{_named(best.variant)}"
    changed = textwrap.wrap(knobs(best.overrides), width - 2, max_lines=2, placeholder=" …", break_on_hyphens=False)
    return [Text(clip(head, width), style="bold green"), *(Text(f"  {line}") for line in changed)]


def _last(board: Board, width: int) -> list[RenderableType]:
    """The trial that ended last."""
    from rich.text import Text

    if board.last is None:
        return []
    how = {"complete": "", "pruned": "pruned, ", "failed": "failed, "}.get(board.last.state, "")
    return [Text(f"last finished, {how}after {plural(board.last.epochs, 'epoch')}:"), _ended(board.last, board, width)]


def _ended(trial: Placed, board: Board, width: int) -> RenderableType:
    """A trial that has ended: its value, its variant and its knobs."""
    return _row(f"  trial {trial.number:<4} {board.metric.value(trial.value):>7}", trial, width, "green")


def _worker(trial: Running, board: Board, width: int) -> RenderableType:
    length = board.length(trial)
    epochs = f"epoch {trial.epochs}/{length}" if length else f"epoch {trial.epochs}"
    head = f"  trial {trial.number:<4} {board.metric.value(trial.value):>7}  {_bar(trial.epochs, length)}  {epochs:<11}"
    head += f"  {trial.host}" if trial.host else ""
    return _row(head, trial, width, "cyan")


def _row(head: str, trial: Running | Placed, width: int, style: str) -> RenderableType:
    """A line of the given head, then the trial's variant and as many of its knobs as have room."""
    from rich.text import Text

    tail = f"  {trial.variant or ''}{' ' if trial.variant else ''}{knobs(trial.overrides)}"
    room = width - len(head)
    return Text.assemble((clip(head, width), style), (clip(tail, room) if room > len("  …") else "", "dim"))


def _bar(done: int, length: int | None) -> str:
    """Ten characters of an epoch's bar."""
    filled = 0 if not length else round(10 * min(1.0, done / length))
    return "━" * filled + "─" * (10 - filled)
