"""The same comparison on several data sets: one after the other, then one verdict over all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from study.errors import InputError, RecipeError
from study.metric import Metric
from study.plots import figures, interactive
from study.progress import Written
from study.questions import comparison, judging
from study.recipe import Recipe
from study.record.family import Family
from study.running import preflight
from study.schemas import several as schemas
from study.stats import several as stats
from study.stats.intervals import Interval, differences
from study.text import several as text
from study.text.shown import Shown

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator, Mapping, Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from study.definition import Study
    from study.options import Options
    from study.progress import Progress
    from study.questions.comparison import Comparison, ComparisonQuestion
    from study.questions.comparison_rows import VariantRow
    from study.settings import Settings
    from study.stats.expected import Curve
    from study.text.table import Block

    Asked = Sequence[tuple[Study, ComparisonQuestion]]


def named(data: str | None, *, until_sure: bool = False) -> list[str | None]:
    """Read the data sets of `--data A,B`: each once, in their order; the study's own where none is named.

    Raises:
        InputError: several, and seeds that end when a verdict is sure: an average of such means is biased.

    """
    names: list[str | None] = [*dict.fromkeys(name for part in (data or "").split(",") if (name := part.strip()))]
    if len(names) > 1 and until_sure:
        fix = "Give --seeds, the same number on each."
        raise InputError("--until-sure ends at another seed on each data set", where="--data", fix=fix)
    return names or [None]


POINTS = 401  # of a profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Several(Shown):
    """Comparisons of the same variants on several data sets, and the verdict over all.

    Args:
        study: name of the study.
        comparisons: one for each data set, by its name.
        steps: the metric's resolution on each.

    """

    study: str
    comparisons: Mapping[str, Comparison]
    steps: Sequence[float]

    @property
    def complete(self) -> bool:
        """Whether all trainings have run; until then nothing is said about the average."""
        return all(found.complete for found in self.comparisons.values())

    def record(self) -> schemas.SeveralData:
        """Return the verdicts as a record."""
        first = self._first
        question, direction = first.question, first.metric.direction
        names = [row.variant for row in first]
        values = [np.array([row.values for row in found], dtype=np.float64) for found in self.comparisons.values()]
        base = names.index(question.against)
        others = [at for at in range(len(names)) if at != base]
        averages = stats.averages(
            [each[others] for each in values],
            [each[base] for each in values],
            self.steps,
            direction,
            question.smallest,
            same=[all(_is_same(found[at]) for found in self.comparisons.values()) for at in others],
            family=max(found.family for found in self.comparisons.values()),
        )
        judged = dict(zip(others, averages if self.complete else map(_open, averages), strict=True))
        means = [[_mean(row, first.metric.sign) for row in found] for found in self.comparisons.values()]
        ranks = stats.ranks(np.array(means), direction)
        return schemas.SeveralData(
            study=self.study,
            **first.metric.asked(),
            against=question.against,
            seeds=question.seeds,
            smallest=question.smallest,
            data=list(self.comparisons),
            variants=[_row(name, float(ranks[at]), judged.get(at)) for at, name in enumerate(names)],
            comparisons=[found.record() for found in self.comparisons.values()],
        )

    def profiles(self) -> dict[str, Curve]:
        """Compute the performance profile of each variant, by its difference from the baseline as people read it."""
        first = self._first
        metric, base = first.metric, first.question.against
        gaps = {
            name: [differences(_values(found, name), _values(found, base)) for found in self.comparisons.values()]
            for name in first.question.variants
            if name != base
        }
        better = metric.sign * np.concatenate([each for of in gaps.values() for each in of])
        low, high = float(np.nanmin(better, initial=0.0)), float(np.nanmax(better, initial=0.0))
        margin = 0.05 * (high - low) or 0.01
        at = np.linspace(low - margin, high + margin, POINTS)
        found = {name: stats.profile(of, at, metric.direction) for name, of in gaps.items()}
        return {name: replace(line, at=metric.factor * line.at) for name, line in found.items()}

    def figure(self) -> Any:
        """Draw the performance profiles as a plotly figure."""
        return interactive.curves(self.profiles(), Metric("share of pairs"), self._title, self._axis)

    def picture(self) -> Figure:
        """Draw the performance profiles for a file."""
        return figures.profiles(self.profiles(), self._title, self._axis)

    @property
    def _title(self) -> str:
        return f"{self.study}: performance profiles over {', '.join(self.comparisons)}"

    @property
    def _axis(self) -> str:
        return f"better than {self._first.question.against} by at least ({self._first.metric.axis})"

    @property
    def _first(self) -> Comparison:
        """The comparison on the first data set; all ask the same question."""
        return next(iter(self.comparisons.values()))

    def rows(self) -> list[dict[str, Any]]:
        """Return one flat row per variant."""
        return [row.plain() for row in self.record().variants]

    def blocks(self) -> list[Block]:
        """Describe each comparison, then the verdict over all."""
        return text.several(self.record())


def _values(found: Comparison, variant: str) -> NDArray[np.float64]:
    return np.array(next(row.values for row in found if row.variant == variant), dtype=np.float64)


def _mean(row: VariantRow, sign: int) -> float:
    """Give a variant's mean; where every training failed, the worst; NaN before the first."""
    if row.mean is None:
        return -np.inf * sign if row.failed.count else np.nan
    return row.mean.value


def _is_same(row: VariantRow) -> bool:
    return row.comparison is not None and row.comparison.same


def _open(found: stats.Average) -> stats.Average:
    """Leave open what an average says, for its test holds for all seeds alone; the same recipe is known as that."""
    unknown = Interval(-np.inf, np.inf)
    return found if found.same else replace(
        found, verdict="not enough seeds", interval=unknown, p_adjusted=1.0, p_others=None
    )  # fmt: skip


def _row(name: str, rank: float, found: stats.Average | None) -> schemas.OverData:
    return schemas.OverData(
        variant=name,
        rank=rank if np.isfinite(rank) else None,
        verdict=found and found.verdict,
        difference=found and found.difference,
        difference_low=found and found.interval.low,
        difference_high=found and found.interval.high,
        p_adjusted=found and found.p_adjusted,
        better=found and found.better,
        iqm=found and found.iqm,
        iqm_low=found and found.iqm_interval.low,
        iqm_high=found and found.iqm_interval.high,
        p_others=found and found.p_others,
        same=bool(found and found.same),
    )


def run(
    asked: Asked, settings: Settings, options: Options, stop: threading.Event
) -> Generator[Progress, None, Comparison | Several]:
    """Compare on each data set in turn; what was trained before is not trained again.

    Raises the errors of `comparison.run`.
    """
    options = options.started()  # one deadline for all data sets
    if len(asked) > 1:
        _check(asked, options)
    found: list[Comparison] = []
    for study, question in asked:
        found.append((yield from comparison.run(study, settings, options, question, stop)))
    answer = _over([study for study, _ in asked], found)
    if isinstance(answer, Several) and answer.complete:
        folder = Family(asked[0][0].name, settings.home).compare.artifacts
        _, shown = figures.write(answer.picture(), folder, "profiles")
        yield Written("pictures", (shown,))
    return answer


def _check(asked: Asked, options: Options) -> None:
    """Check that the recipes fit each data set, before anything is trained on the first one."""
    with options.calling() as call:
        for study, question in asked:
            recipes = [study.recipe_for(study.variants[name]) for name in question.variants]
            if isinstance(study.recipe, Recipe):
                try:
                    preflight.check_all(recipes, options.device, call)
                except RecipeError as error:
                    raise RecipeError(
                        error.what, where=f"--data {preflight.data_name(study)}", fix=error.fix
                    ) from error


def of(asked: Asked, settings: Settings) -> Comparison | Several:
    """Read what is there so far from the folders."""
    found = [comparison.of(study, settings, question) for study, question in asked]
    return _over([study for study, _ in asked], found)


def shown(studies: Sequence[Study], settings: Settings, asked: Mapping[str, Any]) -> Comparison | Several:
    """Read the latest comparison of each study, or the one that is asked for, as `comparison.shown`.

    Raises:
        InputError: see there; or they were of other variants, or with other numbers of seeds.

    """
    found = [comparison.shown(study, settings, **asked) for study in studies]
    if any(each.question != found[0].question for each in found):
        fix = "Compare them by one command, with --data A,B."
        raise InputError("the data sets were not compared by the same question", where="--data", fix=fix)
    return _over(studies, found)


def _over(studies: Sequence[Study], found: Sequence[Comparison]) -> Comparison | Several:
    """Give one comparison as it is, and several with the verdict over all."""
    if len(found) == 1:
        return found[0]
    names = [preflight.data_name(study) for study in studies]
    steps = [
        judging.resolution(comparison.compared(study), [row.values for row in each], test=True)
        for study, each in zip(studies, found, strict=True)
    ]
    name = studies[0].name.partition("@")[0]
    return Several(study=name, comparisons=dict(zip(names, found, strict=True)), steps=steps)
