"""The race of a confirmation: the search's best trials on fresh seeds, judged on validation data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from study.differences import settings
from study.questions import judging, publishing
from study.questions.replicates import Design, Pairs
from study.record import family
from study.schemas import questions as schemas
from study.stats import intervals, racing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from pydantic import BaseModel

    from study.definition import Study
    from study.stats.failures import Failures

RACE_SEEDS = 1000  # added to the recipe's seed; a comparison starts at 0
FIRST_LOOK = 2  # number of seeds before the race drops a contender


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmationQuestion:
    """The question of a confirmation.

    Args:
        trials: numbers of the search's best trials with distinct recipes, best first.
        arms: knobs in which the recipe of each trial differs from the study's, without the seed.
        values: value of each trial in the search.
        baseline: the baseline's overrides.
        seeds: number of fresh seeds of the race; the final scores use as many others.
        resplit: whether each of these seeds has a split of its own; False for those of older versions.

    """

    trials: tuple[int, ...]
    arms: Mapping[int, Mapping[str, Any]]
    values: Mapping[int, float]
    baseline: Mapping[str, Any]
    seeds: int
    resplit: bool = False

    def to_json(self) -> dict[str, Any]:
        """Convert the question to JSON values."""
        trials = [
            {"trial": number, "value": self.values[number], "overrides": dict(self.arms[number])}
            for number in self.trials
        ]
        return {"seeds": self.seeds, "baseline": dict(self.baseline), "trials": trials, "resplit": self.resplit}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> ConfirmationQuestion:
        """Restore a question from the values of `to_json`."""
        return cls(
            trials=tuple(each["trial"] for each in stored["trials"]),
            arms={each["trial"]: each["overrides"] for each in stored["trials"]},
            values={each["trial"]: each["value"] for each in stored["trials"]},
            baseline=stored["baseline"],
            seeds=stored["seeds"],
            resplit=stored.get("resplit", False),
        )


@dataclass(frozen=True, slots=True)
class Contender:
    """One of the search's best trials in the race.

    Args:
        trial: trial number in the search.
        overrides: knobs in which it differs from the study's recipe.
        recipe: all knobs, with the study's seed.
        settings: the overrides as shown to people, without the knobs that have no effect.
        search_value: value in the search.
        values: validation values on the fresh seeds that have run, in their order.
        mean: mean of the values, with Student's interval; None without a value.
        failed: failed trainings on the fresh seeds, which values and mean leave out.
        dropped: number of seeds after which the race dropped it as significantly worse; None if it stayed.
        behind: whether it is significantly worse than the winner, dropped or not.

    """

    trial: int
    overrides: Mapping[str, Any]
    recipe: BaseModel
    settings: Mapping[str, Any]
    search_value: float
    values: Sequence[float]
    mean: intervals.Mean | None
    failed: Failures
    dropped: int | None
    behind: bool

    def record(self) -> schemas.Contender:
        """Return the contender as a record."""
        return schemas.Contender(
            trial=self.trial,
            search_value=self.search_value,
            **publishing.averaged(self.mean, self.failed),
            dropped_after=self.dropped,
            surely_worse=self.behind,
            overrides=dict(self.settings),
            values=list(self.values),
        )


def design(study: Study, question: ConfirmationQuestion) -> Design:
    """Plan the race: all contenders on the first seeds, then only those that are not significantly worse."""
    arms = {arm_of(number): overrides for number, overrides in question.arms.items()}
    race = replace(study, name=family.name_of(study.name, "confirm"))

    def narrow(
        before: tuple[str, ...],
        values: Mapping[str, NDArray[np.float64]],
        failed: Mapping[str, NDArray[np.bool_]],  # noqa: ARG001 - their values are NaN
    ) -> tuple[str, ...]:
        running = {name: values[name] for name in before if np.isfinite(values[name]).any()}
        out = _worse(study, question, running)
        return tuple(name for name in running if name not in out)

    return Design(
        study=race, arms=arms, seeds=question.seeds, first=RACE_SEEDS, narrow=narrow, look=FIRST_LOOK,
        resplit=question.resplit,
    )  # fmt: skip


def _worse(
    study: Study,
    question: ConfirmationQuestion,
    values: Mapping[str, NDArray[np.float64]],
) -> set[str]:
    """List the arms that are significantly worse than the best."""
    if len(values) < 2:
        return set()
    table = np.array([*values.values()])
    out = racing.worse(
        table,
        direction=study.direction,
        looks=_looks(question),
        step=judging.resolution(study, table, test=False),
    )
    return {name for name, is_out in zip(values, out, strict=True) if is_out}


def _looks(question: ConfirmationQuestion) -> int:
    """Count the interim analyses of a race: after each seed from the second on, including the last."""
    return max(1, question.seeds - FIRST_LOOK + 1)


def contenders(study: Study, question: ConfirmationQuestion, race: Pairs) -> tuple[Contender, ...]:
    """Read the contenders' results so far, best mean first, dropped ones last."""
    table, behind, step = race.values(), _behind(study, question, race), race.step()
    found = [
        Contender(
            trial=number,
            overrides=overrides,
            recipe=(recipe := study.recipe_for(overrides)),
            settings={knob: value for knob, value in settings(recipe, study.recipe).items() if knob != "seed"},
            search_value=question.values[number],
            values=(values := table[arm_of(number)][np.isfinite(table[arm_of(number)])].tolist()),
            mean=intervals.mean(values, step=step) if values else None,
            failed=race.failures(arm_of(number)),
            dropped=_dropped(race, arm_of(number)),
            behind=arm_of(number) in behind,
        )
        for number, overrides in question.arms.items()
    ]

    def rank(each: Contender) -> tuple[bool, int, float]:
        reached = len(each.values) if each.dropped is not None else 0
        value = each.mean.value if each.mean else -np.inf * study.objective.sign
        return each.dropped is not None, -reached, -study.objective.sign * value

    return tuple(sorted(found, key=rank))


def winner(study: Study, question: ConfirmationQuestion, race: Pairs) -> Contender | None:
    """Return the best of the contenders that failed least often; None until the race is over, or if none has a value.

    A failed training costs far more than the differences that decide a race, and the mean of completed ones hides it.
    """
    finished = [each for each in contenders(study, question, race) if each.dropped is None and each.mean]
    return min(finished, key=lambda each: each.failed.count) if finished and race.complete() else None


def _dropped(race: Pairs, arm: str) -> int | None:
    for seed_index in range(race.design.look, race.design.seeds):
        members = race.members(seed_index)
        if members is not None and arm not in members:
            return seed_index
    return None


def _behind(study: Study, question: ConfirmationQuestion, race: Pairs) -> set[str]:
    """List the arms that the race dropped, and those that are significantly worse at its end."""
    left = {arm for arm in race.design.arms if _dropped(race, arm) is not None}
    table, failed = race.values(), race.failed()
    over = [arm for arm in table if arm not in left and (np.isfinite(table[arm]) | failed[arm]).all()]
    return left | _worse(study, question, {arm: table[arm] for arm in over})


def arm_of(trial: int) -> str:
    """Return the name of a trial's arm."""
    return f"trial-{trial}"
