"""One trial, read from its folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from study.definition import OUR_TRAIN, names_epochs
from study.differences import settings
from study.formatting import moment
from study.metric import Metric
from study.record.journal import Journal
from study.schemas.trial import Trial as TrialRecord
from study.stored_recipe import recipe_class

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from study.record.history import History
    from study.record.journal import TrialFolder
    from study.record.log_lines import Log

State = Literal["complete", "pruned", "failed", "running"]
STATES: tuple[State, ...] = ("complete", "pruned", "failed", "running")


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A short description of one trial.

    Args:
        number: Optuna's trial number, from 0.
        variant: name of the study's variant that it trains; None if it is not one.
        state: complete, pruned, failed, or running; a running trial is being trained now or was interrupted, and the
            next `study run` resumes it.
        value: value of the objective; for a running or pruned trial, at its latest epoch. None without an epoch, and
            for incomplete trials if the objective is on the test split.
        best_value: best value of the objective over its epochs; None on the test split.
        epochs: number of whole epochs trained.
        seconds: wall-clock time of these epochs.
        overrides: knobs that differ from the study's recipe and have an effect.
        reason: why it was pruned or failed; empty otherwise.
        started: seconds since 1970; None if unknown.
        device: torch's name of the device of its latest start; None if unknown.
        metrics: metrics of the latest epoch.
        params: Optuna's parameters, by name.
        audited: epoch after which the pruner would have stopped it; None unless it was selected to continue, to measure
            what pruning loses.
        repeats: trial of the same recipe and seed whose values were copied; None if this trial was trained.
        paused: whether the pruner has paused it; its state is running.

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
    paused: bool = False

    def record(self) -> TrialRecord:
        """Return the trial as a record."""
        return TrialRecord(**self.values())

    def values(self) -> dict[str, Any]:
        """Return the fields of its record, for records with more fields."""
        return {
            "trial": self.number,
            "variant": self.variant,
            "state": self.state,
            "paused": self.paused,
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
    """A snapshot of a trial; each of its files is read once.

    Args:
        folder: its files.
        about: parameters, variant, metric and environment, as stored on creation.
        history: its epochs and its end.
        base: recipe that the study's trials differ from; read on first use if None.

    """

    folder: TrialFolder
    about: Mapping[str, Any]
    history: History
    base: BaseModel | None = None

    @classmethod
    def of(cls, folder: TrialFolder, base: BaseModel | None = None, log: Log | None = None) -> Trial:
        """Read a trial's folder.

        Args:
            folder: of the trial.
            base: see the class.
            log: its log, if that was read already.

        Raises:
            StudyError: a file is damaged; the message names file and line.

        """
        return cls(folder, folder.about(), folder.history(log), base)

    @property
    def number(self) -> int:
        """Optuna's trial number, from 0."""
        return self.folder.number

    @cached_property
    def recipe(self) -> Mapping[str, Any]:
        """All knobs, read on first use."""
        return self.folder.recipe()

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """Knobs that differ from the study's recipe, including those of `--set` and `--epochs`.

        They come from the stored recipe alone. If our `Recipe` rejects it, they are the requested overrides.
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
        """The metric of its value."""
        metric = Metric(self.about["metric"], self.about["direction"])
        if not names_epochs(self.about, self.folder.study):
            return metric
        ours = (self._journal.definition() or {}).get("train") == OUR_TRAIN
        return metric.on("test") if ours or self.history.evaluation.get("test") else metric

    @cached_property
    def row(self) -> TrialRow:
        """The trial in brief."""
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
            paused=history.paused and not ended,
        )

    def epochs(self) -> list[dict[str, Any]]:
        """Return one row per epoch: `epoch`, its metrics, `seconds`."""
        return [{"epoch": each.number, **each.metrics, "seconds": each.seconds} for each in self.history.epochs]


def base_of(stored: Mapping[str, Any]) -> BaseModel | None:
    """Build the recipe that a study's trials differ from, from its stored definition; None if unknown."""
    try:
        return recipe_class(stored["recipe_type"], stored["recipe"]).model_validate(stored["recipe"])
    except (KeyError, ValidationError):
        return None
