"""A server's queue as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.text.table import Block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.schemas.service import Run


def queue(runs: Sequence[Run]) -> list[Block]:
    """Show a line for each run that has not ended."""
    if not runs:
        return [Block(["Nothing waits, nothing runs."])]
    heads = ["  Run", "Question", "Study", "Person", "Status", "Priority", "Slots", "Why"]
    rows = [
        [f"  {run.id}", run.question, run.study, run.person, run.status, str(run.priority), str(run.slots or "-"),
         run.reason]
        for run in runs
    ]  # fmt: skip
    return [Block((), heads, rows)]
