"""Text of whole studies: the list, the check of a file, synchronization and removal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.formatting import knobs, plural, size
from study.metric import Metric
from study.text.table import Block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.schemas.studies import CheckedStudy, ListedStudy, Removal, Report, SyncedStudy

LISTED = ("  Study", "Trials", "Best", "What it is")
SYNCED = ("Study", "Optuna trials changed", "MLflow trials sent", "Still to send", "Trouble")


def listed(found: Sequence[ListedStudy]) -> list[Block]:
    """Show a line for each study: first a person's own, then those that come with `study`."""
    own, bundled = ([each for each in found if each.bundled is apart] for apart in (False, True))
    return [
        _table("Your studies:", own) if own else Block(["You have no studies yet. `study new NAME` writes one."]),
        *([_table("Bundled with study:", bundled)] if bundled else []),
    ]


def checked(found: CheckedStudy) -> list[Block]:
    """Describe what a study searches, its variants, and whether everything could be tried."""
    ranges = [[f"  {name}", range_] for name, range_ in found.space.items()]
    variants = [[f"  {name}", knobs(each) or "the recipe as it is"] for name, each in found.variants.items()]
    head = f"{plural(len(found.space), 'suggestion')}, found by {plural(found.sampled, 'sample')}:"
    named = f"{plural(len(found.variants), 'variant')}:"
    return [
        Block([f"{found.study} ({found.file}): {found.direction} {found.metric}"]),
        *([Block([head], ["  Name", "Range"], ranges)] if ranges else []),
        *([Block([named], ["  Name", "Knobs"], variants)] if variants else []),
        Block([f"Not tried: {found.not_tried}" if found.not_tried else "All of it fits its model and data."]),
    ]


def report(written: Report) -> list[Block]:
    """Write the path of the page, else of the Markdown."""
    return [Block([written.html or written.markdown or ""])]


def synced(done: Sequence[SyncedStudy]) -> list[Block]:
    """Show a line for each study: what was written to Optuna and MLflow."""
    rows = [["-" if value is None else str(value) for value in each.plain().values()] for each in done]
    return [Block(headings=SYNCED, rows=rows)]


def removal(found: Removal) -> list[Block]:
    """Describe the results that are deleted with a study."""
    return [Block([f"the results of {studies_of(found)}, {size(found.bytes)}"])]


def studies_of(found: Removal) -> str:
    """List the studies with their numbers of trials."""
    return ", ".join(f"{each} ({plural(trials, 'trial')})" for each, trials in found.trials.items())


def _table(title: str, found: Sequence[ListedStudy]) -> Block:
    return Block([title], LISTED, [_listed(each) for each in found])


def _listed(found: ListedStudy) -> list[str]:
    counts = {"complete": found.complete, "pruned": found.pruned, "failed": found.failed, "paused": found.paused}
    counts["unfinished"] = (found.running or 0) - (found.paused or 0)
    trials = ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "-"
    best = Metric(found.metric or "").seen([found.best or 0.0]).value(found.best)
    return [f"  {found.study}", trials, best, found.description]
