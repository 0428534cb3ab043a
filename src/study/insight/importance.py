"""What mattered in a search: fANOVA and PED-ANOVA over its trials, each knob's effect beside what chance and seeds do.

fANOVA (Hutter, Hoos and Leyton-Brown 2014, "An Efficient Approach for Assessing Hyperparameter Importance", ICML) is
the share of the values' variance over the space that a knob explains by itself. PED-ANOVA (Watanabe, Bansal and Hutter
2023, IJCAI; for conditional knobs arXiv 2601.20800) is how much a knob's values must be
chosen to be among the best quarter. Both are Optuna's, each over all complete trials and within the best quarter.

Both are relative: they name a most important knob even where none matters. So a knob's effect is measured too, in the
metric's unit: the range of the mean prediction as the knob alone goes through the values that were tried (partial
dependence, Friedman 2001, Ann. Stat. 29, eq. 53), of a random forest. Shuffled copies of all knobs are put beside the
real ones ("shadows": Kursa and Rudnicki 2010, J. Stat. Softw. 36); the largest effect among them is what chance does
with so many trials and knobs. It is no strict test: of knobs that did nothing, 7 of 74 exceeded it in made-up searches
of 60 trials.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState, create_trial

from study.insight import seed_noise
from study.plots import interactive
from study.record import results
from study.record.family import Family
from study.sampling import storage
from study.schemas import insight as schemas
from study.schemas.insight import Says, Weight
from study.text import insight as text
from study.text.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    import plotly.graph_objects as go
    from numpy.typing import NDArray
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from study.insight.seed_noise import Noise
    from study.metric import Metric
    from study.record.journal import Journal
    from study.text.table import Block

QUARTER = 0.25
# Of 160 random MLPs on digits with 8 knobs, subsets of 20, 40 and 80 ranked the knobs as all of them did with a rank
# correlation of 0.2, 0.5 and 0.8 (fANOVA), -0.2, 0.3 and 0.8 (PED-ANOVA), 0.4, 0.6 and 0.9 (effect); 8 subsets each.
NEEDED = 40
NEEDED_BEST = round(NEEDED / QUARTER)
FEWEST = 10  # trials that have a knob, below which its effect says nothing
MOST = 400  # trials that are weighed, spread evenly over all: fANOVA takes 14 s with so many, minutes with 2,000
DEPTH = 8  # of fANOVA's trees: 3 s; its shares differ by less than 0.01 from those of trees without end
GRID = 8  # values of a number at which its effect is read
ROWS = 100  # trials over which a prediction is averaged, at most
SHUFFLES = 4
TREES = 64
optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True, slots=True)
class Knob:
    """One suggestion of the space.

    Args:
        name: as the space suggests it.
        trials: complete trials that have it: fewer than all where it is conditional.
        overall: over all complete trials.
        among_best: within the best quarter of them; None with too few trials.

    """

    name: str
    trials: int
    overall: Weight
    among_best: Weight | None


@dataclass(frozen=True, slots=True)
class Importance(Shown):
    """What mattered in a search.

    Args:
        trials: complete trials of it that have parameters.
        lacking: how many more are needed for anything to be said.
        lacking_best: how many more for the best quarter.
        knobs: those that vary, the largest effect first; empty while trials are lacking.
        chance: the effect that a knob without any shows, over all trials; NaN while they are lacking.
        noise: between seeds; None where it is not known.
        metric: what is optimized.
        study: name of the search.

    """

    trials: int
    lacking: int
    lacking_best: int
    knobs: Sequence[Knob]
    chance: float
    noise: Noise | None
    metric: Metric
    study: str = ""

    def record(self) -> schemas.Importance:
        """Describe it in plain values."""
        return schemas.Importance(
            study=self.study,
            **self.metric.asked(),
            trials=self.trials,
            lacking=self.lacking,
            lacking_best_quarter=self.lacking_best,
            chance=self.chance,
            noise=schemas.Noise(**asdict(self.noise)) if self.noise else None,
            knobs=[
                schemas.Knob(
                    knob=each.name,
                    trials=each.trials,
                    overall=each.overall,
                    best_quarter=each.among_best,
                )
                for each in self.knobs
            ],
        )

    def rows(self) -> list[dict[str, Any]]:
        """Give a row for each knob."""
        return [
            {"knob": each.name, "trials": each.trials, **each.overall.plain()}
            | ({f"best_quarter.{name}": value for name, value in each.among_best.plain().items()}
               if each.among_best else {})
            for each in self.knobs
        ]  # fmt: skip

    def blocks(self) -> list[Block]:
        """Show each knob's effect beside what chance and seeds do."""
        return text.importance(self.record())

    def figure(self) -> go.Figure:
        """Draw each knob's effect, over all trials and within the best quarter."""
        factor = self.metric.factor
        series = {"all complete trials": {each.name: factor * each.overall.effect for each in self.knobs}}
        best = {each.name: factor * each.among_best.effect for each in self.knobs if each.among_best}
        series |= {"the best quarter": best} if best else {}
        return interactive.bars(series, f"{self.study}: effect of each knob", self.metric.axis)


def read(journal: Journal) -> Importance:
    """Assess the knobs of a search; always the same from the same folders.

    Raises:
        StudyError: a damaged file; names it and its line.

    """
    searched, name = results.read(journal), journal.folder.name
    trials = [storage.frozen(trial) for trial in searched]
    trials = [each for each in trials if each.state == TrialState.COMPLETE and each.params and _is_finite(each.value)]
    noise = seed_noise.noise(Family(name, journal.home), searched)
    return replace(assess(trials, results.metric_of(journal, searched), noise=noise), study=name)


def assess(trials: Sequence[FrozenTrial], metric: Metric, noise: Noise | None = None) -> Importance:
    """Assess the knobs of complete trials.

    Args:
        trials: complete, with a finite value and at least one parameter.
        metric: what is optimized.
        noise: between seeds, if known.

    """
    lacking, lacking_best = max(0, NEEDED - len(trials)), max(0, NEEDED_BEST - len(trials))
    if lacking:
        return Importance(len(trials), lacking, lacking_best, (), math.nan, noise, metric)
    weighed = [trials[index] for index in np.linspace(0, len(trials) - 1, min(MOST, len(trials))).astype(int)]
    ranges = {name: each for name, each in widest(trials).items() if not each.single()}
    sd = noise.sd if noise else 0.0
    overall, chance = _weigh(weighed, ranges, metric, sd=sd)
    best: Mapping[str, Weight] = {}
    if not lacking_best:
        ranked = sorted(trials, key=lambda trial: trial.value or 0.0, reverse=metric.sign > 0)
        best, _ = _weigh(ranked[: min(MOST, round(QUARTER * len(ranked)))], ranges, metric, sd=sd)
    knobs = [
        Knob(name, sum(name in trial.params for trial in trials), weight, best.get(name))
        for name, weight in overall.items()
    ]
    knobs.sort(key=lambda knob: -knob.overall.effect)
    return Importance(len(trials), lacking, lacking_best, tuple(knobs), chance, noise, metric)


def widest(trials: Sequence[FrozenTrial]) -> dict[str, BaseDistribution]:
    """Join the ranges that each parameter was ever suggested from: a study file may have widened one."""
    ranges: dict[str, BaseDistribution] = {}
    for trial in trials:
        for name, new in trial.distributions.items():
            old = ranges.get(name)
            ranges[name] = new if old is None or old == new else _joined(old, new)
    return dict(sorted(ranges.items()))


def _joined(old: BaseDistribution, new: BaseDistribution) -> BaseDistribution:
    if isinstance(old, CategoricalDistribution) and isinstance(new, CategoricalDistribution):
        return CategoricalDistribution(list(dict.fromkeys([*old.choices, *new.choices])))
    if isinstance(old, FloatDistribution | IntDistribution) and isinstance(new, FloatDistribution | IntDistribution):
        kind = IntDistribution if isinstance(old, IntDistribution) else FloatDistribution
        return kind(min(old.low, new.low), max(old.high, new.high), log=old.log and new.log)  # pyright: ignore[reportArgumentType]
    return new


def _weigh(
    trials: Sequence[FrozenTrial], ranges: Mapping[str, BaseDistribution], metric: Metric, *, sd: float
) -> tuple[dict[str, Weight], float]:
    """Weigh every knob in one set of trials; also give the effect that chance has in it."""
    varied = {name: each for name, each in ranges.items() if len({str(t.params.get(name)) for t in trials}) > 1}
    if not varied:
        return {}, 0.0
    fanova = _importances(
        _filled(trials, varied),
        FanovaImportanceEvaluator(n_trees=TREES, max_depth=DEPTH, seed=0),
        varied,
        metric,
    )
    ped = PedAnovaImportanceEvaluator(target_quantile=QUARTER)
    ped_anova = _importances(_rebuilt(trials, varied), ped, varied, metric)
    effects, chance = _effects(trials, varied)
    weights = {
        name: Weight(
            fanova=fanova[name], ped_anova=ped_anova[name], effect=effect, says=_says(trials, name, effect, sd, chance)
        )
        for name, effect in effects.items()
    }
    return weights, chance


def _says(trials: Sequence[FrozenTrial], name: str, effect: float, sd: float, chance: float) -> Says:
    if sum(name in trial.params for trial in trials) < FEWEST:
        return "too few trials"
    if effect <= sd:
        return "below the seed noise"
    return "no more than chance" if effect <= chance else "matters"


def _importances(
    trials: Sequence[FrozenTrial],
    evaluator: FanovaImportanceEvaluator | PedAnovaImportanceEvaluator,
    ranges: Mapping[str, BaseDistribution],
    metric: Metric,
) -> dict[str, float]:
    study = optuna.create_study(direction=metric.direction)
    study.add_trials(trials)
    with warnings.catch_warnings():  # that a branch was taken once: its weight is small by itself
        warnings.simplefilter("ignore")
        found = get_param_importances(study, evaluator=evaluator, params=list(ranges))
    return {name: float(value) for name, value in found.items()}


def _rebuilt(trials: Sequence[FrozenTrial], ranges: Mapping[str, BaseDistribution]) -> list[FrozenTrial]:
    """Give every trial the joined ranges; a knob that a trial lacks stays away."""
    return [
        create_trial(
            value=trial.value,
            params={name: value for name, value in trial.params.items() if name in ranges},
            distributions={name: ranges[name] for name in trial.params if name in ranges},
        )
        for trial in trials
    ]


def _filled(trials: Sequence[FrozenTrial], ranges: Mapping[str, BaseDistribution]) -> list[FrozenTrial]:
    """Let a knob stand still at one value where a trial lacks it, so that it explains nothing there."""
    return [
        create_trial(
            value=trial.value,
            params={name: trial.params.get(name, _middle(each)) for name, each in ranges.items()},
            distributions=dict(ranges),
        )
        for trial in trials
    ]


def _middle(distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[0]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = distribution.low, distribution.high
    middle = math.sqrt(low * high) if distribution.log else (low + high) / 2
    if distribution.step:
        middle = low + distribution.step * round((middle - low) / distribution.step)
    return round(middle) if isinstance(distribution, IntDistribution) else middle


def _effects(trials: Sequence[FrozenTrial], ranges: Mapping[str, BaseDistribution]) -> tuple[dict[str, float], float]:
    """Measure each knob's effect, on average over shuffles, and the largest of any shuffled copy."""
    from sklearn.ensemble import RandomForestRegressor  # noqa: PLC0415 - a second to load

    table = np.array(
        [[_place(each, trial.params.get(name, _middle(each))) for name, each in ranges.items()] for trial in trials]
    )
    active = np.array([[name in trial.params for name in ranges] for trial in trials])
    values = np.array([trial.value for trial in trials], dtype=np.float64)
    real, shadows = np.zeros(len(ranges)), 0.0
    for shuffle in range(SHUFFLES):
        order = np.random.default_rng(shuffle).permuted(np.tile(np.arange(len(trials)), (len(ranges), 1)), axis=1).T
        both = np.concatenate([table, np.take_along_axis(table, order, 0)], axis=1)
        there = np.concatenate([active, np.take_along_axis(active, order, 0)], axis=1)
        forest = RandomForestRegressor(TREES, min_samples_leaf=2, max_features=0.5, random_state=shuffle)
        forest.fit(both, values)
        found = [_range(forest, both, there[:, knob], knob) for knob in range(both.shape[1])]
        real += np.array(found[: len(ranges)]) / SHUFFLES
        shadows = max(shadows, *found[len(ranges) :])
    return dict(zip(ranges, real.tolist(), strict=True)), shadows


def _range(forest: Any, table: NDArray[np.float64], active: NDArray[np.bool_], knob: int) -> float:
    """How far the mean prediction goes as one knob goes through its values, over trials that have it."""
    rows = table[active]
    grid = np.unique(rows[:, knob])
    if len(grid) > GRID:
        grid = np.quantile(rows[:, knob], np.linspace(0.05, 0.95, GRID))
    rows = rows[np.linspace(0, len(rows) - 1, min(ROWS, len(rows))).astype(int)]
    repeated = np.tile(rows, (len(grid), 1))
    repeated[:, knob] = np.repeat(grid, len(rows))
    means = forest.predict(repeated).reshape(len(grid), len(rows)).mean(1)
    return float(means.max() - means.min())


def _place(distribution: BaseDistribution, value: Any) -> float:
    """A value as a number: a choice by its place, a number in its own scale."""
    if isinstance(distribution, CategoricalDistribution):
        return float(distribution.choices.index(value))
    return math.log(value) if getattr(distribution, "log", False) else float(value)


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
