"""A study's results from its trial folders, a row for each trial. No database, no heavy import."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from study.definition import ON_TEST, OUR_TRAIN, judged_by
from study.errors import StudyError
from study.formatting import moment
from study.recipe import settings
from study.record.journal import Journal
from study.schemas.trial import RepeatableRecipe
from study.schemas.trial import Trial as TrialRecord
from study.stored_recipe import recipe_class

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel

    from study.metric import Metric
    from study.record.journal import History, TrialFolder

State = Literal["complete", "pruned", "failed", "running"]
STATES: tuple[State, ...] = ("complete", "pruned", "failed", "running")
UNIT_TRIALS = 20  # first trials whose values decide whether an accuracy is in per cent


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A short description of one trial.

    Args:
        number: Optuna's number, from 0.
        variant: name of the study's variant that it trained; None if it is not one.
        state: complete, pruned, failed, or running; a running trial is being trained now or was interrupted, and the
            next `study run` resumes it.
        value: the objective at the last epoch; None without an epoch.
        best_value: the best value of the objective over its epochs.
        epochs: number of whole epochs trained.
        seconds: wall-clock time of those epochs.
        overrides: the knobs that differ from the study's recipe.
        reason: why it was pruned or failed, else empty.
        started: seconds since 1970; None if unknown.
        device: torch's name of the device on which it last started; None if unknown.
        metrics: values at the last epoch.
        params: Optuna's parameters, by name.
        audited: the epoch after which the pruner would have stopped it; None unless the trial was chosen to continue,
            to measure what pruning loses.
        repeats: the trial of the same recipe and seed whose values were copied; None if this one was trained.

    """

    number: int
    variant: str | None
    state: State
    value: float | None
    best_value: float | None
    epochs: int
    seconds: float
    overrides: Mapping[str, Any]
    reason: str
    started: float | None
    device: str | None
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    audited: int | None = None
    repeats: int | None = None

    def record(self) -> TrialRecord:
        """Describe the trial in plain values."""
        return TrialRecord(**self.values())

    def values(self) -> dict[str, Any]:
        """Give the fields of its record, for records that hold more."""
        return {
            "trial": self.number,
            "variant": self.variant,
            "state": self.state,
            "value": self.value,
            "best_value": self.best_value,
            "epochs": self.epochs,
            "seconds": round(self.seconds, 3),
            "overrides": dict(self.overrides),
            "metrics": dict(self.metrics),
            "reason": self.reason,
            "started": moment(self.started),
            "device": self.device,
        }


@dataclass(frozen=True, slots=True)
class Trial:
    """Everything that one trial's folder says.

    Args:
        folder: its files.
        about: parameters, variant and environment, as stored when it was created.
        history: its epochs and its end.
        row: a short description.

    """

    folder: TrialFolder
    about: Mapping[str, Any]
    history: History
    row: TrialRow


def metric_of(journal: Journal) -> Metric:
    """Read a study's objective from its stored definition; whether its accuracy is in per cent, from its values.

    Raises:
        StudyError: there is no definition, or it cannot be read.

    """
    definition = journal.definition()
    if definition is None:
        raise StudyError("the study's definition is missing", where=str(journal.definition_file))
    metric, followed = judged_by(definition), definition.get("followed") or definition["metric"]
    if definition.get("train") == OUR_TRAIN:
        return metric
    histories = [folder.history() for folder in journal.trials()[:UNIT_TRIALS]]
    tested = any((history.ended.evaluation or {}).get("test") for history in histories if history.ended)
    if tested and journal.folder.name.endswith(ON_TEST):  # older versions did not record it
        metric = metric.on("test")
    return metric.seen(each.metrics.get(followed, 0.0) for history in histories for each in history.epochs)


def trials(journal: Journal, metric: Metric | None = None) -> list[Trial]:
    """Read all trials of a study, by number.

    Raises:
        StudyError: a damaged file; names it and its line.

    """
    folders = journal.trials()
    if not folders:
        return []
    metric, base = metric or metric_of(journal), base_of(journal)
    return [read(folder, metric, base) for folder in folders]


def base_of(journal: Journal) -> BaseModel | None:
    """Read the recipe that a study's trials differ from, knobs held by `--set` included; None if it is not known."""
    stored = journal.definition() or {}
    try:
        return recipe_class(stored["recipe_type"], stored["recipe"]).model_validate(stored["recipe"])
    except (KeyError, ValidationError):
        return None


def settings_of(folder: TrialFolder, base: BaseModel | None = None) -> dict[str, Any]:
    """Give what a trial was trained with, as far as it differs from the base recipe, the study's own if None.

    The stored recipe alone tells it, knobs held by `--set` and `--epochs` included. Where our `Recipe` refuses the
    stored one, it is what was asked for.

    Raises:
        StudyError: a damaged file; names it and its line.

    """
    base = base or base_of(Journal(folder.path.parents[1]))
    try:
        return settings(type(base).model_validate(folder.recipe()), base) if base else _asked(folder)
    except ValidationError:
        return _asked(folder)


def _asked(folder: TrialFolder) -> dict[str, Any]:
    return folder.about().get("overrides") or {}


def read(folder: TrialFolder, metric: Metric, base: BaseModel | None = None) -> Trial:
    """Read one trial; its settings are those that differ from the base recipe, the study's own if None.

    Raises:
        StudyError: a damaged file; names it and its line.

    """
    about, history = folder.about(), folder.history()
    row = row_of(folder.number, about, history, metric)
    return Trial(folder, about, history, replace(row, overrides=settings_of(folder, base)))


def rows(journal: Journal, metric: Metric | None = None) -> list[TrialRow]:
    """Read the rows of all trials of a study, by number. Raises as `trials`."""
    return [trial.row for trial in trials(journal, metric)]


def row(folder: TrialFolder, metric: Metric) -> TrialRow:
    """Read the row of one trial. Raises as `read`."""
    return read(folder, metric).row


def row_of(number: int, about: Mapping[str, Any], history: History, metric: Metric) -> TrialRow:
    """Make a trial's row from its `trial.json` and its history."""
    ended = history.ended
    values = [epoch.metrics[metric.name] for epoch in history.epochs if metric.name in epoch.metrics]
    last = values[-1] if values else None
    judged = ended and (ended.state == "complete" or not metric.of_test)  # others never saw the test split
    return TrialRow(
        number=number,
        variant=about.get("variant"),
        state=ended.state if ended else "running",
        value=(ended.value if judged else None) if ended else last,
        best_value=metric.best(values),
        epochs=len(history.epochs),
        seconds=sum(epoch.seconds for epoch in history.epochs),
        overrides=about.get("overrides") or {},
        reason=ended.reason if ended else "",
        started=about.get("created"),
        device=history.devices[-1] if history.devices else None,
        metrics=history.epochs[-1].metrics if history.epochs else {},
        params=about.get("params") or {},
        audited=history.audited,
        repeats=ended.repeats if ended else None,
    )


def epochs_of(history: History) -> list[dict[str, Any]]:
    """Give a row for each epoch: `epoch`, its metrics, `seconds`."""
    return [{"epoch": each.number, **each.metrics, "seconds": each.seconds} for each in history.epochs]


def finished(journal: Journal) -> int:
    """Count the trials that are complete or pruned; 0 before the first run.

    Raises:
        StudyError: a damaged file; names it and its line.

    """
    return sum(trial.state in {"complete", "pruned"} for trial in rows(journal))


def best(trials: Sequence[TrialRow], metric: Metric) -> TrialRow | None:
    """Choose the complete trial with the best value, the first of equals; None if there is none."""
    found = None
    for trial in trials:
        if trial.state != "complete" or trial.value is None:
            continue
        if found is None or found.value is None or metric.better(trial.value, found.value):
            found = trial
    return found


def ranked(trials: Sequence[TrialRow], metric: Metric) -> list[TrialRow]:
    """Sort by state (complete, pruned, failed, running), then by value, best first."""

    def rank(trial: TrialRow) -> tuple[int, bool, float, int]:
        value = trial.value if trial.value is not None and trial.value == trial.value else None
        key = 0.0 if value is None else -metric.sign * value
        return STATES.index(trial.state), value is None, key, trial.number

    return sorted(trials, key=rank)


def best_recipe(journal: Journal) -> RepeatableRecipe:
    """Describe the best trial in the format of `study run --recipe`.

    Raises:
        StudyError: no trial is complete, or a damaged file; names it and its line.

    """
    metric = metric_of(journal)
    found, definition = best(rows(journal, metric), metric), journal.definition()
    if found is None or definition is None:
        name = journal.folder.name
        raise StudyError("no trial is complete yet", where=name, fix=f"`study run {name}` goes on.")
    recipe = journal.trial(found.number).recipe()
    record = recipe_record(journal.folder.name, definition, recipe, trial=found.number, value=found.value)
    return RepeatableRecipe(**record)


def recipe_record(study: str, definition: Mapping[str, Any], recipe: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Describe one training in the format of `study run --recipe FILE`.

    Args:
        study: name of the study.
        definition: the stored definition, for the metric and the import paths of the training and the recipe's class.
        recipe: its knobs; missing ones have their default.
        more: further keys: `trial`, and `value`, with which `study run` compares the new value.

    """
    named = {"metric": judged_by(definition).name, **{name: definition[name] for name in ("recipe_type", "train")}}
    return {"study": study, **more, **named, "recipe": dict(recipe)}
