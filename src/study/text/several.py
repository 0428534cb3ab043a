"""Text of a comparison on several data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.formatting import plural
from study.text.questions import comparison, gaps
from study.text.table import Block

if TYPE_CHECKING:
    from study.metric import Metric
    from study.schemas.several import OverData, SeveralData


def several(found: SeveralData) -> list[Block]:
    """Write the comparison on each data set, then the verdict over all."""
    return [*(block for each in found.comparisons for block in comparison(each)), _over_all(found)]


def _over_all(found: SeveralData) -> Block:
    metric, number = found.judged_by, len(found.data)
    heading = ["Variant", "Mean difference", "95 % interval", "Better on", "Mean rank", "IQM", "95 % interval"]
    others = any(row.p_others is not None for row in found.variants)
    heading += [*(["p elsewhere"] if others else []), "Verdict"]
    title = (
        f"{found.study} on average over {plural(number, 'data set')}, each counting once ({', '.join(found.data)}): "
        f"against {found.against}; Welch's t over seeds, Holm over the variants"
    )
    if others:
        elsewhere = "p elsewhere: Wilcoxon's signed ranks over the data sets (Demsar 2006)."
    else:
        elsewhere = "The verdict is about these data sets. It takes six or more to say something about others."
    notes = ["IQM: interquartile mean of all paired differences (Agarwal et al. 2021).", elsewhere, *_doubts(found)]
    return Block([title], heading, [_row(row, metric, number, others=others) for row in found.variants], notes)


def _doubts(found: SeveralData) -> list[str]:
    """Write what the average leaves out, and where its error is larger than it says."""
    failed = sum(row.failed for each in found.comparisons for row in each.variants)
    looked = max(each.look for each in found.comparisons)
    complete = all(each.complete for each in found.comparisons)
    return [
        *([] if complete else ["Not complete yet: no verdict on the average before every training has run."]),
        *([f"{plural(failed, 'training')} failed: the averages are of those that ended."] if failed else []),
        *([f"Look {looked} at these variants: the error of 5 % is that of a first look."] if looked > 1 else []),
    ]


def _row(row: OverData, metric: Metric, number: int, *, others: bool) -> list[str]:
    rank = "-" if row.rank is None else f"{row.rank:.1f}"
    if row.verdict is None:
        return [row.variant, "-", "-", "-", rank, "-", "-", *(["-"] if others else []), "baseline"]
    elsewhere = [f"{row.p_others:.2g}" if row.p_others is not None else "-"] if others else []
    return [
        row.variant, metric.gap(row.difference), gaps(row.difference_low, row.difference_high, metric),
        f"{row.better} of {number}", rank, metric.gap(row.iqm),
        gaps(row.iqm_low, row.iqm_high, metric), *elsewhere,
        "no difference: the same recipe" if row.same else row.verdict,
    ]  # fmt: skip
