"""The rows of an ablation: the values of each arm, and the effect of its knobs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from study.questions import judging, publishing
from study.record.family import BASELINE
from study.schemas import questions as schemas
from study.stats import intervals, verdicts
from study.text import questions as text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from pydantic import BaseModel

    from study.definition import Study
    from study.metric import Metric
    from study.questions.ablation_arms import AblationQuestion, Arm, Side
    from study.questions.replicates import Pairs
    from study.stats.failures import Failures

WINNER = "winner"
OPPOSITE: dict[str, verdicts.Verdict] = {"helps": "hurts", "hurts": "helps"}


@dataclass(frozen=True, slots=True)
class AblationRow:
    """The table row of an arm.

    Args:
        label: the change, such as "without lr".
        side: see `Arm`; None for winner and baseline.
        knobs: knobs that were reset or added.
        recipe: all knobs, with the study's seed.
        values: validation values, by seed; NaN for a missing value.
        mean: mean of the values, with Student's interval; None without a value.
        comparison: comparison with the winner, or for side "plus" with the baseline; None for these two.
        failed: failed trainings, which the mean and the comparison leave out.

    """

    label: str
    side: Side | None
    knobs: tuple[str, ...]
    recipe: BaseModel
    values: Sequence[float]
    mean: intervals.Mean | None
    comparison: verdicts.Contrast | None
    failed: Failures

    @property
    def contribution(self) -> verdicts.Contrast | None:
        """The comparison, with a verdict on the knobs: if the recipe is worse without them, they help."""
        if self.comparison is None or self.side == "plus":
            return self.comparison
        return replace(self.comparison, verdict=OPPOSITE.get(self.comparison.verdict, self.comparison.verdict))

    def says(self, metric: Metric) -> str | None:
        """Describe the effect of the knobs, such as "lr helps"; None for winner and baseline."""
        if (found := self.comparison) is None:
            return None
        return text.contribution(found.verdict, found.words(metric.factor, metric.unit), self.side, self.knobs)

    def record(self, metric: Metric) -> schemas.Ablated:
        """Return the row as a record."""
        judged: dict[str, Any] = {**publishing.judged(self.comparison, metric), "says": self.says(metric)}
        return schemas.Ablated(
            label=self.label, side=self.side, knobs=list(self.knobs), values=list(self.values),
            **publishing.averaged(self.mean, self.failed), **judged,
        )  # fmt: skip


def rows_of(study: Study, question: AblationQuestion, found: Pairs, tried: Sequence[Arm]) -> tuple[AblationRow, ...]:
    """Judge the arms so far, by side, largest contribution first.

    Args:
        study: the study that was searched.
        question: the question, with the arms.
        found: trials of each arm, of the winner and of the baseline, by label.
        tried: candidates for the simplest recipe.

    """
    values, failed = found.values(), found.failed()
    step = judging.resolution(study, np.concatenate([*values.values()]), test=False)
    rows: list[AblationRow] = []
    for side, against in (("less", WINNER), ("plus", BASELINE), ("simplest", WINNER)):
        family = [arm for arm in (*question.arms, *tried) if arm.side == side]
        if not family:
            continue
        # the candidates are tried one after the other, as long as there are any: one error for all that may be tried
        tries = len([arm for arm in question.arms if arm.side == "less"]) - 1 if side == "simplest" else 0
        judged = verdicts.compare(
            np.array([values[arm.label] for arm in family]), values[against],
            direction=study.direction, smallest=question.smallest, step=step,
            failed=(np.array([failed[arm.label] for arm in family]), failed[against]),
            family=tries,
        )  # fmt: skip
        lines = [_row(study, arm, values[arm.label], each, step) for arm, each in zip(family, judged, strict=True)]
        rows += sorted(lines, key=lambda row: _order(study, row)) if side != "simplest" else lines
    return tuple(rows)


def _order(study: Study, row: AblationRow) -> float:
    """Compute the sort key: largest loss without a knob first, or largest gain with one."""
    assert row.comparison is not None
    better = study.objective.sign * row.comparison.difference
    better = better if np.isfinite(better) else 0.0
    return -better if row.side == "plus" else better


def _row(
    study: Study, arm: Arm, values: NDArray[np.float64], comparison: verdicts.Contrast, step: float
) -> AblationRow:
    recipe = study.recipe_for(arm.overrides)
    mean = _mean(values, step)
    return AblationRow(arm.label, arm.side, arm.knobs, recipe, values.tolist(), mean, comparison, comparison.failed)


def end_row(study: Study, label: str, overrides: Mapping[str, Any], found: Pairs) -> AblationRow:
    """Build the row of the winner or of the baseline."""
    values, recipe, failed = found.values()[label], study.recipe_for(overrides), found.failures(label)
    return AblationRow(label, None, (), recipe, values.tolist(), _mean(values, found.step()), None, failed)


def _mean(values: NDArray[np.float64], step: float) -> intervals.Mean | None:
    there = values[np.isfinite(values)]
    return intervals.mean(there, step=step) if len(there) else None
