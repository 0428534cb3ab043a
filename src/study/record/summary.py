"""Summarizes a study's trials: counts, best trial, variants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from study.plots import interactive
from study.record import results
from study.record.family import baseline
from study.record.trial import STATES
from study.schemas import search as schemas
from study.text import search as text
from study.text.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import plotly.graph_objects as go

    from study.metric import Metric
    from study.record.journal import Journal
    from study.record.trial import State, Trial, TrialRow
    from study.text.table import Block


@dataclass(frozen=True, slots=True)
class Summary(Shown):
    """The summary of a study's trials.

    Args:
        name: name of the study, including `@dataset`.
        metric: the optimized metric.
        trials: all trials, by number.
        counts: number of trials by state.
        best: complete trial with the best value; the first if several are equal.
        variants: trials of the variants, best value first, those without a value last.
        baseline: trial of the baseline variant, chosen by `family.baseline`.
        seconds: total training time of all trials.
        has_seed: whether its recipes have a seed, so that they can be repeated with other seeds.

    """

    name: str
    metric: Metric
    trials: Sequence[TrialRow]
    counts: Mapping[State, int]
    best: TrialRow | None
    variants: Sequence[TrialRow]
    baseline: TrialRow | None
    seconds: float
    has_seed: bool = False

    @property
    def finished(self) -> int:
        """Number of trials that count towards `--trials`: complete or pruned."""
        return self.counts["complete"] + self.counts["pruned"]

    @property
    def paused(self) -> int:
        """Number of trials that the pruner has paused; they are among the running ones."""
        return sum(row.paused for row in self.trials)

    def values(self) -> dict[str, Any]:
        """Return the fields of its record, for records with more fields."""
        return {
            "study": self.name,
            **self.metric.asked(),
            "finished": self.finished,
            **self.counts,
            "paused": self.paused,
            "seconds": round(self.seconds, 3),
            "best": self.best.record() if self.best else None,
            "variants": [self._variant(row) for row in self.variants],
            "baseline": self.baseline.number if self.baseline else None,
            "has_seed": self.has_seed,
        }

    def record(self) -> schemas.Summary:
        """Return the summary as a record."""
        return schemas.Summary(**self.values())

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per trial."""
        return [row.record().plain() for row in self.trials]

    def blocks(self) -> list[Block]:
        """Show counts, the best trial and the variants, and name the next commands."""
        return text.closing(self.record())

    def figure(self) -> go.Figure:
        """Draw the value of each trial by number, and the best so far."""
        series: dict[str, list[tuple[int, float]]] = {}
        so_far: list[tuple[int, float]] = []
        for row in self.trials:
            if row.value is None:
                continue
            series.setdefault(text.state(row.state, paused=row.paused), []).append((row.number, row.value))
            if row.state == "complete" and (not so_far or self.metric.better(row.value, so_far[-1][1])):
                so_far.append((row.number, row.value))
        if so_far:
            so_far.append((self.trials[-1].number, so_far[-1][1]))
        return interactive.over_trials(series, so_far, self.metric, self.name)

    def _variant(self, row: TrialRow) -> schemas.Variant:
        return schemas.Variant(
            variant=row.variant or "", trial=row.number, state=row.state, value=row.value, difference=self._gain(row)
        )

    def _gain(self, row: TrialRow) -> float | None:
        """Subtract the baseline's value from a variant's; None unless both are complete."""
        base = self.baseline
        if base is None or row.number == base.number or {row.state, base.state} != {"complete"}:
            return None
        return None if row.value is None or base.value is None else row.value - base.value


def of(journal: Journal, trials: Sequence[Trial] | None = None) -> Summary:
    """Summarize all trials of a study.

    Args:
        journal: the study's folders.
        trials: its trials, if already read.

    Raises:
        StudyError: there is no definition, or a file is damaged; the message names file and line.

    """
    has_seed = "seed" in (journal.definition() or {}).get("recipe", {})
    trials = results.read(journal) if trials is None else trials
    metric = results.metric_of(journal, trials)
    return summarize(journal.folder.name, metric, [trial.row for trial in trials], has_seed=has_seed)


def summarize(name: str, metric: Metric, trials: Sequence[TrialRow], *, has_seed: bool = False) -> Summary:
    """Summarize trials."""
    variants = [trial for trial in trials if trial.variant is not None]
    return Summary(
        name=name,
        metric=metric,
        trials=trials,
        counts={state: sum(trial.state == state for trial in trials) for state in STATES},
        best=results.best(trials, metric),
        variants=results.ranked(variants, metric),
        baseline=_baseline(variants),
        seconds=sum(trial.seconds for trial in trials),
        has_seed=has_seed,
    )


def _baseline(variants: Sequence[TrialRow]) -> TrialRow | None:
    name = baseline({each.variant: each.overrides for each in variants if each.variant})
    return next((trial for trial in variants if trial.variant == name), None)
