"""What a search is judged by: its trials, its definition, the noise between seeds."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from study.data.counts import examples
from study.definition import OUR_TRAIN
from study.insight import seed_noise
from study.recipe import Recipe
from study.record import results
from study.record.family import Family, held_by
from study.record.trial import base_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from study.insight.seed_noise import Noise
    from study.metric import Metric
    from study.record.journal import Journal
    from study.record.trial import Trial, TrialRow


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a search is judged by.

    Args:
        name: of the study, `@dataset` included.
        metric: its metric and direction.
        rows: its trials, by number.
        definition: as it is stored.
        recipes: for each ended trial, by number, its whole recipe as text.
        noise: between seeds, if known.
        examples: number of examples that the metric is measured on; 0 if that is not known.
        openings: looks at the test split, of this study and those beside it.
        coordinator: the process that runs it now; None where none does.
        asked: how many finished trials that process is to reach, how many there were when it began, and when.
        now: seconds since 1970.

    """

    name: str
    metric: Metric
    rows: Sequence[TrialRow]
    definition: Mapping[str, Any]
    recipes: Mapping[int, str] = field(default_factory=dict[int, str])
    noise: Noise | None = None
    examples: int = 0
    openings: Sequence[Mapping[str, Any]] = ()
    coordinator: Mapping[str, Any] | None = None
    asked: Mapping[str, Any] | None = None
    now: float = 0.0

    @property
    def complete(self) -> list[TrialRow]:
        """The complete trials with a finite value, best first."""
        found = [row for row in self.rows if row.state == "complete" and math.isfinite(row.value or 0.0)]
        return results.ranked(found, self.metric)


def read(journal: Journal, trials: Sequence[Trial] | None = None) -> Evidence:
    """Collect what a search is judged by.

    Args:
        journal: the study's folders.
        trials: its trials, if they have been read.

    Raises:
        StudyError: no definition, or a damaged file; names it and its line.

    """
    trials = results.read(journal) if trials is None else trials
    name, family = journal.folder.name, Family(journal.folder.name, journal.home)
    ended = [trial for trial in trials if trial.history.ended]
    metric, definition = results.metric_of(journal, trials), journal.definition() or {}
    return Evidence(
        name=name,
        metric=metric,
        rows=[trial.row for trial in trials],
        definition=definition,
        recipes={trial.number: json.dumps(trial.recipe, sort_keys=True) for trial in ended},
        noise=seed_noise.noise(family, trials),
        examples=_examples(definition, metric),
        openings=family.looks(),
        coordinator=held_by(journal),
        asked=journal.question("run"),
        now=time.time(),
    )


def _examples(definition: Mapping[str, Any], metric: Metric) -> int:
    recipe = base_of(definition)
    return examples(recipe, metric) if isinstance(recipe, Recipe) and definition.get("train") == OUR_TRAIN else 0
