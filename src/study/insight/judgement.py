"""A search judges itself: what its trials say against it, or for going on, one line each with what to do about it.

Whether more trials are likely to help is read from the last doubling: what the second half of the trials added to the
best, in the order in which they ran or on average over all orders, whichever is more. For values with an upper end, as
accuracies have, each further doubling is expected to add less than the one before (de Haan and Ferreira 2006, "Extreme
Value Theory", section 1.2: the best of n approaches the end as a power of n), so this is an upper estimate.
"""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import special

from study.formatting import duration, knob, plural
from study.insight import edges, savings
from study.metric import Ends
from study.schemas import search as schemas
from study.stats import expected, failures, intervals
from study.text import search as text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from study.insight.evidence import Evidence
    from study.record.trial import TrialRow

WIDE = 0.1  # width of an accuracy's 95 % interval, in [0, 1], from which a remark says so
Kind = Literal["few examples", "boundary", "lost", "duplicates", "top", "more trials", "test split", "time left"]
TOP = 10
ENOUGH = 10  # complete trials below which where the best lies says nothing
ENOUGH_TO_GO_ON = 20  # finished trials below which the last doubling says nothing
BINS = 4  # of a number's values
FEWEST_TOP = 5  # recipes that can be told apart or not
FEWEST = 3  # diverged or failed trials that are worth a line
SHOWN = 3  # lines of a kind
MANY = 0.05  # of the trials, repeated, that a space is too small for


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that a search says about itself.

    Args:
        kind: what it is about.
        text: what was found, one line.
        fix: what to do, one line; empty where there is nothing to do.

    """

    kind: Kind
    text: str
    fix: str = ""

    def record(self) -> schemas.Remark:
        """Describe it in plain values."""
        return schemas.Remark(kind=self.kind, text=self.text, fix=self.fix)


def remarks(evidence: Evidence) -> list[Remark]:
    """Say all there is to say, the most pressing first; works with no trial, too."""
    judges: tuple[Callable[[Evidence], Iterator[Remark]], ...] = (
        time_left, few_examples, at_the_boundary, lost, top_apart, more_trials, duplicates, looks_at_test,
    )  # fmt: skip
    if "sampler" not in evidence.definition:  # no search: a list of recipes on several seeds
        judges = (time_left,)
    return [remark for judge in judges for remark in judge(evidence)]


def few_examples(evidence: Evidence) -> Iterator[Remark]:
    """Whether the best accuracy is measured on so few examples that other examples may well give another one."""
    metric, best = evidence.metric, next(iter(evidence.complete), None)
    if best is None or best.value is None or not metric.is_accuracy or not evidence.examples:
        return
    found = intervals.share(best.value / metric.whole * evidence.examples, evidence.examples).interval
    if found.high - found.low > WIDE:
        within = metric.interval(Ends(found.low * metric.whole, found.high * metric.whole))
        text = f"{metric.name} is measured on {plural(evidence.examples, 'example')}: the best, "
        text += f"{metric.value(best.value)}, has the 95 % interval {within} for new ones (Wilson 1927)"
        yield Remark("few examples", text, "Hold out more of them (`val_fraction`), or get more data.")


def time_left(evidence: Evidence) -> Iterator[Remark]:
    """While it is run: how much is left of all, what paused trials wait for, how much is left of each in training."""
    if evidence.coordinator is None:
        return
    if evidence.asked:
        yield _whole(evidence, evidence.asked)
    if paused := sum(row.paused for row in evidence.rows):
        yield Remark("time left", text_of.paused(paused))
    length = (evidence.definition.get("recipe") or {}).get("epochs")
    for row in evidence.rows:
        whole = row.overrides.get("epochs", length)
        if row.state != "running" or row.paused or not isinstance(whole, int):
            continue
        left = max(0, whole - row.epochs)
        pace = f", about {duration(left * row.seconds / row.epochs)}" if row.epochs else ""
        unless = " unless it is pruned" if "sampler" in evidence.definition else ""
        text = f"trial {row.number} is being trained: {left} of {plural(whole, 'epoch')} left{pace}{unless}"
        yield Remark("time left", text)


def _whole(evidence: Evidence, asked: Mapping[str, Any]) -> Remark:
    """Say how far a run is, and how much longer it takes at the pace that it has had since it began.

    A paused trial counts in the pace as a finished one: most end so.
    """
    finished = sum(row.state in {"complete", "pruned"} for row in evidence.rows)
    reached = finished + (paused := sum(row.paused for row in evidence.rows))
    here, left = reached - asked["finished"] - asked.get("paused", 0), max(0, asked["trials"] - reached)
    pace = f", about {duration(left * (evidence.now - asked['since']) / here)} left" if here > 0 and left else ""
    waiting = f" and {paused} paused" if paused else ""
    return Remark("time left", f"it is running: {finished} of {asked['trials']} trials finished{waiting}{pace}")


def at_the_boundary(evidence: Evidence) -> Iterator[Remark]:
    """For each number, whether the best trial lies at an end of its range."""
    best = evidence.complete
    if len(best) < ENOUGH:
        return
    for name, present in edges.ranges(evidence.definition).items():
        value = best[0].params.get(name)
        side = _edge(present, value)
        new = edges.wider(evidence.definition, name, present, side) if side else None
        if side is None or new is None:
            continue
        among = [row.params[name] for row in best[:TOP] if name in row.params]
        there = sum(_edge(present, each) == side for each in among)
        where = "lower" if side == "low" else "upper"
        text = (
            f"the best trial has {name}={knob(value)}, at the {where} end of {present}; "
            f"so have {there} of the best {len(among)}"
        )
        yield Remark("boundary", text, f"Widen it to {new}: {_line(evidence, name, new)}")


def lost(evidence: Evidence) -> Iterator[Remark]:
    """Values of a knob with which trials diverge or fail more often than elsewhere, the worst first."""
    ended = [row for row in evidence.rows if row.state != "running" and row.params]
    all_hits = sum(map(_is_lost, ended))
    found: list[tuple[float, Remark]] = []
    for name in dict.fromkeys(name for row in ended for name in row.params):
        here = [row for row in ended if name in row.params]
        groups = _groups(here, name, edges.ranges(evidence.definition).get(name))
        for said, fix, group in groups:
            hits = sum(_is_lost(row) for row in group)
            elsewhere, others = all_hits - hits, len(ended) - len(group)
            if hits < FEWEST or not others:
                continue
            if failures.fisher(failures.of(hits, len(group)), failures.of(elsewhere, others)) > 0.05:
                continue
            text = (
                f"{name} {said}: {hits} of {plural(len(group), 'trial')} diverged or failed "
                f"({elsewhere} of {others} elsewhere)"
            )
            found.append((-hits / len(group), Remark("lost", text, f"{fix}: {_line(evidence, name)}")))
    yield from (remark for _, remark in sorted(found, key=lambda each: each[0])[:SHOWN])


def _groups(
    rows: Sequence[TrialRow], name: str, present: edges.Range | None
) -> Iterator[tuple[str, str, list[TrialRow]]]:
    """Part trials by a knob's value: each choice, or quarters of a number's values; say which, and how to leave it."""
    if present is None:
        choices: dict[str, list[TrialRow]] = {}
        for row in rows:
            choices.setdefault(knob(row.params[name]), []).append(row)
        yield from ((f"= {value}", f"Leave {value} out", group) for value, group in choices.items())
        return
    cuts = np.unique(np.quantile([row.params[name] for row in rows], np.linspace(0, 1, BINS + 1)))
    for index, (low, high) in enumerate(itertools.pairwise(cuts)):
        last = index == len(cuts) - 2
        group = [row for row in rows if low <= row.params[name] and (row.params[name] < high or last)]
        fix = "See why"
        if index == 0 or last:
            fix = f"Let the range {f'end at {knob(float(low))}' if last else f'begin at {knob(float(high))}'}"
        yield f"from {knob(float(low))} to {knob(float(high))}", fix, group


def _is_lost(row: TrialRow) -> bool:
    return row.state == "failed" or (row.state == "pruned" and savings.is_diverged(row))


def top_apart(evidence: Evidence) -> Iterator[Remark]:
    """Whether the best recipes differ by more than seeds explain: an F test of their variance against the seeds'."""
    best: dict[str, TrialRow] = {}
    for row in evidence.complete:
        best.setdefault(evidence.recipes.get(row.number, str(row.number)), row)
    values = np.array([row.value for row in list(best.values())[:TOP]], dtype=np.float64)
    k = len(values)
    if k < FEWEST_TOP:
        return
    spread = evidence.metric.size(float(np.ptp(values)))
    apart = f"the best {k} differ by {spread}"
    fix = f"`study confirm {evidence.name} --top {k}` runs them on fresh seeds."
    noise = evidence.noise
    if noise is None:
        yield Remark("top", f"{apart}; the noise between seeds has not been measured", fix)
        return
    runs = plural(noise.runs, "run")
    seeds = f"the noise between seeds is {evidence.metric.size(noise.sd)} (standard deviation; {runs} in "
    seeds += f"{noise.source})"
    ratio = float(values.var(ddof=1)) / noise.sd**2 if noise.sd else math.inf
    if special.fdtrc(k - 1, noise.freedom, ratio) > 0.05:
        yield Remark("top", f"the top {k} cannot be distinguished: they differ by {spread}, "
                     f"and {seeds}", fix)  # fmt: skip
    else:
        yield Remark("top", f"{apart}, more than seeds explain: {seeds}")


def more_trials(evidence: Evidence) -> Iterator[Remark]:
    """Whether more trials are likely to find a better one, by what the last doubling of their number brought."""
    finished = [row for row in evidence.rows if row.state in {"complete", "pruned"}]
    values = _values(finished)
    if len(finished) < ENOUGH_TO_GO_ON or not np.isfinite(values).any():
        return
    total, half = len(values), len(values) // 2
    direction = evidence.metric.direction
    filled = np.where(np.isfinite(values), values, evidence.metric.worst(values))
    ran = expected.best_so_far(filled, direction)[[half - 1, total - 1]]
    drawn = expected.expected_best(filled, direction, at=[half, total]).mean
    gain = float(max(abs(after - before) for before, after in (drawn, ran)))
    text = (
        f"the last doubling, from {half} trials to {total}, improved the best value by {evidence.metric.size(gain)}; "
        "the next is not expected to improve it more"
    )
    go_on = f"`study run {evidence.name} --trials {2 * total}` continues."
    noise = evidence.noise
    if gain == 0.0:
        yield Remark("more trials", text, "More trials are unlikely to help.")
    elif noise is None:
        yield Remark("more trials", text, f"If that is worth it: {go_on}")
    elif gain <= noise.sd:
        text = f"{text}, and the noise between seeds is {evidence.metric.size(noise.sd)}"
        yield Remark("more trials", text, f"More trials are unlikely to help; `study confirm {evidence.name}` will.")
    else:
        yield Remark("more trials", f"{text}, but more than seeds explain ({evidence.metric.size(noise.sd)})", go_on)


def _values(rows: Sequence[TrialRow]) -> Any:
    values = [math.nan if row.value is None or _is_lost(row) else row.value for row in rows]
    return np.array(values, dtype=np.float64)


def duplicates(evidence: Evidence) -> Iterator[Remark]:
    """Trials that were another one's recipe again, seed and all."""
    again = len(evidence.recipes) - len(set(evidence.recipes.values()))
    if again:
        trials = plural(len(evidence.recipes), "trial")
        copied = sum(row.repeats is not None for row in evidence.rows)
        spared = f"; {copied} took its results without training" if copied else ""
        text = f"{again} of {trials} {'repeats' if again == 1 else 'repeat'} another one's recipe and seed{spared}"
        many = again > MANY * len(evidence.recipes)
        fix = "The space is small for so many trials: widen it, or stop here." if many else ""
        yield Remark("duplicates", text, fix)


def looks_at_test(evidence: Evidence) -> Iterator[Remark]:
    """How often the test split was looked at."""
    if not evidence.openings:
        return
    last = max(evidence.openings, key=lambda each: each["time"])
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(last["time"]))
    times = "once" if len(evidence.openings) == 1 else f"{len(evidence.openings)} times"
    fix = (
        "" if len(evidence.openings) == 1 else "Do not choose by these figures: every look makes them more optimistic."
    )
    yield Remark("test split", f"the test split was looked at {times}, last on {when} by `{last['command']}`", fix)


def _line(evidence: Evidence, name: str, new: edges.Range | None = None) -> str:
    found = edges.line(evidence.name, evidence.definition, name, new)
    return f"{found}; then `study run {evidence.name} --accept`." if found else f"{name} in the study's file."


def _edge(present: edges.Range, value: Any) -> edges.Side | None:
    """Name the end that a trial's value lies at; None where it has none, or one of an earlier range."""
    return present.edge(value) if isinstance(value, int | float) and present.low <= value <= present.high else None
