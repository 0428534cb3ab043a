"""A study's trials by recipe, and the value of each."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from study.recipe import fingerprint
from study.record import results
from study.record.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Mapping

    from study.definition import Study
    from study.record.history import Ended
    from study.record.journal import Journal


@dataclass(slots=True)
class RecipeResults:
    """A study's trials by recipe; an ended trial is read only once.

    Args:
        journal: the study's folders.
        study: trials must have its metric and recipe class.
        data: data set that trials must have been trained on.
        trials: all trials, by number.
        numbers: trial number of each recipe, by fingerprint.
        values: value of each ended trial, by number; NaN if it failed.

    """

    journal: Journal
    study: Study
    data: Mapping[str, Any]
    trials: dict[int, Trial] = field(default_factory=dict[int, Trial])
    numbers: dict[str, int] = field(default_factory=dict[str, int])
    values: dict[int, float] = field(default_factory=dict[int, float])

    def refresh(self) -> None:
        """Read the folders of trials that are new or had not ended."""
        for trial in results.intact(self.journal, but=self.values):
            is_new = trial.number not in self.trials
            self.trials[trial.number] = trial
            same_data = trial.about.get("data", {}).get("sha256") == self.data.get("sha256")
            if is_new and same_data and trial.metric.name == self.study.objective.name:
                with suppress(ValidationError):  # its class was changed since
                    recipe = type(self.study.recipe).model_validate(trial.recipe)
                    self.numbers.setdefault(fingerprint(recipe), trial.number)
            if trial.history.ended:
                self.values[trial.number] = self._value(trial.history.ended)

    def _value(self, ended: Ended) -> float:
        return math.nan if ended.state != "complete" or ended.value is None else ended.value

    def failed(self, number: int | None) -> bool:
        """Tell whether a trial ended without a finite value: it diverged, or its training failed."""
        return number is not None and number in self.values and not math.isfinite(self.values[number])

    def diverged(self, number: int | None) -> bool:
        """Tell whether a trial diverged: nothing else stops a training early here."""
        ended = self.trials[number].history.ended if number is not None else None
        return ended is not None and ended.state == "pruned"
