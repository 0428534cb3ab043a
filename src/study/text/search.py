"""A search in words: its counts, its best trial, its variants and trials, what it says of itself, what it would do."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from study.formatting import duration, knobs, plural, size
from study.text.table import Block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.metric import Metric
    from study.schemas.search import Counts, EndedSearch, Overview, Plan, Remark
    from study.schemas.trial import Trial

STATE_WORDS = {"running": "unfinished"}  # the folder does not say whether a process is training it now

REMARKS = "Remarks on the search"


def state(named: str, *, paused: bool = False) -> str:
    """Write a trial's state; a paused one is `paused`, another that has not ended `unfinished`."""
    return "paused" if paused else STATE_WORDS.get(named, named)


def paused(count: int) -> str:
    """Say how many trials the pruner has paused, and what becomes of them."""
    each = "1 trial is paused: it" if count == 1 else f"{count} trials are paused: each"
    goes_on = "goes on if it comes among the best third; otherwise it counts as pruned at the end"
    return f"{each} {goes_on}"


def counts(found: Counts) -> str:
    """Write `12 finished (9 complete, 3 pruned), 1 failed, 5 paused, 2 unfinished; 34 min of training`."""
    parts = [f"{found.finished} finished ({found.complete} complete, {found.pruned} pruned)"]
    parts += [f"{found.failed} failed"] if found.failed else []
    parts += [f"{found.paused} paused"] if found.paused else []
    unfinished = found.running - found.paused
    parts += [f"{unfinished} unfinished"] if unfinished else []
    return f"{', '.join(parts)}; {duration(found.seconds)} of training"


def best(found: Counts) -> list[str]:
    """Name the best trial, and on a second line its knobs."""
    trial, metric = found.best, found.judged_by
    if trial is None:
        return ["No complete trial yet."]
    named = f" ({trial.variant})" if trial.variant else ""
    changed = knobs(trial.overrides) or "the study's recipe as it is"
    return [f"Best {metric.name}: {metric.value(trial.value)} by trial {trial.trial}{named}", f"  {changed}"]


def variants(found: Counts) -> Block:
    """Lay out each variant's value, best first, and what it adds to the baseline."""
    metric = found.judged_by
    rows = [
        [
            each.variant,
            str(each.trial),
            state(each.state),
            metric.cell(each.value),
            "baseline" if each.trial == found.baseline else metric.gap(each.difference),
        ]
        for each in found.variants
    ]
    return Block(headings=["Variant", "Trial", "State", metric.heading, "Difference"], rows=rows)


def trials(rows: Sequence[Trial], metric: Metric, others: int = 0) -> Block:
    """Lay out one line for each trial.

    Args:
        rows: the trials.
        metric: their value's.
        others: how many more there are.

    """
    cells = [
        [
            str(row.trial),
            state(row.state, paused=row.paused),
            metric.cell(row.value),
            str(row.epochs),
            duration(row.seconds),
            row.variant or "",
            row.reason if row.state == "failed" else knobs(row.overrides),
        ]
        for row in rows
    ]
    more = [f"and {others} more (--top {len(rows) + others})"] if others else []
    headings = ["Trial", "State", metric.heading, "Epochs", "Time", "Variant", "Knobs"]
    return Block(headings=headings, rows=cells, notes=more)


def closing(found: Counts) -> list[Block]:
    """Summarize a search and name the next commands; only a recipe with a seed can be confirmed."""
    blocks = [Block([f"{found.study}: {counts(found)}", *best(found)])]
    if found.variants:
        listed = variants(found)
        once = ["These are single-seed results: differences of this size can be noise."]
        once += [f"Compare on ten seeds: study compare {found.study}"] if found.has_seed else []
        blocks.append(Block((), listed.headings, listed.rows, once if len(found.variants) > 1 else ()))
    ways = [f"Look closer:  study show {found.study}"]
    ways += [f"Confirm it:   study confirm {found.study}"] if found.has_seed and found.complete > 1 else []
    return [*blocks, Block([*ways, "Pictures:     study ui"])]


def overview(found: Overview) -> list[Block]:
    """Show a search's counts, its best trial, its variants, its trials and what it says of itself."""
    blocks = [Block([f"{found.study}: {found.direction} {found.metric}", counts(found), *best(found)])]
    blocks += [variants(found)] if found.variants else []
    blocks.append(trials(found.trials, found.judged_by, found.others))
    blocks += [Block([found.failures])] if found.failures else []
    blocks += [remarks(found.remarks)] if found.remarks else []
    return blocks


def failures(name: str, reasons: Sequence[str]) -> str:
    """Say in one line why trials failed, the commonest reason first; empty if none did."""
    if not reasons:
        return ""
    common = max(reasons, key=reasons.count)
    return f"{plural(len(reasons), 'trial')} of {name} failed, {reasons.count(common)} with: {common}"


def remarks(found: Sequence[Remark]) -> Block:
    """Write a line for each remark, and under it what to do."""
    return Block([f"{REMARKS}:", *("- " + "\n  ".join(remark(each)) for each in found)])


def remark(found: Remark) -> list[str]:
    """Write a remark: what was found, and what to do if there is something."""
    return [f"{found.text[:1].upper()}{found.text[1:]}.", *([found.fix] if found.fix else [])]


def plan(found: Plan) -> Block:
    """Say what a search would do, how long it would take and how large it would be."""
    left = max(0, found.target - found.finished)
    lines = [
        f"Study       {found.study}",
        f"Trials      {found.target}, {found.finished} of them finished already, {left} to run",
        f"At a time   {plural(found.slots, 'trial')} on {found.device}",
        f"Epoch       {duration(found.seconds_per_epoch)}, measured",
    ]
    if found.epochs is not None:
        lines.append(f"Trial       {plural(found.epochs, 'epoch')}")
    if found.expected_seconds is not None:
        ends = datetime.now().astimezone() + timedelta(seconds=found.expected_seconds)
        lines.append(
            f"Time        {duration(found.expected_seconds)} at most, until {ends:%a %H:%M}; pruning shortens it"
        )
    return Block([*lines, f"Disk        {size(found.disk_bytes)}"])


def ended(found: EndedSearch, *, trained: bool, recorded: float | None) -> list[Block]:
    """Say how a call of a search ended."""
    blocks = closing(found)
    if found.status == "finished" and not trained:
        again = f"{found.study} has its {found.target} finished trials already; a larger --trials adds to them."
        blocks.insert(0, Block([again]))
    if recorded is not None and found.best is not None and found.best.value is not None:
        blocks.append(Block([_repeated(found.best.value, recorded, found.judged_by)]))
    return blocks


def _repeated(value: float, recorded: float, metric: Metric) -> str:
    """Compare a repeated training's value with the recorded one."""
    if value == recorded:
        return f"The value equals the recorded one to the bit: {recorded!r}"
    by = metric.size(value - recorded)
    return f"The value differs from the recorded one by {by}: {value!r} now, {recorded!r} recorded"
