"""What a search says about its knobs, its pruner and other searches, in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from study.formatting import duration, plural
from study.text.search import state
from study.text.table import Block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.metric import Metric
    from study.schemas.insight import Budget, Importance, Pruning, Searches, SeedPlan, Share, Weight


def importance(found: Importance) -> list[Block]:
    """Show which knobs mattered, compared with chance and with the noise between seeds."""
    metric = found.judged_by
    head = f"{found.study}: what mattered for {metric.name}, over {plural(found.trials, 'complete trial')}"
    if found.lacking:
        return [Block([head, too_few(found), noise(found)])]
    if not found.knobs:
        return [Block([head, "No knob was varied."])]
    shown_best = any(each.best_quarter for each in found.knobs)
    headings = ["Knob", "Trials", "Effect", "fANOVA", "PED-ANOVA", "Says"]
    headings += ["Best quarter: effect", "fANOVA", "PED-ANOVA", "Says"] if shown_best else []
    cells = [
        [
            each.knob,
            str(each.trials),
            *_weight(each.overall, metric),
            *(_weight(each.best_quarter, metric) if shown_best else ()),
        ]
        for each in found.knobs
    ]
    return [Block([head]), Block(headings=headings, rows=cells), Block(importance_notes(found))]


def too_few(found: Importance) -> str:
    """Say how many trials are missing."""
    more = plural(found.lacking, "more complete trial")
    return f"Too few trials: {more} needed. `study run {found.study}` continues the search."


def importance_notes(found: Importance) -> list[str]:
    """Explain the columns of importance, what chance alone would show, and the noise between seeds."""
    metric = found.judged_by
    chance = metric.size(found.chance) if found.chance is not None else "-"
    notes = [
        f"Effect: range of the mean predicted {metric.name} over the tried values of one knob.",
        f"Chance: with this number of trials and knobs, a knob without effect reaches {chance} (one in ten: more).",
        "fANOVA: share of the variance that the knob explains. PED-ANOVA: its share in reaching the best quarter.",
        noise(found),
    ]
    if found.lacking_best_quarter:
        more = plural(found.lacking_best_quarter, "more complete trial")
        notes.append(f"The best quarter is analysed separately after {more}.")
    return notes


def _weight(weight: Weight | None, metric: Metric) -> list[str]:
    if weight is None:
        return ["-"] * 4
    return [metric.size(weight.effect), f"{weight.fanova:.2f}", f"{weight.ped_anova:.2f}", weight.says]


def noise(found: Importance) -> str:
    """Say how much results differ between seeds."""
    known = found.noise
    if known is None:
        return f"Noise between seeds: not known; `study confirm {found.study}` measures it."
    count = known.freedom + known.recipes + known.splits - 1
    runs = f"{plural(count, 'run')} of {plural(known.recipes, 'recipe')} in {known.source}"
    return f"Noise between seeds: {found.judged_by.size(known.sd)} (standard deviation; {runs})."


def pruning(found: Pruning) -> list[Block]:
    """Show what pruning saved, and what it lost according to the audited trials."""
    whole = found.epochs + found.epochs_saved
    lines = [
        f"{found.study}: {found.pruner or 'no'} pruner",
        f"{plural(found.pruned, 'trial')} pruned"
        + (f", {found.diverged} diverged" if found.diverged else "")
        + f"; {found.epochs} epochs trained, {found.epochs_saved} of {whole} saved ({found.share_saved:.0%}, "
        f"about {duration(found.seconds_saved)})",
    ]
    if not found.audited:
        none = "Audit: none yet. One in 20 of the trials that the pruner would stop is trained to its end."
        if found.pruner == "promotion":
            none = "Audit: none, for a paused trial goes on as soon as it is among the best third."
        return [Block([*lines, none])]
    metric = found.judged_by
    cells = [
        [str(row.trial), str(row.pruned_after), str(row.epochs), state(row.state), metric.cell(row.value)]
        for row in found.audited
    ]
    were, them = ("was", "it") if len(found.audited) == 1 else ("were", "them")
    lines.append(
        f"Audit: {plural(len(found.audited), 'trial')} {were} trained on although the pruner would have stopped {them}"
    )
    blocks = [Block(lines), Block(headings=["Trial", "Pruned after", "Epochs", "State", metric.heading], rows=cells)]
    good, best = found.lost_good, found.lost_best
    if good.n:
        lost = [
            "Pruning would have lost, of these:",
            f"  {_of(good)} that ended among the best tenth of all finished trials{_range(good)}",
            f"  {_of(best)} that ended better than every other trial{_range(best)}",
        ]
        blocks.append(Block(lost))
    return blocks


def seed_plan(found: SeedPlan) -> list[Block]:
    """Show how many seeds a comparison needs, and how long they take."""
    metric = found.judged_by
    source = f" (of {found.source}, {found.freedom} degrees of freedom)" if found.source else ""
    lines = [
        f"{found.study}: seeds for a comparison of {plural(found.variants, 'variant')} with {found.against}",
        f"Noise between seeds: {metric.size(found.noise)}{source}",
    ]
    family = f"among {found.variants}"
    headings = ["Difference", "Found, alone", f"Found, {family}", "Ruled out", "Trainings", "Time"]
    rows = [
        [metric.size(each.difference), _seeds(each.seeds_alone), _seeds(each.seeds), _seeds(each.seeds_to_rule_out),
         "-" if each.trainings is None else str(each.trainings),
         "-" if each.seconds is None else duration(each.seconds)]
        for each in found.differences
    ]  # fmt: skip
    shared = f"; all {found.variants} share the error" if found.variants > 1 else ""
    four = "Seeds that find the difference, or rule it out if there is none, in four cases of five"
    notes = [
        f"{four}, in a plan that is fixed in advance{shared}.",
        f"Trainings and time are those of the third column, {found.workers} at a time.",
    ]
    whole = found.differences[1]
    notes += metric.unit_hint("--difference", whole.difference)
    if whole.seeds:
        notes.append(f"Run it:  study compare {found.study} --seeds {whole.seeds}")
    return [Block(lines, headings, rows, notes)]


def _seeds(number: int | None) -> str:
    return "over 10,000" if number is None else str(number)


def _of(share: Share) -> str:
    return f"{round(share.share * share.n)} of {share.n}"


def _range(share: Share) -> str:
    return f" ({share.low:.0%} to {share.high:.0%} with 95 % confidence)" if math.isfinite(share.share) else ""


def searches(found: Searches) -> list[Block]:
    """Set searches side by side at equal budget."""
    metric = found.judged_by
    headings = [heading for each in found.searches for heading in (each.study, "9 in 10 lie")]
    in_trials = [[str(int(each.budget)), *_cells(each, metric)] for each in found.by_trials]
    in_seconds = [[duration(each.budget), *_cells(each, metric)] for each in found.by_seconds]
    told = [
        f"{each.study}: {plural(each.trials, 'finished trial')}, {duration(each.seconds)} of training, best "
        f"{metric.value(each.best)}"
        for each in found.searches
    ]
    told.append("Beyond half of a search's trials its range narrows: it only describes the trials that were run.")
    if len({each.data for each in found.searches}) > 1:
        said = ", ".join(f"{each.study} on {each.data or 'unknown data'}" for each in found.searches)
        told.append(f"The data sets differ, so only the speed of improvement can be compared: {said}.")
    return [
        Block(
            [f"Expected best {metric.heading} by number of trials, over random orders of each search's trials"],
            ["Trials", *headings],
            in_trials,
        ),
        Block(["Expected best by time of training"], ["Training", *headings], in_seconds),
        Block(told),
    ]


def _cells(budget: Budget, metric: Metric) -> Sequence[str]:
    cells: list[str] = []
    for worth in budget.expected_best.values():
        whole = all(map(math.isfinite, (worth.mean, worth.low, worth.high)))
        cells += [metric.cell(worth.mean), metric.interval(worth) if whole else "-"]
    return cells
