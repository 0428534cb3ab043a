"""The first sections: the answer with its scores, the question, the confirmation, remarks, looks at the test split."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from study.formatting import knobs, local_moment, plural
from study.insight import evidence, judgement
from study.recipe import SEEDS
from study.report.found import best_row
from study.report.parts import Facts, Points, Section, Table, Text
from study.report.reproduction import commands, run
from study.text import questions
from study.text.search import REMARKS, paused, remark

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from study.questions.confirmation import Confirmation, Contender
    from study.report.found import Compared, Found
    from study.report.parts import Part
    from study.stats.intervals import Interval, Mean

SHOWN_KNOBS = 8  # largest number of knobs to name in the question


def question(found: Found) -> Section:
    """Make the section of the question: the first paragraph of the study's docstring, then the objective and knobs."""
    stored = found.definition
    verb = found.metric.direction.capitalize()
    metric = found.metric.name if found.trials else found.metric.words
    parts: list[Part] = [Text(f"{verb} `{metric}`{_data(found)}{_choices(found)}.")]
    variants = stored.get("variants") or (found.compared.question.variants if found.compared else ())
    if variants:
        parts.append(Text(f"{plural(len(variants), 'named variant')}: {', '.join(variants)}."))
    first = found.about.partition("\n\n")[0]
    if first:
        parts.insert(0, Text(" ".join(first.split()), "lead"))
    return Section("question", "Question", parts)


def _data(found: Found) -> str:
    name = (found.definition.get("data") or {}).get("name")
    return f" on {name}" if name else ""


def _choices(found: Found) -> str:
    names = list(found.definition.get("space") or ())
    if not names:
        return ""
    more = f" and {len(names) - SHOWN_KNOBS} more" if len(names) > SHOWN_KNOBS else ""
    return f" by choosing {', '.join(names[:SHOWN_KNOBS])}{more}"


def answer(found: Found, chart: Sequence[Part]) -> Section:
    """Make the first section: one sentence with how far it can be trusted, the scores, one chart.

    Args:
        found: the study.
        chart: the chart that shows the answer, with its caption; empty if there is none.

    """
    parts: list[Part] = [Text(_sentence(found), "lead")]
    if scores := [*_scores(found)]:
        parts.append(Facts(scores, large=True))
    if found.count("running"):
        state = f"{found.count('running')} of {plural(len(found.trials), 'trial')} unfinished"
        waiting = f" {paused(found.summary.paused)}." if found.summary.paused else ""
        parts.append(Text(f"The search is not over: {state}.{waiting} `{run(found)}` resumes it."))
    return Section("answer", "Answer", [*parts, *chart])


def _scores(found: Found) -> Iterator[tuple[str, str]]:
    """Give the values on which the answer rests, the most trustworthy first."""
    if found.confirmation and (values := [*_values(found, found.confirmation)]):
        yield from values
        return
    metric, base = found.metric, found.summary.baseline
    if found.best:
        yield "Best in the search", f"{metric.value(found.best.row.value)}\ntrial {found.best.row.number}, one seed"
        if base and base.value is not None and base.number != found.best.row.number:
            yield "Baseline", f"{metric.value(base.value)}\ntrial {base.number}, one seed"
    if found.compared:
        best, against = best_row(found, found.compared), found.compared.question.against
        for row in sorted(found.compared.rows, key=lambda each: each is not best):  # the best one first
            if row.mean and (row is best or row.variant == against):
                yield f"{row.variant}, on the test split", f"{metric.value(row.mean.value)}{_within(found, row.mean)}"
    if found.trials:
        counts = ", ".join(f"{found.count(state)} {state}" for state in ("pruned", "failed") if found.count(state))
        yield "Complete trials", f"{found.count('complete')}\n{counts}" if counts else f"{found.count('complete')}"
    if not found.openings:
        yield "Looks at the test split", "none"


def _sentence(found: Found) -> str:
    confirmed = found.confirmation
    if confirmed and confirmed.winner and confirmed.score and confirmed.score.mean and confirmed.complete:
        return _confirmed(found, confirmed, confirmed.winner, confirmed.score.mean)
    if found.best:
        begun = " It has been started and is not complete." if confirmed else ""
        return (
            f"Unconfirmed: {_recipe(found.best.row.overrides)} (trial {found.best.row.number}) looks best, with "
            f"{found.metric.name} {found.metric.value(found.best.row.value)} on one seed. The best of "
            f"{plural(found.count('complete'), 'trial')} is partly luck; `study confirm {found.name}` says how much."
            f"{begun}"
        )
    if found.compared and not found.trials:
        return _of_variants(found, found.compared)
    return f"None yet: no trial is complete. `{run(found)}` resumes the search."


def _confirmed(found: Found, confirmed: Confirmation, winner: Contender, mean: Mean) -> str:
    metric = found.metric
    first = (
        f"Confirmed: {_recipe(winner.settings)} (trial {winner.trial}) reaches {metric.value(mean.value)} test "
        f"{metric.words}{_interval(found, mean, confirmed.score and confirmed.score.mean_new)}"
    )
    gain = confirmed.gain
    if gain is None or not math.isfinite(gain.difference):
        return f"{first}."
    within = questions.gain_within(confirmed.record())
    compared = f"{metric.gap(gain.difference)}{metric.unit} against the baseline ({within})"
    if gain.interval.low <= 0 <= gain.interval.high:
        return f"{first}; whether that is better than the baseline is not known: {compared}."
    return f"{first}, {compared}."


def _interval(found: Found, mean: Mean, on_new: Interval | None) -> str:
    if mean.n < 2:
        return ""
    new = f", on new examples {found.metric.interval(on_new)}" if on_new else ""
    return f" (95 % interval on this test set {found.metric.interval(mean.interval)}{new}; {mean.n} fresh seeds)"


def _within(found: Found, mean: Mean) -> str:
    """Write the interval as the second line of a score."""
    return f"\n{found.metric.interval(mean.interval)}, n={mean.n}" if mean.n > 1 else ""


def _of_variants(found: Found, compared: Compared) -> str:
    best = best_row(found, compared)
    if best is None or best.mean is None:
        resume = commands(found)["compare"]
        return f"None yet: no training is complete. `{resume}` resumes the comparison."
    mean = f"{found.metric.value(best.mean.value)} test {found.metric.words}"
    words = f"Of {len(compared.rows)} variants {best.variant} has the best mean, {mean}"
    if best.comparison is None:
        return f"{words}; it is the baseline."
    verdict = best.comparison.words(found.metric.factor, found.metric.unit)
    return f"{words}. Against {compared.question.against}: {verdict}."


def _recipe(overrides: Mapping[str, Any]) -> str:
    written = knobs({knob: value for knob, value in overrides.items() if knob not in SEEDS})
    return f"`{written}`" if written else "the study's recipe as it is"


def confirmed(found: Found) -> Section | None:
    """Make the section of the confirmation, the table of the race; None if nothing was confirmed."""
    if found.study is None:
        kind = found.definition["recipe_type"]
        unread = f"Cannot be read here: `{kind}`, the type of its recipes, cannot be imported."
        return Section("confirmation", "Confirmation", [Text(unread, "quiet")])
    if found.confirmation is None:
        return None
    confirmation = found.confirmation
    told = [*questions.spread(confirmation.spread, found.metric)]
    told += [f"On the test split: {line}" for line in questions.spread(confirmation.score_spread, found.metric)]
    return Section("confirmation", "Confirmation", [_race(found, confirmation), *map(Text, told)])


def _values(found: Found, confirmed: Confirmation) -> Iterator[tuple[str, str]]:
    metric = found.metric
    for label, each in (
        ("Winner, on the test split", confirmed.score),
        ("Baseline, on the test split", confirmed.baseline),
    ):
        if each and each.mean:
            new = f"\n{metric.interval(each.mean_new)} on new examples" if each.mean_new and each.mean.n > 1 else ""
            yield label, f"{metric.value(each.mean.value)}{_within(found, each.mean)}{new}"
    if confirmed.score:
        record = confirmed.score.record()
        yield "Winner's trainings that failed", questions.failed(record)
    if confirmed.gain and math.isfinite(confirmed.gain.difference):
        new = f"\n{metric.gaps(confirmed.gain_new)} on new examples" if confirmed.gain_new else ""
        within = metric.gaps(confirmed.gain.interval)
        yield "Gain", f"{metric.gap(confirmed.gain.difference)}{metric.unit}\n{within} on this test set{new}"
    if confirmed.winner:
        yield "Winner, in the search", f"{metric.value(confirmed.winner.search_value)}\none seed"
    if confirmed.optimism is not None:
        other = "" if confirmed.optimism > 0 else "\nno worse than in the search"
        yield "Optimism removed", f"{metric.gap(confirmed.optimism)}{metric.unit}{other}"


def _race(found: Found, confirmed: Confirmation) -> Table:
    record = confirmed.record()
    outcomes = [questions.outcome(record, each) for each in record.contenders]
    rows = [
        (
            str(each.trial),
            found.metric.value(each.search_value),
            found.metric.mean(each.mean),
            str(len(each.values)),
            outcome,
            _recipe(each.settings),
        )
        for each, outcome in zip(confirmed.contenders, outcomes, strict=True)
    ]
    head = (">Trial", ">In the search", ">On fresh seeds", ">n", "Outcome", "~Knobs")
    name = f"The best {plural(confirmed.top, 'trial')} on up to {confirmed.seeds} fresh seeds, validation data"
    return Table(name, head, rows)


def looks(found: Found) -> Section | None:
    """Make the section of the looks at the test split; None if there was none."""
    openings = found.openings
    if not openings:
        return None
    times = "once" if len(openings) == 1 else f"{len(openings)} times"
    parts: list[Part] = [Text(f"It was looked at {times}.")]
    if len(openings) > 1:
        parts.append(Text("Choosing by these values makes them look better than they are.", "warning"))
    rows = [
        (local_moment(each["time"]), str(len(each["recipes"])), str(each["seeds"]), f"`{each['command']}`")
        for each in openings
    ]
    parts.append(Table("Looks at the test split", ("When", ">Recipes", ">Seeds", "~Command"), rows))
    return Section("looks", "Looks at the test split", parts)


def remarks(found: Found) -> Section | None:
    """Make the section of remarks on the search, each with what to do about it; None without trials or remarks."""
    if not found.trials:
        return None
    said = judgement.remarks(evidence.read(found.journal, found.trials))
    shown = [" ".join(remark(each.record())) for each in said if each.kind != "test split"]  # has its own section
    return Section("remarks", REMARKS, [Points(shown)]) if shown else None
