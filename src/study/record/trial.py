"""One trial, as its folder says."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from study.definition import OUR_TRAIN, names_epochs
from study.formatting import moment
from study.metric import Metric
from study.recipe import settings
from study.record.journal import Journal
from study.schemas.trial import Trial as TrialRecord
from study.stored_recipe import recipe_class

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from study.record.history import History
    from study.record.journal import TrialFolder

State = Literal["complete", "pruned", "failed", "running"]
STATES: tuple[State, ...] = ("complete", "pruned", "failed", "running")


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A short description of one trial.

    Args:
        number: Optuna's number, from 0.
        variant: name of the study's variant that it trained; None if it is not one.
        state: complete, pruned, failed, or running; a running trial is being trained now or was interrupted, and the
            next `study run` resumes it.
        value: the objective; of a trial that runs or was pruned, at its last epoch. None without an epoch, and where
            the test split decides and the trial is not complete.
        best_value: the best value of the objective over its epochs; None for one of the test split.
        epochs: number of whole epochs trained.
        seconds: wall-clock time of those epochs.
        overrides: what it was trained with, as far as it differs from the study's recipe and has an effect.
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


@dataclass(frozen=True)
class Trial:
    """A trial at one moment; each of its files is read once.

    Args:
        folder: its files.
        about: parameters, variant, metric and environment, as stored when it was created.
        history: its epochs and its end.
        base: the recipe that the study's trials differ from; read when it is first needed if None.

    """

    folder: TrialFolder
    about: Mapping[str, Any]
    history: History
    base: BaseModel | None = None

    @classmethod
    def of(cls, folder: TrialFolder, base: BaseModel | None = None) -> Trial:
        """Read a trial's folder.

        Raises:
            StudyError: a damaged file; names it and its line.

        """
        return cls(folder, folder.about(), folder.history(), base)

    @property
    def number(self) -> int:
        """Optuna's number, from 0."""
        return self.folder.number

    @cached_property
    def recipe(self) -> Mapping[str, Any]:
        """Every knob; read when it is first needed."""
        return self.folder.recipe()

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """What it was trained with, as far as it differs from the study's recipe, `--set` and `--epochs` included.

        Only the stored recipe decides. If our `Recipe` refuses it, these are the knobs that were asked for.
        """
        base = self.base or base_of(self._journal.definition() or {})
        try:
            return settings(type(base).model_validate(self.recipe), base) if base else self._asked
        except ValidationError:
            return self._asked

    @property
    def _journal(self) -> Journal:
        return Journal(self.folder.path.parents[1])

    @property
    def _asked(self) -> Mapping[str, Any]:
        return self.about.get("overrides") or {}

    @property
    def metric(self) -> Metric:
        """What its value is of."""
        metric = Metric(self.about["metric"], self.about["direction"])
        if not names_epochs(self.about, self.folder.study):
            return metric
        ours = (self._journal.definition() or {}).get("train") == OUR_TRAIN
        return metric.on("test") if ours or self.history.evaluation.get("test") else metric

    @cached_property
    def row(self) -> TrialRow:
        """A short description."""
        about, history, ended, metric = self.about, self.history, self.history.ended, self.metric
        values = [epoch.metrics[metric.name] for epoch in history.epochs if metric.name in epoch.metrics]
        judged = ended and (ended.state == "complete" or not metric.of_test)  # others never saw the test split
        return TrialRow(
            number=self.number,
            variant=about.get("variant"),
            state=ended.state if ended else "running",
            value=(ended.value if judged else None) if ended else (values or [None])[-1],
            best_value=metric.best(values),
            epochs=len(history.epochs),
            seconds=history.seconds,
            overrides=self.settings,
            reason=ended.reason if ended else "",
            started=about.get("created"),
            device=history.device,
            metrics=history.epochs[-1].metrics if history.epochs else {},
            params=about.get("params") or {},
            audited=history.audited,
            repeats=ended.repeats if ended else None,
        )

    def epochs(self) -> list[dict[str, Any]]:
        """Give a row for each epoch: `epoch`, its metrics, `seconds`."""
        return [{"epoch": each.number, **each.metrics, "seconds": each.seconds} for each in self.history.epochs]


def base_of(stored: Mapping[str, Any]) -> BaseModel | None:
    """Build the recipe that a study's trials differ from, from its stored definition; None if it is not known."""
    try:
        return recipe_class(stored["recipe_type"], stored["recipe"]).model_validate(stored["recipe"])
    except (KeyError, ValidationError):
        return None
