"""Text of a comparison, a confirmation and an ablation, for the terminal, notebooks and the report."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from study.formatting import duration, knobs, plural
from study.metric import Ends
from study.text.table import Block

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from study.metric import Metric
    from study.schemas.questions import (
        Ablated,
        Ablation,
        Averaged,
        Compared,
        Comparison,
        Confirmation,
        Contender,
        Judged,
        Spread,
    )

OUTSIDE = "! the published value is outside the range of one more run of ours (95 % prediction interval)"


def comparison(found: Comparison) -> list[Block]:
    """Write how the variants do against the baseline."""
    metric = found.judged_by
    published = any(row.published is not None for row in found.variants)
    named = metric.words if metric.is_accuracy else metric.name
    heading = ["Variant", f"Mean {'test ' if metric.is_accuracy else ''}{named}", "95 % interval", "Difference",
               "95 % interval", "Wins", "n", "Time", *(["Published"] if published else []), "Verdict"]  # fmt: skip
    first = (
        f"{found.study}: against {found.against}, paired over seeds{_units(metric)}; {test_of(found)}, Holm over the "
    )
    rows = [_compared(row, metric, published=published) for row in found.variants]
    more = found.complete and not found.until_sure and any(row.more_seeds for row in found.variants)
    hint = [f"More seeds, by a test that allows this look: study compare {found.study} --until-sure"] if more else []
    return [
        Block([f"{first}family"], heading, rows, [*comparison_notes(found), *hint]),
        *on_new_examples(found, metric),
        *time_to_target(found),
    ]


def on_new_examples(found: Comparison, metric: Metric) -> list[Block]:
    """Write the intervals that hold on new examples; nothing where they are not known."""
    known = [row for row in found.variants if row.mean_new_low is not None]
    if not known or found.examples is None:
        return []
    rows = [[row.variant, metric.cell(row.mean), _span(row.mean_new_low, row.mean_new_high, metric),
             metric.gap(row.difference), gaps(row.difference_new_low, row.difference_new_high, metric)]
            for row in known]  # fmt: skip
    heading = ["Variant", "Mean", "On new examples", "Difference", "On new examples"]
    title = (
        f"The verdicts are about this test set. On new examples, over seeds and {found.examples:,} test examples, "
        "95 % intervals:"
    )
    return [Block([title], heading, rows)]


def time_to_target(found: Comparison) -> list[Block]:
    """Write how soon the variants reach the target; nothing where none was asked for."""
    reaching = found.time_to_target
    if reaching is None:
        return []
    metric, budget = reaching.judged_by, reaching.budget
    side = "or more" if metric.direction == "maximize" else "or less"
    title = (
        f"Epochs until {metric.name} is {metric.value(reaching.target)} {side}, of {budget}; paired over seeds, "
        f"{test_of(found)}, Holm over the family"
    )
    heading = ["Variant", "Reached", "Mean epochs", "95 % interval", "Difference", "95 % interval", "Time", "Verdict"]
    rows = [
        [row.variant, f"{row.reached} of {row.n}", _epochs(row.mean), _epochs(row.mean_low, row.mean_high),
         _epochs(row.difference, signed=True), _epochs(row.difference_low, row.difference_high, signed=True),
         duration(row.seconds) if row.n else "-", row.says or "baseline"]
        for row in reaching.variants
    ]  # fmt: skip
    never = any(row.reached < row.n for row in reaching.variants)
    rule = [f"A training that never reaches it counts as {plural(budget, 'epoch')} (restricted mean)."] if never else []
    note = "A second outcome, with an error of 5 % of its own; larger if the target was chosen after seeing the curves."
    return [Block([title], heading, rows, [*rule, note])]


def _epochs(*values: float | None, signed: bool = False) -> str:
    """Write epochs, or the interval between two; a dash where one is not known."""
    if any(each is None or not math.isfinite(each) for each in values):
        return "-"
    return " to ".join(f"{each:{'+' if signed and each else ''}.1f}" for each in values)


def _span(low: float | None, high: float | None, metric: Metric) -> str:
    return "-" if low is None or high is None else metric.interval(Ends(low, high))


def gaps(low: float | None, high: float | None, metric: Metric) -> str:
    """Write the interval of a difference; a dash where it is not known."""
    return "-" if low is None or high is None else metric.gaps(Ends(low, high))


def test_of(found: Comparison) -> str:
    """Name the test behind the verdicts."""
    if found.until_sure or found.look > 1 or not found.complete:
        return "t tests valid at any time (Wang and Ramdas 2024)"
    return "Student's t"


def comparison_notes(found: Comparison) -> list[str]:
    """Write the notes that are needed to read the values."""
    metric, notes = found.judged_by, list[str]()
    if not found.complete:
        notes.append("Not complete yet, so judged by the test that holds at any time: the same command continues it.")
    if any(row.published_as_expected is False for row in found.variants):
        notes.append(OUTSIDE)
    if found.fixed and any(row.published is not None for row in found.variants):
        notes.append(f"The published values are of other settings: here {knobs(found.fixed)}")
    if found.look > 1 and not found.until_sure:
        notes.append(f"Look {found.look} at these variants: judged by the sequential test, which holds at any time.")
    if found.found_by_search:
        named = ", ".join(f"{name} (trial {trial})" for name, trial in found.found_by_search.items())
        notes.append(f"Found by the search: {named}. The search selected them on its own seed, which is left out here.")
    if (others := found.family - len(found.variants) + 1) > 0:
        notes.append(f"{plural(others, 'other recipe')} had been looked at before: all {found.family} share the error.")
    notes += spread(found.spread, metric)
    notes += [note for row in found.variants if (note := shape(row))]
    notes += failures({row.variant: row for row in found.variants})
    if len(found.variants) > 1:
        notes.append(f"--smallest {found.smallest}: differences below {metric.size(found.smallest)} count as none.")
        notes += metric.unit_hint("--smallest", found.smallest)
    return notes


def spread(found: Spread | None, metric: Metric) -> list[str]:
    """Write how values vary between splits and between trainings on one; nothing where it is not known."""
    if found is None:
        return []
    sizes = f"{metric.size(found.split)} between splits, {metric.size(found.seed)} between trainings on one split"
    over = f"{plural(found.recipes, 'recipe')} on {found.splits} splits"
    return [f"Each seed has its own split. Standard deviations: {sizes} ({over})."]


def shape(row: Compared) -> str:
    """Write why a variant's verdict is less sure than it says; empty if its differences look normal."""
    if row.looks is None or row.verdict not in {"helps", "hurts"}:
        return ""
    flipped = f"Flipping signs gives p = {row.p_flipped:.2g} for it alone"
    return f"{row.variant}: the differences look {row.looks}, for which a t test of few seeds is unreliable. {flipped}."


def failures(rows: Mapping[str, Averaged]) -> list[str]:
    """Write how many trainings failed, with the upper bound of the share; nothing before the first training."""
    there = {name: row for name, row in rows.items() if row.n + row.failed}
    if not there:
        return []
    if any(row.failed for row in there.values()) or len({row.n for row in there.values()}) > 1:
        named = [f"{name} {failed(row)}" for name, row in there.items()]
        return [f"Failed: {', '.join(named)}. All figures are of the completed trainings."]
    first = next(iter(there.values()))
    return [
        f"No training failed: of {first.n} each, a share of failures below {100 * first.failed_high:.0f} % is possible."
    ]


def failed(row: Averaged) -> str:
    """Write how many trainings failed, and the upper bound of the share: `1 of 10 (below 40 %)`."""
    ran = row.n + row.failed
    return f"{row.failed} of {ran}{f' (below {100 * row.failed_high:.0f} %)' if row.failed < ran else ''}"


def _compared(row: Compared, metric: Metric, *, published: bool) -> list[str]:
    mark = " !" if row.published_as_expected is False else ""
    published_value = f"{metric.cell(row.published)}{mark}" if row.published is not None else "-"
    return [
        row.variant,
        *averaged(row, metric),
        *differing(row, metric),
        wins(row),
        str(row.n),
        duration(row.seconds) if math.isfinite(row.seconds) else "-",
        *([published_value] if published else []),
        row.says or "baseline",
    ]


def wins(row: Compared) -> str:
    """Write the share of seeds that a variant wins, with its interval: `80 % (49 to 94)`."""
    if row.win_rate is None or row.win_rate_low is None or row.win_rate_high is None or not math.isfinite(row.win_rate):
        return "-"
    return f"{100 * row.win_rate:.0f} % ({100 * row.win_rate_low:.0f} to {100 * row.win_rate_high:.0f})"


def confirmation(found: Confirmation) -> list[Block]:
    """Write the table of the race, and the winner's scores on the test split."""
    metric = found.judged_by
    unit = " (accuracies in %)" if metric.is_accuracy else ""
    top = plural(len(found.contenders), "trial")
    race = Block(
        [f"{found.study}: {metric.name} of the best {top} on {found.seeds} fresh seeds{unit}"],
        ["Trial", "Search", "Fresh seeds", "95 % interval", "n", "Outcome", "Knobs"],
        [
            [str(each.trial), metric.cell(each.search_value), *averaged(each, metric), str(each.n),
             outcome(found, each), knobs(each.overrides)]
            for each in found.contenders
        ],
        [
            *spread(found.spread, metric),
            *([] if found.winner is not None else ["The race is not over: the same command continues it."]),
        ],
    )  # fmt: skip
    return [race] if found.winner is None else [race, _scores(found, metric)]


def outcome(found: Confirmation, each: Contender) -> str:
    """Write a contender's outcome in the race."""
    if found.winner is not None and each.trial == found.winner:
        return f"winner, failed {each.failed} of {each.n + each.failed}" if each.failed else "winner"
    if each.dropped_after is not None:
        return f"dropped after {each.dropped_after}"
    if each.failed:
        return f"failed {each.failed} of {each.n + each.failed}"
    if found.winner is None:
        return "in the race"
    return "surely worse" if each.surely_worse else "may be as good"


def _scores(found: Confirmation, metric: Metric) -> Block:
    scores = [score for score in (found.score, found.baseline) if score]
    notes = ["Not complete yet: the same command continues it."]
    if found.complete:
        following = f"`study ablate {found.study}` says which knobs matter; `study register {found.study}` keeps it."
        failing = failures({score.name: score for score in scores})
        notes = [*gain(found), *optimism(found), *spread(found.score_spread, metric), *failing, f"Next: {following}"]
    return Block(
        [f"Test split, {found.seeds} further seeds: {metric.words} of the winner and of the baseline, 95 % intervals"],
        ["", "Score", "On this test set", "On new examples", "n"],
        [
            [score.name, *averaged(score, metric), _span(score.mean_new_low, score.mean_new_high, metric), str(score.n)]
            for score in scores
        ],
        notes,
    )


def gain(found: Confirmation) -> list[str]:
    """Write the winner's gain over the baseline; nothing if it is unknown."""
    metric, within = found.judged_by, gain_within(found)
    return [f"Gain over the baseline: {metric.gap(found.gain)}{metric.unit} ({within})"] if within else []


def gain_within(found: Confirmation) -> str:
    """Write the intervals of the gain; empty if it is unknown."""
    metric = found.judged_by
    if found.gain_low is None or found.gain_high is None:
        return ""
    here = _told(found.gain_low, found.gain_high, "on this test set", metric)
    if found.gain_new_low is None or found.gain_new_high is None:
        return here
    return f"{here}; {_told(found.gain_new_low, found.gain_new_high, 'on new examples', metric)}"


def _told(low: float, high: float, where: str, metric: Metric) -> str:
    return f"{metric.gaps(Ends(low, high))} {where}" + (", not distinguishable from none" if low <= 0 <= high else "")


def optimism(found: Confirmation) -> list[str]:
    """Write how much better the winner looked in the search; nothing if it is unknown."""
    metric = found.judged_by
    if found.optimism is None:
        return []
    seen = f"trial {found.winner} had {metric.value(found.search_value)} in the search"
    return [f"Optimism removed: {metric.gap(found.optimism)}{metric.unit} ({seen})"]


def ablation(found: Ablation) -> list[Block]:
    """Write what each knob of the winner contributes."""
    metric = found.judged_by
    heading = ["Recipe", f"Mean {metric.name}", "95 % interval", "Difference", "95 % interval", "n", "Verdict"]
    groups = [
        (f"Trial {found.trial}, the winner, without:", [found.winner, *_side(found, "less")]),
        ("The baseline with:", [found.baseline, *_side(found, "plus")]),
        ("The winner without several knobs at once:", _side(found, "simplest")),
    ]
    first = f"{found.study}: {found.seeds} fresh seeds, paired{_units(metric)}; Student's t, Holm over each group"
    tables = [Block([title], heading, [_ablated(row, metric) for row in rows]) for title, rows in groups if rows]
    failing = failures({row.label: row for row in (found.winner, found.baseline, *found.rows)})
    return [Block([first]), *tables, Block([*conclusion(found), *failing])]


def conclusion(found: Ablation) -> list[str]:
    """Write which knobs can be dropped."""
    if not found.complete:
        return ["Not complete yet: the same command continues it."]
    smallest, hint = found.judged_by.size(found.smallest), found.judged_by.unit_hint("--smallest", found.smallest)
    if found.simplest is None:
        return [f"No knob can be dropped with a loss surely below {smallest}; more --seeds may show one.", *hint]
    kept = knobs(found.simplest) or "the study's own recipe"
    return [
        f"Can be dropped, with a loss that is surely below {smallest}: {', '.join(found.dropped)}",
        f"Simplest recipe no worse than the winner: {kept}",
        *hint,
    ]


def _side(found: Ablation, side: str) -> list[Ablated]:
    return [row for row in found.rows if row.side == side]


def _ablated(row: Ablated, metric: Metric) -> list[str]:
    label = ", ".join(row.knobs) or row.label
    return [label, *averaged(row, metric), *differing(row, metric), str(row.n), row.says or "-"]


def contribution(verdict: str, says: str, side: str | None, names: Sequence[str]) -> str:
    """Write what knobs do: where the recipe without `lr` is worse, `lr helps`.

    Args:
        verdict: on the recipe without the knobs, or with them for side "plus".
        says: the verdict in words.
        side: "less", "plus" or "simplest".
        names: of the knobs.

    """
    if verdict not in {"helps", "hurts"}:
        return says
    does = "help" if (verdict == "helps") == (side == "plus") else "hurt"
    return f"{' and '.join(names)} {does}{'s' if len(names) == 1 else ''}{says.removeprefix(verdict)}"


def averaged(row: Averaged, metric: Metric) -> Sequence[str]:
    """Write a mean and its interval as two cells."""
    if row.mean is None or row.mean_low is None or row.mean_high is None:
        return metric.cell(row.mean), "-"
    return metric.cell(row.mean), metric.interval(Ends(row.mean_low, row.mean_high))


def differing(row: Judged, metric: Metric) -> Sequence[str]:
    """Write a difference and its interval as two cells."""
    if row.difference is None or row.difference_low is None or row.difference_high is None:
        return metric.gap(row.difference), "-"
    return metric.gap(row.difference), metric.gaps(Ends(row.difference_low, row.difference_high))


def _units(metric: Metric) -> str:
    return " (accuracies in %, differences in points)" if metric.is_accuracy else ""
