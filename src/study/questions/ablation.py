"""Ablation: what each knob of the confirmed winner contributes, and which can be dropped without loss.

Each knob in which winner and baseline differ is reset alone to the baseline's value ("without"), and added alone to the
baseline ("with"). All of them use the same fresh seeds and validation data, since a choice follows. Knobs that depend
on each other, such as an optimizer and its momentum, move together. Then all knobs whose loss is significantly below
the smallest difference of interest are dropped at once. If that loses too much, the knob that contributes most is put
back, until the recipe is shown to be no worse than the winner. The idea is from Fawcett and Hoos 2016, "Analysing
differences between algorithm configurations through ablation" (J. Heuristics 22), which Biedenkapp et al. 2017 extend
with surrogates (AAAI); here every step is trained, not predicted.

All results are read from the folders of the search and of NAME-ablate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from study.differences import settings as settings_of
from study.errors import InputError, RecipeError
from study.formatting import to_json
from study.plots import figures, interactive
from study.progress import Written
from study.questions import ablation_arms, confirmation, judging, publishing, replicates
from study.questions.ablation_arms import AblationQuestion, Arm
from study.questions.ablation_rows import WINNER, AblationRow, end_row, rows_of
from study.questions.replicates import Design, Pairs
from study.record.family import BASELINE, Family, name_of
from study.record.results import recipe_record
from study.schemas import questions as schemas
from study.text import questions as text
from study.text.shown import Shown

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from study.definition import Study
    from study.metric import Metric
    from study.options import Options
    from study.progress import Progress
    from study.questions.ablation_arms import Fits
    from study.questions.recipe_results import RecipeResults
    from study.settings import Settings
    from study.text.table import Block


FIRST_SEED = 3000  # added to the recipe's seed; the race starts at 1000, the final scores at 2000


@dataclass(frozen=True, slots=True)
class Ablation(Shown):
    """The result of an ablation, complete or not.

    Args:
        study: name of the study.
        metric: metric that judges the recipes.
        question: the question answered.
        winner: row of the winner.
        baseline: row of the baseline.
        arms: the other rows: side "less", the largest contribution first, then "plus", then "simplest".
        simplest: overrides of the recipe with the fewest changes that is shown to be no worse than the winner; None if
            no knob can be dropped or the ablation is not complete.
        settings: the simplest recipe as shown to people, without the knobs that have no effect; None as above.
        dropped: knobs of the winner that the simplest recipe does not change.
        complete: whether all trainings have run.

    """

    study: str
    metric: Metric
    question: AblationQuestion
    winner: AblationRow
    baseline: AblationRow
    arms: tuple[AblationRow, ...]
    simplest: Mapping[str, Any] | None
    settings: Mapping[str, Any] | None
    dropped: tuple[str, ...]
    complete: bool

    def record(self) -> schemas.Ablation:
        """Return the ablation as a record."""
        question, metric = self.question, self.metric
        return schemas.Ablation(
            study=self.study,
            **metric.asked(),
            complete=self.complete,
            seeds=question.seeds,
            smallest=question.smallest,
            trial=question.trial,
            winner=self.winner.record(metric),
            baseline=self.baseline.record(metric),
            rows=[row.record(metric) for row in self.arms],
            simplest=dict(self.settings) if self.settings is not None else None,
            dropped=list(self.dropped),
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return one flat row per recipe."""
        return [row.record(self.metric).plain() for row in (self.winner, self.baseline, *self.arms)]

    def blocks(self) -> list[Block]:
        """Describe the result in words."""
        return text.ablation(self.record())

    def figure(self) -> Any:
        """Draw the contribution of each knob as a plotly figure."""
        contrasts = {row.label: row.contribution for row in self.arms}
        return interactive.forest(contrasts, self.metric, self.study, f"change of {self.metric.name}")


def ask(
    study: Study, settings: Settings, seeds: int = 10, smallest: float = judging.SMALLEST, fits: Fits | None = None
) -> AblationQuestion:
    """Build the arms between the confirmed winner and the baseline.

    Args:
        study: the study that was searched.
        settings: where its folders are.
        seeds: number of fresh seeds, 2 or more.
        smallest: smallest difference of interest, in the metric's unit.
        fits: raises RecipeError if a recipe does not fit the model and the data; None checks the recipe alone.

    Raises:
        InputError: no trial is confirmed, winner and baseline are the same recipe, or there are too few seeds.

    """
    judging.require_seeds(seeds)
    judging.require_smallest(study, smallest)
    confirmed = confirmation.read(study, settings)
    if confirmed is None or confirmed.winner is None:
        raise InputError("no confirmed winner", where=study.name, fix=f"Confirm first: `study confirm {study.name}`.")
    winner, baseline = confirmed.winner.overrides, confirmed.question.baseline
    arms = ablation_arms.arms(study, winner, baseline, fits)
    if not arms:
        raise InputError("the winner is the baseline", where=study.name, fix="There is nothing to set back.")
    return AblationQuestion(
        trial=confirmed.winner.trial, winner=winner, baseline=baseline, arms=arms, seeds=seeds,
        smallest=smallest,
    )  # fmt: skip


def run(
    study: Study, settings: Settings, options: Options, question: AblationQuestion, stop: threading.Event
) -> Generator[Progress, None, Ablation]:
    """Run the missing trainings of the arms, then of the simplest recipe; publish the result and return it.

    Raises the errors of `search.run`.
    """
    options = options.started()  # one deadline for all stages
    design = _design(study, question, ())
    while True:
        pairs = yield from replicates.run(design, settings, options, stop, question.to_json())
        if not pairs.complete():
            return _judged(study, question, pairs.results)  # the time limit was reached
        design = _design(study, question, _simpler(study, question, pairs.results))
        if Pairs(design, pairs.results).complete():
            break
    found = _judged(study, question, pairs.results)
    yield from _publish(study, settings, options, found)
    return found


def _publish(study: Study, settings: Settings, options: Options, found: Ablation) -> Iterator[Progress]:
    journal = Family(study.name, settings.home).ablate
    groups = {row.label: publishing.over_seeds(row.record(found.metric).plain())
              for row in (found.winner, found.baseline, *found.arms) if row.mean}  # fmt: skip
    title = f"{study.name}: what each knob contributes, {found.question.seeds} seeds"
    contrasts = {row.label: row.contribution for row in found.arms if row.contribution}
    says = {row.label: row.says(found.metric) or "" for row in found.arms}
    pictures = {"ablation": figures.forest(contrasts, title, f"change of {study.metric}", found.metric, says)}
    texts: dict[str, str] = {}
    if found.simplest is not None:
        recipe = study.recipe_for(found.simplest).model_dump(mode="json")
        record = recipe_record(study.name, journal.definition() or {}, recipe)
        texts["simplest.json"] = to_json(record, indent=2)
    else:
        (journal.artifacts / "simplest.json").unlink(missing_ok=True)
    yield from publishing.publish(settings, options, {journal: groups}, pictures, texts)
    if texts:
        yield Written("the simplest recipe, for `study run --recipe`", (journal.artifacts / "simplest.json",))


def read(study: Study, settings: Settings) -> Ablation | None:
    """Read the latest ablation and its result so far from the folders; None if there is none."""
    stored = Family(study.name, settings.home).question("ablate")
    return of(study, settings, AblationQuestion.from_json(stored)) if stored else None


def shown(study: Study, settings: Settings, **asked: Any) -> Ablation:
    """Read the result so far of the latest ablation, with the numbers that are given instead of its own.

    Args:
        study: the study that was searched.
        settings: where its folders are.
        asked: `seeds` and `smallest` of `ask`.

    Raises:
        InputError: see `ask`.

    """
    stored = Family(study.name, settings.home).question("ablate")
    if stored is None:
        return of(study, settings, ask(study, settings, **asked))
    question = replace(AblationQuestion.from_json(stored), **asked)  # its recipes are known to fit the data
    judging.require_seeds(question.seeds)
    judging.require_smallest(study, question.smallest)
    return of(study, settings, question)


def of(study: Study, settings: Settings, question: AblationQuestion) -> Ablation:
    """Read the result of an ablation so far."""
    return _judged(study, question, Pairs.of(_design(study, question, ()), settings).results)


def _judged(study: Study, question: AblationQuestion, results: RecipeResults) -> Ablation:
    tried = _simpler(study, question, results)
    found = Pairs(_design(study, question, tried), results)
    rows = rows_of(study, question, found, tried)
    complete = found.complete()
    simple = _simplest(study, rows) if complete else None
    arms = {arm.knobs: arm.overrides for arm in (*question.arms, *tried) if arm.side != "plus"}
    return Ablation(
        study=study.name,
        metric=study.objective.seen(found.values()[WINNER].tolist()),
        question=question,
        winner=end_row(study, WINNER, question.winner, found),
        baseline=end_row(study, BASELINE, question.baseline, found),
        arms=rows,
        simplest=arms[simple.knobs] if simple else None,
        settings=_shown(study, arms[simple.knobs]) if simple else None,
        dropped=simple.knobs if simple else (),
        complete=complete,
    )


def _simplest(study: Study, rows: Sequence[AblationRow]) -> AblationRow | None:
    """Return the last candidate, or the winner without its least useful knob, if it is shown to be no worse."""
    tried = [row for row in rows if row.side == "simplest"]
    single = [row for row in rows if row.side == "less" and _no_worse(row, study)]
    return next((row for row in (*tried[-1:], *single[-1:]) if _no_worse(row, study)), None)


def _simpler(study: Study, question: AblationQuestion, results: RecipeResults) -> tuple[Arm, ...]:
    """List the candidates for the simplest recipe, up to the next one to try."""
    found = Pairs(_design(study, question, ()), results)
    if not found.complete():
        return ()
    rows = rows_of(study, question, found, ())
    left = [row for row in rows if row.side == "less" and _no_worse(row, study)]  # most contributing first
    ends = ablation_arms.ends(study, question.winner, question.baseline)
    tried: tuple[Arm, ...] = ()
    while len(left) > 1:
        knobs = tuple(dict.fromkeys(knob for row in left for knob in row.knobs))
        arm = Arm("simplest", knobs, ablation_arms.overrides(study, *ends, knobs))
        left = left[1:]
        if not _is_recipe(study, arm):
            continue
        tried = (*tried, arm)
        found = Pairs(_design(study, question, tried), results)
        if not found.complete() or _no_worse(rows_of(study, question, found, tried)[-1], study):
            break
    return tried


def _is_recipe(study: Study, arm: Arm) -> bool:
    try:
        study.recipe_for(arm.overrides)
    except RecipeError:
        return False
    return True


def _no_worse(row: AblationRow, study: Study) -> bool:
    """Tell whether it failed no more often than the winner and its loss is significantly below `smallest`."""
    found = row.comparison
    if found is None or found.failed.count > found.baseline_failed.count:
        return False
    if found.verdict in {"helps", "no difference"}:
        return True
    loss = -found.interval.low if study.objective.sign > 0 else found.interval.high
    return loss < found.smallest


def _design(study: Study, question: AblationQuestion, tried: Sequence[Arm]) -> Design:
    arms = {WINNER: question.winner, BASELINE: question.baseline}
    arms |= {arm.label: arm.overrides for arm in (*question.arms, *tried)}
    named = replace(study, name=name_of(study.name, "ablate"))
    return Design(study=named, arms=arms, seeds=question.seeds, first=FIRST_SEED)


def _shown(study: Study, overrides: Mapping[str, Any]) -> dict[str, Any]:
    return {
        knob: value for knob, value in settings_of(study.recipe_for(overrides), study.recipe).items() if knob != "seed"
    }
