"""Confirmation: the best trials again on fresh seeds, a race on validation data; for the one left, the test split.

The best of many trials with one seed each is partly luck. So the k best meet seeds that the search has not seen, the
surely worse ones leave early, and the best mean wins. The winner and the baseline then meet a third set of seeds, which
nothing was chosen by, and only these are judged on the test split: their mean is a score that can be believed.

Everything is read from the folders: of the search, of NAME-confirm (the race), of NAME-final (the scores).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from study.errors import InputError
from study.questions import replicates
from study.questions.replicates import Pairs, Plan
from study.recipe import every_knob, fingerprint
from study.record import family, results
from study.record.family import BASELINE, Family
from study.stats import intervals, racing

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from pydantic import BaseModel

    from study.definition import Study
    from study.options import Options
    from study.progress import Progress
    from study.settings import Settings

RACE_SEEDS = 1000  # counted on from the recipe's seed; a comparison has the seeds from 0 on
FINAL_SEEDS = 2000
FIRST_LOOK = 2  # seeds before the race drops anyone


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is confirmed.

    Args:
        trials: numbers of the search's best trials with distinct recipes, best first.
        arms: for each, the knobs in which its recipe differs from the study's; the seed is left out.
        values: what the search has seen of each.
        baseline: the knobs of the baseline.
        seeds: fresh seeds of the race, and again of the final scores.

    """

    trials: tuple[int, ...]
    arms: Mapping[int, Mapping[str, Any]]
    values: Mapping[int, float]
    baseline: Mapping[str, Any]
    seeds: int


@dataclass(frozen=True, slots=True)
class Contender:
    """One of the search's best trials in the race.

    Args:
        trial: its number in the search.
        overrides: the knobs in which it differs from the study's recipe.
        recipe: every knob, with the study's seed.
        search_value: what the search saw of it.
        values: on validation data, by fresh seed, as far as it has come.
        mean: of the values, with Student's interval; None below one value.
        dropped: seeds after which the race dropped it as surely worse; None if it did not.
        behind: whether it is surely worse than the winner, dropped or not.

    """

    trial: int
    overrides: Mapping[str, Any]
    recipe: BaseModel
    search_value: float
    values: Sequence[float]
    mean: intervals.Mean | None
    dropped: int | None
    behind: bool


@dataclass(frozen=True, slots=True)
class Score:
    """What the test split says of a recipe.

    Args:
        name: "trial N" of the search, or "baseline".
        recipe: every knob, `final` applied, with the first of the final seeds.
        values: by final seed, as far as it has come.
        mean: of the values, with Student's interval; None below one value.
        trials: numbers in the study NAME-final, in the order of the seeds.

    """

    name: str
    recipe: BaseModel
    values: Sequence[float]
    mean: intervals.Mean | None
    trials: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Confirmation:
    """How far a confirmation has come, or what it found.

    Args:
        question: what was asked.
        contenders: best mean first, those that the race dropped last.
        winner: the best of them once the race is over, else None.
        score: of the winner on the test split.
        baseline: the same of the baseline.
        gain: the winner's score less the baseline's, paired over the seeds; None before both have two.
        optimism: by how much the search made the winner look better than its score; positive is better for either
            direction of the metric.
        complete: whether all that was asked for has been run.

    """

    question: Question
    contenders: tuple[Contender, ...]
    winner: Contender | None
    score: Score | None
    baseline: Score | None
    gain: intervals.Paired | None
    optimism: float | None
    complete: bool

    @property
    def top(self) -> int:
        """How many trials were confirmed."""
        return len(self.question.trials)

    @property
    def seeds(self) -> int:
        """Fresh seeds of the race, and again of the final scores."""
        return self.question.seeds


def ask(study: Study, settings: Settings, top: int = 10, seeds: int = 5) -> Question:
    """Choose the best complete trials of a search, each recipe once.

    Args:
        study: the search's.
        settings: where its folders are.
        top: how many at most.
        seeds: fresh seeds, 2 or more.

    Raises:
        InputError: the search has no complete trial, or too few seeds.

    """
    replicates.require_seed(study)
    if seeds < 2:
        raise InputError(f"--seeds must be 2 or more, not {seeds}", fix="One seed decides nothing.")
    if top < 1:
        raise InputError(f"--top must be 1 or more, not {top}")
    journal = Family(study.name, settings.home).search
    ranked = [row for row in results.ranked(results.rows(journal), study.objective) if row.state == "complete"]
    arms: dict[int, dict[str, Any]] = {}
    values: dict[int, float] = {}
    seen: set[str] = set()
    for row in ranked:
        knobs = _difference(study, journal.trial(row.number).recipe())
        key = fingerprint(study.recipe_for(knobs))
        if key not in seen and row.value is not None and len(arms) < top:
            seen.add(key)
            arms[row.number], values[row.number] = knobs, row.value
    if not arms:
        raise InputError(
            "no complete trial to confirm", where=study.name, fix=f"Search first: `study run {study.name}`."
        )
    baseline = dict(study.variants.get(family.baseline(study.variants) or "", {}))
    return Question(trials=tuple(arms), arms=arms, values=values, baseline=baseline, seeds=seeds)


def run(
    study: Study, settings: Settings, options: Options, question: Question, stop: threading.Event
) -> Iterator[Progress]:
    """Run the race as far as it still lacks; iterate to make it go on. Raises as `search.run`."""
    asked = _to_json(question)
    yield from replicates.run(_race(study, question), settings, options, stop, asked)


def run_final(
    study: Study, settings: Settings, options: Options, question: Question, stop: threading.Event
) -> Iterator[Progress]:
    """Open the test split for the winner of the race and for the baseline. Raises as `search.run`.

    Raises:
        InputError: the race is not over, or no contender's trainings came to a figure.

    """
    found = of(study, settings, question)
    if found.winner is None:
        fix = f"`study show {study.name}-confirm` says why; `study remove {study.name}-confirm` lets it be run anew."
        raise InputError("the race has no winner", where=study.name, fix=fix)
    yield from replicates.run(_final(study, question, found.winner.trial), settings, options, stop)


def is_raced(study: Study, settings: Settings, question: Question) -> bool:
    """Tell whether the race has been run to its end, with a winner or without."""
    return Pairs.of(_race(study, question), settings).complete()


def read(study: Study, settings: Settings) -> Confirmation | None:
    """Read what was last asked and what became of it; None if nothing ever was. The same from the same folders."""
    stored = Family(study.name, settings.home).question("confirm")
    return of(study, settings, _from_json(stored)) if stored else None


def of(study: Study, settings: Settings, question: Question) -> Confirmation:
    """Read how far a confirmation has come."""
    race = Pairs.of(_race(study, question), settings)
    over = race.complete()
    contenders = _contenders(study, question, race)
    finite = [each for each in contenders if each.dropped is None and each.mean and each.mean.n == question.seeds]
    winner = finite[0] if over and finite else None
    if winner is None:
        return Confirmation(question, contenders, None, None, None, None, None, complete=False)
    final = Pairs.of(_final(study, question, winner.trial), settings)
    score, baseline = _score(final, _arm(winner.trial)), _score(final, BASELINE)
    values = final.values()
    gain = intervals.paired(values[_arm(winner.trial)], values[BASELINE])
    return Confirmation(
        question=question,
        contenders=contenders,
        winner=winner,
        score=score,
        baseline=baseline,
        gain=gain if gain.n > 1 else None,
        optimism=study.objective.sign * (winner.search_value - score.mean.value) if score.mean else None,
        complete=final.complete(),
    )


def _race(study: Study, question: Question) -> Plan:
    """Lay out the race: all contenders on the first seeds, then those that are not surely worse."""
    named = {_arm(number): overrides for number, overrides in question.arms.items()}
    race = replace(study, name=family.name_of(study.name, "confirm"))
    step = replicates.resolution(study, test=False)

    def narrow(before: tuple[str, ...], values: Mapping[str, NDArray[np.float64]]) -> tuple[str, ...]:
        going = [name for name in before if np.isfinite(values[name]).all()]
        if len(going) < 2:
            return tuple(going)
        table = np.array([values[name] for name in going])
        out = racing.worse(table, direction=study.direction, looks=_looks(question), step=step)
        return tuple(name for name, is_out in zip(going, out, strict=True) if not is_out)

    return Plan(study=race, arms=named, seeds=question.seeds, first=RACE_SEEDS, narrow=narrow, look=FIRST_LOOK)


def _looks(question: Question) -> int:
    """Count the looks at a race: after each seed from the second on, the end included."""
    return max(1, question.seeds - FIRST_LOOK + 1)


def _final(study: Study, question: Question, winner: int) -> Plan:
    arms = {_arm(winner): question.arms[winner], BASELINE: question.baseline}
    finals = replicates.judged_on_test(study, "final")
    return Plan(study=finals, arms=arms, seeds=question.seeds, first=FINAL_SEEDS, test=True)


def _contenders(study: Study, question: Question, race: Pairs) -> tuple[Contender, ...]:
    table, behind = race.values(), _behind(study, question, race)
    found = [
        Contender(
            trial=number,
            overrides=overrides,
            recipe=study.recipe_for(overrides),
            search_value=question.values[number],
            values=(values := table[_arm(number)][np.isfinite(table[_arm(number)])].tolist()),
            mean=intervals.mean(values) if values else None,
            dropped=_dropped(race, _arm(number)),
            behind=_arm(number) in behind,
        )
        for number, overrides in question.arms.items()
    ]

    def place(each: Contender) -> tuple[bool, int, float]:
        reached = len(each.values) if each.dropped is not None else 0
        value = each.mean.value if each.mean else -np.inf * study.objective.sign
        return each.dropped is not None, -reached, -study.objective.sign * value

    return tuple(sorted(found, key=place))


def _dropped(race: Pairs, arm: str) -> int | None:
    for turn in range(race.plan.look, race.plan.seeds):
        members = race.members(turn)
        if members is not None and arm not in members:
            return turn
    return None


def _behind(study: Study, question: Question, race: Pairs) -> set[str]:
    """Name the arms that the race dropped, and those that are surely worse at its end."""
    left = {arm for arm in race.plan.arms if _dropped(race, arm) is not None}
    table = {arm: values for arm, values in race.values().items() if arm not in left and np.isfinite(values).all()}
    if len(table) < 2:
        return left
    step = replicates.resolution(study, test=False)
    out = racing.worse(np.array([*table.values()]), direction=study.direction, looks=_looks(question), step=step)
    return left | {arm for arm, is_out in zip(table, out, strict=True) if is_out}


def _score(final: Pairs, arm: str) -> Score:
    values = final.values()[arm]
    there = values[np.isfinite(values)].tolist()
    recipe = final.plan.study.recipe_for(final.plan.overrides(arm, 0))
    trials = tuple(final.trials(arm))
    return Score(arm.replace("-", " "), recipe, there, intervals.mean(there) if there else None, trials)


def _arm(trial: int) -> str:
    return f"trial-{trial}"


def _difference(study: Study, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Give the knobs in which a recipe differs from the study's, but for the seed."""
    plain, other = every_knob(study.recipe), every_knob(type(study.recipe).model_validate(recipe))
    return {knob: value for knob, value in other.items() if knob != "seed" and plain.get(knob) != value}


def _to_json(question: Question) -> dict[str, Any]:
    trials = [
        {"trial": number, "value": question.values[number], "overrides": dict(question.arms[number])}
        for number in question.trials
    ]
    return {"seeds": question.seeds, "baseline": dict(question.baseline), "trials": trials}


def _from_json(stored: Mapping[str, Any]) -> Question:
    return Question(
        trials=tuple(each["trial"] for each in stored["trials"]),
        arms={each["trial"]: each["overrides"] for each in stored["trials"]},
        values={each["trial"]: each["value"] for each in stored["trials"]},
        baseline=stored["baseline"], seeds=stored["seeds"],
    )  # fmt: skip
