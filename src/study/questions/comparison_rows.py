"""The rows of a comparison: the values of each variant, and how it compares."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from study.questions import new_examples, publishing
from study.schemas import questions as schemas
from study.stats import intervals, shape, verdicts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from study.definition import Published
    from study.metric import Metric
    from study.questions.replicates import Pairs
    from study.stats.failures import Failures
    from study.stats.shape import Shape


@dataclass(frozen=True, slots=True)
class VariantRow:
    """The table row of a variant.

    Args:
        variant: name of the variant.
        values: test values, in the order of the seeds; NaN for a missing one.
        mean: mean of the values, with Student's interval; None without a value.
        comparison: comparison with the baseline; None for the baseline itself.
        published: published value; None if there is none.
        as_expected: whether the published value is within the 95 % prediction interval of one more run; None if
            unknown, or if `--set` changed the recipe.
        seconds: mean wall-clock time of a training.
        diverged: number of trainings that diverged.
        failed: failed trainings, including diverged ones; all other figures leave them out.
        mean_new: 95 % interval of the mean on new examples, over seeds and examples; None if unknown.
        difference_new: the same for the difference, simultaneous over the family.
        shape: of the differences; None for the baseline, and with fewer than six seeds.

    """

    variant: str
    values: Sequence[float]
    mean: intervals.Mean | None
    comparison: verdicts.Contrast | None
    published: Published | None
    as_expected: bool | None
    seconds: float
    diverged: int
    failed: Failures
    mean_new: intervals.Interval | None = None
    difference_new: intervals.Interval | None = None
    shape: Shape | None = None

    def record(self, metric: Metric) -> schemas.Compared:
        """Return the row as a record."""
        found = self.comparison
        return schemas.Compared(
            variant=self.variant,
            **publishing.averaged(self.mean, self.failed),
            **publishing.on_new_examples(self.mean_new),
            **publishing.judged(found, metric),
            difference_new_low=self.difference_new.low if self.difference_new else None,
            difference_new_high=self.difference_new.high if self.difference_new else None,
            win_rate=found.wins.value if found else None,
            win_rate_low=found.wins.interval.low if found else None,
            win_rate_high=found.wins.interval.high if found else None,
            more_seeds=found.more.even if found else None,
            more_seeds_most=found.more.most if found else None,
            p_flipped=self.shape.flipped_p if self.shape else None,
            looks=self.shape.looks if self.shape else None,
            published=self.published.value if self.published else None,
            published_as_expected=self.as_expected,
            seconds=self.seconds,
            diverged=self.diverged,
            values=list(self.values),
        )


def row_of(
    found: Pairs,
    name: str,
    values: Mapping[str, NDArray[np.float64]],
    comparison: verdicts.Contrast | None,
    *,
    against: str,
    step: float,
) -> VariantRow:
    """Build the row of a variant.

    Args:
        found: trials of the comparison.
        name: name of the variant.
        values: test values of every variant, by seed; NaN for a missing one.
        comparison: comparison with the baseline; None for the baseline itself.
        against: name of the baseline.
        step: resolution of the metric.

    """
    histories = [found.results.trials[number].history for number in found.trials(name)]
    ours = values[name]
    there = ours[~np.isnan(ours)]
    published = found.design.study.published.get(name)
    mean = intervals.mean(there, step=step) if len(there) else None
    return VariantRow(
        variant=name,
        values=ours.tolist(),
        mean=mean,
        comparison=comparison,
        published=published,
        as_expected=intervals.single_run(there, step=step).contains(published.value, published.rounding)
        if published and len(there) > 1 and not found.design.study.fixed
        else None,
        seconds=float(np.mean([history.seconds for history in histories])) if histories else math.nan,
        diverged=sum(map(found.results.diverged, found.trials(name))),
        failed=found.failures(name),
        mean_new=new_examples.of_mean(found, name, mean.interval) if mean else None,
        difference_new=_difference_on_new(found, name, against, comparison) if comparison and comparison.n else None,
        shape=shape.of(intervals.differences(ours, values[against]), step)
        if comparison and not comparison.same
        else None,
    )


def _difference_on_new(
    found: Pairs, name: str, against: str, comparison: verdicts.Contrast
) -> intervals.Interval | None:
    return new_examples.of_difference(found, name, against, comparison.interval, comparison.family)
