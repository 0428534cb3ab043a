"""Confirmation: a race of the best trials on fresh seeds; then the winner's score on the test split.

The best of many trials with one seed each is partly luck. So the k best are trained on seeds that the search did not
use, significantly worse ones are dropped early, and the best mean wins. The winner and the baseline are then trained on
a third set of seeds, which no choice depends on, and only these trainings are evaluated on the test split. Their mean
is an unbiased score.

All results are read from the folders of the search, of NAME-confirm (the race) and of NAME-final (the scores).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from study.differences import difference
from study.errors import InputError
from study.plots import interactive
from study.questions import judging, new_examples, publishing, race, replicates, resplits
from study.questions.race import ConfirmationQuestion, Contender, arm_of
from study.questions.replicates import Design, Pairs
from study.recipe import SEEDS, fingerprint
from study.record import family, results
from study.record.family import BASELINE, Family
from study.schemas import questions as schemas
from study.stats import intervals
from study.text import questions as text
from study.text.shown import Shown

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator, Iterator, Sequence

    from pydantic import BaseModel

    from study.definition import Study
    from study.metric import Metric
    from study.options import Options
    from study.progress import Progress
    from study.settings import Settings
    from study.stats.failures import Failures
    from study.text.table import Block

FINAL_SEEDS = 2000  # added to the recipe's seed; the race starts at 1000


@dataclass(frozen=True, slots=True)
class Score:
    """A recipe's score on the test split.

    Args:
        name: "trial N" of the search, or "baseline".
        recipe: all knobs, with `final` applied and the first of the final seeds.
        values: values on the final seeds that have run, in their order.
        mean: mean of the values, with Student's interval; None without a value.
        trials: trial numbers in the study NAME-final, in the order of the seeds.
        failed: failed trainings, which values and mean leave out.
        mean_new: 95 % interval of the mean on new examples, over seeds and examples; None if unknown.

    """

    name: str
    recipe: BaseModel
    values: Sequence[float]
    mean: intervals.Mean | None
    trials: tuple[int, ...]
    failed: Failures
    mean_new: intervals.Interval | None = None

    def record(self) -> schemas.Score:
        """Return the result as a record."""
        return schemas.Score(
            name=self.name,
            **publishing.averaged(self.mean, self.failed),
            **publishing.on_new_examples(self.mean_new),
            values=list(self.values),
        )


@dataclass(frozen=True, slots=True)
class Confirmation(Shown):
    """The result of a confirmation, complete or not.

    Args:
        study: name of the study.
        metric: metric that judges the race.
        score_metric: metric of the scores.
        question: the question answered.
        contenders: best mean first, dropped ones last.
        winner: the best contender; None until the race is over.
        score: the winner's score on the test split.
        baseline: the baseline's score on the test split.
        gain: the winner's score minus the baseline's, paired over the seeds; None before both have two values.
        gain_new: 95 % interval of the gain on new examples; None if unknown.
        examples: number of test examples; None if unknown.
        optimism: how much the winner's value in the search exceeds its score; positive means better, for both
            directions of the metric.
        complete: whether all trainings have run.
        spread: of the race, between splits and between trainings on one split; None where that is not known.
        score_spread: the same of the scores.

    """

    study: str
    metric: Metric
    score_metric: Metric
    question: ConfirmationQuestion
    contenders: tuple[Contender, ...]
    winner: Contender | None
    score: Score | None
    baseline: Score | None
    gain: intervals.Paired | None
    gain_new: intervals.Interval | None
    examples: int | None
    optimism: float | None
    complete: bool
    spread: schemas.Spread | None = None
    score_spread: schemas.Spread | None = None

    @property
    def top(self) -> int:
        """The number of contenders."""
        return len(self.question.trials)

    @property
    def seeds(self) -> int:
        """The number of fresh seeds of the race; the final scores use as many others."""
        return self.question.seeds

    def record(self) -> schemas.Confirmation:
        """Return the result as a record."""
        winner, gain = self.winner, self.gain
        return schemas.Confirmation(
            study=self.study,
            **self.metric.asked(),
            score_metric=self.score_metric.name,
            complete=self.complete,
            seeds=self.seeds,
            resplit=self.question.resplit,
            spread=self.spread,
            score_spread=self.score_spread,
            winner=winner.trial if winner else None,
            search_value=winner.search_value if winner else None,
            score=self.score.record() if self.score else None,
            baseline=self.baseline.record() if self.baseline else None,
            gain=gain.difference if gain else None,
            gain_low=gain.interval.low if gain else None,
            gain_high=gain.interval.high if gain else None,
            gain_new_low=self.gain_new.low if self.gain_new else None,
            gain_new_high=self.gain_new.high if self.gain_new else None,
            examples=self.examples,
            optimism=self.optimism,
            contenders=[each.record() for each in self.contenders],
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return one flat row per contender."""
        return [each.record().plain() for each in self.contenders]

    def blocks(self) -> list[Block]:
        """Describe the result in words."""
        return text.confirmation(self.record())

    def figure(self) -> Any:
        """Draw the contenders' means and intervals as a plotly figure."""
        means = {f"trial {each.trial}": each.mean for each in self.contenders if each.mean}
        return interactive.means(means, self.metric, f"{self.study}: {self.seeds} fresh seeds")


def ask(
    study: Study, settings: Settings, top: int = 10, seeds: int = 5, *, resplit: bool | None = None
) -> ConfirmationQuestion:
    """Choose the best complete trials of a search, each recipe once.

    Args:
        study: the study that was searched.
        settings: where its folders are.
        top: largest number of trials, 1 or more.
        seeds: number of fresh seeds, 2 or more.
        resplit: whether each fresh seed has a split of its own; None goes on as the last confirmation did, and the
            first time does so where the data permit it.

    Raises:
        InputError: the search has no complete trial, `top` or `seeds` is too small, or there is no other split.

    """
    replicates.require_seed(study)
    judging.require_seeds(seeds)
    if top < 1:
        raise InputError(f"--top must be 1 or more, not {top}")
    journal = Family(study.name, settings.home).search
    stored = Family(study.name, settings.home).question("confirm")
    resplit = resplits.chosen(study, stored, wanted=resplit, usual=True)
    own = SEEDS if resplit else {"seed"}
    trials = {trial.number: trial for trial in results.read(journal)}
    rows = [trial.row for trial in trials.values() if trial.row.state == "complete"]
    arms: dict[int, dict[str, Any]] = {}
    values: dict[int, float] = {}
    seen: set[str] = set()
    for row in results.ranked(rows, study.objective):
        try:
            recipe = type(study.recipe).model_validate(trials[row.number].recipe)
        except ValidationError:  # its class was changed since: it cannot be trained any more
            continue
        knobs = {knob: value for knob, value in difference(recipe, study.recipe).items() if knob not in own}
        key = fingerprint(study.recipe_for(knobs))
        if key not in seen and row.value is not None and len(arms) < top:
            seen.add(key)
            arms[row.number], values[row.number] = knobs, row.value
    if not arms:
        raise InputError(
            "no complete trial to confirm", where=study.name, fix=f"Search first: `study run {study.name}`."
        )
    baseline = dict(study.variants.get(family.baseline(study.variants) or "", {}))
    return ConfirmationQuestion(
        trials=tuple(arms), arms=arms, values=values, baseline=baseline, seeds=seeds, resplit=resplit
    )


def run(
    study: Study, settings: Settings, options: Options, question: ConfirmationQuestion, stop: threading.Event
) -> Generator[Progress, None, Confirmation]:
    """Run the race, then test its winner and the baseline; publish the result and return it.

    Each iteration drives the run. Raises the errors of `search.run`.

    Raises:
        InputError: no contender has a value on every seed.

    """
    options = options.started()  # one deadline for both stages
    raced = yield from replicates.run(race.design(study, question), settings, options, stop, question.to_json())
    if not raced.complete():
        return _judged(study, question, raced, None)  # the time limit was reached
    winner = race.winner(study, question, raced)
    if winner is None:
        fix = f"`study show {study.name}-confirm` says why; after `study remove {study.name}-confirm` it can run again."
        raise InputError("the race has no winner", where=study.name, fix=fix)
    final = yield from replicates.run(_final(study, question, winner.trial), settings, options, stop)
    found = _judged(study, question, raced, final)
    yield from _publish(study, settings, options, found)
    return found


def _publish(study: Study, settings: Settings, options: Options, found: Confirmation) -> Iterator[Progress]:
    family = Family(study.name, settings.home)
    raced = {arm_of(each.trial): publishing.over_seeds(each.record().plain()) for each in found.contenders if each.mean}
    scores = {
        score.name.replace(" ", "-"): publishing.over_seeds(score.record().plain())
        for score in (found.score, found.baseline)
        if score and score.mean
    }
    yield from publishing.publish(settings, options, {family.confirm: raced, family.final: scores})


def read(study: Study, settings: Settings) -> Confirmation | None:
    """Read the latest confirmation and its result so far from the folders; None if there is none."""
    stored = Family(study.name, settings.home).question("confirm")
    return of(study, settings, ConfirmationQuestion.from_json(stored)) if stored else None


def shown(study: Study, settings: Settings, **asked: Any) -> Confirmation:
    """Read the result so far of the latest confirmation, or of the one that the arguments ask for.

    Args:
        study: the study that was searched.
        settings: where its folders are.
        asked: `top`, `seeds` and `resplit` of `ask`; without any, and before the first confirmation, as it has them.

    Raises:
        InputError: see `ask`.

    """
    latest = None if asked else read(study, settings)
    return latest or of(study, settings, ask(study, settings, **asked))


def of(study: Study, settings: Settings, question: ConfirmationQuestion) -> Confirmation:
    """Read the result of a confirmation so far."""
    raced = Pairs.of(race.design(study, question), settings)
    winner = race.winner(study, question, raced)
    final = Pairs.of(_final(study, question, winner.trial), settings) if winner else None
    return _judged(study, question, raced, final)


def _judged(study: Study, question: ConfirmationQuestion, raced: Pairs, final: Pairs | None) -> Confirmation:
    contenders, winner = race.contenders(study, question, raced), race.winner(study, question, raced)
    metric = study.objective.seen(question.values.values())
    if winner is None or final is None:
        nothing = {"winner": None, "score": None, "baseline": None, "gain": None, "optimism": None,
                   "gain_new": None, "examples": None}  # fmt: skip
        judged = judging.judged_on_test(study, "final").objective
        return Confirmation(
            study.name, metric, judged, question, contenders, **nothing, complete=False, spread=resplits.spread(raced)
        )
    arm = arm_of(winner.trial)
    score, baseline = _score(final, arm), _score(final, BASELINE)
    values, same = final.values(), final.same(arm, BASELINE)
    gain = intervals.paired(values[arm], values[BASELINE], step=final.step(), same=same)
    return Confirmation(
        study=study.name,
        metric=metric,
        score_metric=replace(metric, name=final.design.study.objective.name),
        question=question,
        contenders=contenders,
        winner=winner,
        score=score,
        baseline=baseline,
        gain=gain if gain.n > 1 else None,
        gain_new=new_examples.of_difference(final, arm, BASELINE, gain.interval) if gain.n > 1 else None,
        examples=new_examples.count(final),
        optimism=study.objective.sign * (winner.search_value - score.mean.value) if score.mean else None,
        complete=final.complete(),
        spread=resplits.spread(raced),
        score_spread=resplits.spread(final),
    )


def _final(study: Study, question: ConfirmationQuestion, winner: int) -> Design:
    arms = {arm_of(winner): question.arms[winner], BASELINE: question.baseline}
    finals = judging.judged_on_test(study, "final")
    resplit = question.resplit and resplits.possible(finals)
    return Design(study=finals, arms=arms, seeds=question.seeds, first=FINAL_SEEDS, test=True, resplit=resplit)


def _score(final: Pairs, arm: str) -> Score:
    values = final.values()[arm]
    there = values[np.isfinite(values)].tolist()
    recipe = final.design.study.recipe_for(final.design.overrides(arm, 0))
    trials, mean = tuple(final.trials(arm)), intervals.mean(there, step=final.step()) if there else None
    on_new = new_examples.of_mean(final, arm, mean.interval) if mean else None
    return Score(arm.replace("-", " "), recipe, there, mean, trials, final.failures(arm), on_new)
