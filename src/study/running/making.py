"""A trial of the loop: made from what a source gives, with its folder, or taken up again."""

from __future__ import annotations

import json
import math
import time
import uuid
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from study.differences import difference, settings
from study.progress import TrialPaused
from study.recipe import to_json
from study.record.atomic_files import before
from study.record.history import History

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from study.definition import Study
    from study.events import Died
    from study.record.journal import Journal, TrialFolder
    from study.running.batch import Batch
    from study.running.twins import Twins
    from study.sampling.trials import NextTrial, Trials


@dataclass(slots=True)
class Running:
    """A trial that the loop runs; `prepared` ones wait for a slot."""

    folder: TrialFolder
    trial: NextTrial
    history: History
    recipe: Mapping[str, Any]
    settings: Mapping[str, Any]  # as shown to people
    twin: TrialFolder | None = None  # whose results it repeats
    known: int = 0  # epochs in the log when the job was submitted: the pruner was asked about all but the last
    ending: str = ""  # why it is being stopped for good
    pausing: bool = False  # whether it is being stopped for now
    hung: str = ""  # why its worker was killed
    died: Died | None = None
    settled: float = math.inf  # time at which its death is handled


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes trials for the loop; new folders go into its batch."""

    study: Study
    journal: Journal
    trials: Trials
    about: Mapping[str, Any]
    twins: Twins
    batch: Batch

    def make(self, trial: NextTrial) -> Running:
        """Enter a new trial, or read and repair the folder of one that was begun before.

        Raises:
            StudyError: the folder is damaged.

        """
        twin: TrialFolder | None = None
        if trial.resumed:
            self.batch.commit()  # its log may have lines there
            folder = self._resumed(trial)
            history, knobs = folder.history(), folder.recipe()
            shown, twin = self._shown(knobs, trial), self.twins.of(folder)
        else:
            recipe, history = trial.recipe or self.study.recipe_for(trial.overrides), History()
            text, about = to_json(recipe), self._about(trial, recipe)
            folder, knobs = self.batch.create(trial.number, text, about), json.loads(text)
            self.trials.add(folder, about)
            if (known := about.get("repeats")) is not None:
                self.batch.commit()
                twin = self.twins.intact(known)
            shown = settings(recipe, self.study.recipe)
        return Running(folder, trial, history, knobs, shown, twin, len(history.epochs))

    def pause(self, each: Running) -> TrialPaused:
        """Note in its log that a trial pauses."""
        number, epochs = each.folder.number, len(each.history.epochs)
        each.history.take(self.batch.append(each.folder, "paused", epochs=epochs))
        self.batch.then(partial(before(each.folder.checkpoint).unlink, missing_ok=True))  # many pause: half the disk
        self.trials.pause(number, epochs)
        return TrialPaused(number, epochs)

    def _shown(self, knobs: Mapping[str, Any], trial: NextTrial) -> Mapping[str, Any]:
        """Give the settings of a stored recipe; if its class was changed since, the worker says what is wrong."""
        try:
            return settings(type(self.study.recipe).model_validate(knobs), self.study.recipe)
        except ValidationError:
            return trial.overrides

    def _resumed(self, trial: NextTrial) -> TrialFolder:
        folder = self.journal.trial(trial.number)
        if not folder.path.exists():  # started on another machine that shares the database
            recipe = self.study.recipe_for(trial.overrides)
            self.journal.create(trial.number, to_json(recipe), self._about(trial, recipe))
        folder.repair()
        return folder

    def _about(self, trial: NextTrial, recipe: BaseModel) -> dict[str, Any]:
        """Give what a new trial's folder keeps of it, as it is read again."""
        about = {**trial.about(), "overrides": difference(recipe, self.study.recipe), **self.about}
        about |= {"uid": trial.uid or uuid.uuid4().hex, "created": time.time()}
        if not trial.resumed and (known := self.twins.number_of(recipe)) is not None:
            about["repeats"] = known
        return json.loads(json.dumps(about))
