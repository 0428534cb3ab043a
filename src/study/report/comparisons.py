"""The sections that compare recipes: the variants, the ablation, the importance of the knobs."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from study.formatting import duration, knobs
from study.insight import seed_noise
from study.insight.importance import assess
from study.plots import figures
from study.report.parts import Bar, Picture, Section, Table, Text
from study.sampling.storage import frozen
from study.text import insight, questions
from study.text.search import state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from study.insight.importance import Importance
    from study.metric import Metric
    from study.questions.ablation import Ablation, AblationRow
    from study.questions.comparison import VariantRow
    from study.record.trial import Trial, TrialRow
    from study.report.found import Compared, Found
    from study.report.parts import Part, Tone
    from study.stats.verdicts import Contrast

WEIGHED = 300  # largest number of trials to compute importance from; for 1,800, fANOVA takes 40 s
TONES: dict[str, Tone] = {"helps": "good", "hurts": "bad", "no difference": "same", "not enough seeds": "open"}


def variants(found: Found) -> Section | None:
    """Make the section of the variants: compared on equal seeds, else with their single trials in the search."""
    return Section("variants", "Variants", parts) if (parts := list(_variants(found))) else None


def _variants(found: Found) -> Iterator[Part]:
    if found.compared:
        yield from _compared(found, found.compared)
        return
    if found.otherwise:
        yield Text(f"A comparison was trained with other settings than the search, `{knobs(found.otherwise)}`, so its "
                   f"values are not shown beside these; `study compare {found.name} --show` prints them.",
                   "warning")  # fmt: skip
    seen = [trial for trial in found.trials if trial.row.variant]
    if len(seen) < 2:
        return
    yield Text("Their trials in the search, one seed each; one seed decides nothing.")
    yield _seen(found)


def _compared(found: Found, compared: Compared) -> Iterator[Part]:
    question = compared.question
    test = questions.test_of(compared.found.record())
    yield Text(
        f"Test split; differences to {question.against} in pairs of equal seeds; {test}, Holm over the family, "
        f"intervals of 95 % over the family. Differences below {found.metric.factor * question.smallest:g}"
        f"{found.metric.unit} count as none."
    )
    rows = _sorted(compared.rows, found.metric)
    published = any(row.published for row in rows)
    head = ["Variant", ">Difference", "~Verdict", ">Mean", ">Wins", ">n", ">Time"]
    head += [">Published"] if published else []
    cells = [_cells(found, row, published=published) for row in rows]
    small = question.smallest * found.metric.factor
    bars = [bar(found, row.comparison) for row in rows]
    axis = f"difference to {question.against} on the test split"
    picture = _forest(found, {row.variant: row.comparison for row in rows}, "variants", axis)
    yield Table("The variants on equal seeds", head, cells, bars, small, picture)
    record = compared.found.record()
    for note in questions.comparison_notes(record):
        yield Text(note)
    further = {"On new examples": questions.on_new_examples(record, found.metric)}
    further["Epochs until the target"] = questions.time_to_target(record)
    for name, block in ((name, block) for name, blocks in further.items() for block in blocks):
        yield Text(block.lines[0])
        yield Table(name, [block.headings[0], *map(_aligned, block.headings[1:])], block.rows)
        for note in block.notes:
            yield Text(note)


def _aligned(heading: str) -> str:
    return f"{'~' if heading == 'Verdict' else '>'}{heading}"


def _sorted(rows: Sequence[VariantRow], metric: Metric) -> list[VariantRow]:
    """Best mean first, those without one last."""
    return sorted(rows, key=lambda row: -metric.sign * row.mean.value if row.mean else math.inf)


def _cells(found: Found, row: VariantRow, *, published: bool) -> list[str]:
    metric, comparison = found.metric, row.comparison
    cells = [
        row.variant,
        metric.difference(comparison),
        comparison.words(metric.factor, metric.unit) if comparison else "baseline",
        metric.mean(row.mean),
        questions.wins(row.record(metric)),
        str(row.mean.n if row.mean else 0),
        duration(row.seconds) if math.isfinite(row.seconds) else "-",
    ]
    if published:
        mark = " !" if row.as_expected is False else ""
        cells.append(f"{metric.value(row.published.value)}{mark}" if row.published else "-")
    return cells


def bar(found: Found, comparison: Contrast | None) -> Bar | None:
    """Make the bar of a difference, in the unit shown; None for the baseline and for an unknown difference."""
    if comparison is None or not math.isfinite(comparison.difference):
        return None
    factor, interval = found.metric.factor, comparison.interval
    known = math.isfinite(interval.low) and math.isfinite(interval.high)
    low, high = (factor * interval.low, factor * interval.high) if known else (None, None)
    return Bar(low, factor * comparison.difference, high, TONES[comparison.verdict])


def ablation(found: Found) -> Section | None:
    """Make the section of the ablation: what each knob of the winner contributes, and which can be dropped."""
    return Section("ablation", "Ablation", list(_ablation(found, found.ablation))) if found.ablation else None


def _ablation(found: Found, ablated: Ablation) -> Iterator[Part]:
    if not ablated.complete:
        yield Text(f"Not complete: `study ablate {found.name}` resumes it.", "quiet")
    question = ablated.question
    yield Text(
        f"Validation data, {question.seeds} fresh seeds, in pairs; intervals of 95 % over each table. "
        f"Differences below {found.metric.factor * question.smallest:g}{found.metric.unit} count as none."
    )
    for side, title, end in (
        ("less", "The winner with knobs set back to the baseline's, against the winner", ablated.winner),
        ("plus", "The baseline with knobs of the winner's, against the baseline", ablated.baseline),
        ("simplest", "The winner without several knobs at once, against the winner", ablated.winner),
    ):
        if rows := [row for row in ablated.arms if row.side == side]:
            yield _ablated(found, title, [end, *rows], found.metric.factor * question.smallest)
    if ablated.complete:
        record = ablated.record()
        failing = questions.failures({row.label: row for row in (record.winner, record.baseline, *record.rows)})
        for line in (*questions.conclusion(record), *failing):
            yield Text(line)


def _ablated(found: Found, title: str, rows: Sequence[AblationRow], small: float) -> Table:
    metric = found.metric
    cells = [
        (
            row.label,
            metric.difference(row.comparison),
            row.says(metric) or "-",
            metric.mean(row.mean),
            str(row.mean.n if row.mean else 0),
        )
        for row in rows
    ]
    head = ("Recipe", ">Difference", "~Verdict", ">Mean", ">n")
    bars = [bar(found, row.contribution) for row in rows]
    says = {row.label: row.says(metric) or "" for row in rows}
    name, axis = f"ablation-{rows[-1].side}", f"difference to the {rows[0].label}"
    picture = _forest(found, {row.label: row.contribution for row in rows}, name, axis, says)
    return Table(title, head, cells, bars, small, picture)


def _forest(
    found: Found,
    compared: Mapping[str, Contrast | None],
    name: str,
    axis: str,
    says: Mapping[str, str] | None = None,
) -> Picture:
    """Draw the differences of a table as a picture for Markdown, which cannot show bars."""
    drawn = {label: each for label, each in compared.items() if each is not None}
    return Picture(name, f"{axis}, with intervals", figures.png(figures.forest(drawn, "", axis, found.metric, says)))


def importance(found: Found) -> Section | None:
    """Make the section of the knobs' importance in the search, compared with chance and seeds."""
    parts = list(_importance(found))
    return Section("importance", "Importance", parts) if parts else None


def _importance(found: Found) -> Iterator[Part]:
    trials = [trial for trial in found.trials if trial.row.state == "complete" and trial.about["params"]]
    if not trials:
        return
    some = min(len(trials), WEIGHED)
    drawn = [trials[index * len(trials) // some] for index in range(some)]
    noise = seed_noise.noise(found.family, found.trials)
    weighed = weigh(found, drawn, noise)
    record = weighed.record()
    if weighed.lacking:
        return  # following.py says how many more are needed
    some = (
        f" Computed from {len(drawn):,} of {len(trials):,} trials, evenly spaced." if len(drawn) < len(trials) else ""
    )
    yield Text(
        "Effect: range of the mean prediction over the values of one knob. fANOVA and PED-ANOVA are shares of all "
        f"knobs together.{some}"
    )
    yield _weights(found, weighed)
    for note in insight.importance_notes(record):
        yield Text(note)
    if noise:
        yield Text("The grey band is the noise between seeds.")


def weigh(found: Found, trials: Sequence[Trial], noise: seed_noise.Noise | None) -> Importance:
    """Compute the importance of the knobs from some of the search's complete trials."""
    finite = [each for each in map(frozen, trials) if each.value is not None and math.isfinite(each.value)]
    return replace(assess(finite, found.metric, noise=noise), study=found.name)


def _weights(found: Found, weighed: Importance) -> Table:
    best = any(knob.among_best for knob in weighed.knobs)
    head = ["Knob", ">Effect", "~Verdict", ">fANOVA", ">PED-ANOVA"]
    head += [">fANOVA, best quarter", ">PED-ANOVA, best quarter"] if best else []
    rows: list[list[str]] = []
    bars: list[Bar | None] = []
    for knob in weighed.knobs:
        every, among = knob.overall, knob.among_best
        cells = [
            knob.name,
            found.metric.size(every.effect),
            every.says,
            f"{every.fanova:.0%}",
            f"{every.ped_anova:.0%}",
        ]
        cells += [f"{among.fanova:.0%}" if among else "-", f"{among.ped_anova:.0%}" if among else "-"] if best else []
        rows.append([*cells, f"{knob.trials:,}"])
        effect = found.metric.factor * every.effect
        bars.append(Bar(0.0, effect, effect, "good" if every.says == "matters" else "open"))
    small = found.metric.factor * weighed.noise.sd if weighed.noise else 0.0
    return Table("What mattered in the search", [*head, ">Trials"], rows, bars, small)


def _seen(found: Found) -> Table:
    base = found.summary.baseline
    rows: list[tuple[str, ...]] = []
    for row in found.summary.variants:
        difference = "baseline" if base and base.number == row.number else _gap(found, row, base)
        rows.append((row.variant or "", found.metric.value(row.value), difference, str(row.number), state(row.state)))
    head = ("Variant", f">{found.metric.name}", ">Difference", ">Trial", "State")
    return Table("The variants in the search", head, rows)


def _gap(found: Found, row: TrialRow, base: TrialRow | None) -> str:
    """Write the difference of a complete variant to the baseline."""
    if base is None or row.state != "complete" or base.state != "complete" or row.value is None or base.value is None:
        return "-"
    return found.metric.gap(row.value - base.value)
