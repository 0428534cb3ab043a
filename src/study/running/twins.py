"""Finds complete trials whose recipe repeats: an equal recipe gives an equal result, to the bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from study.definition import OUR_TRAIN
from study.imports import reference_to
from study.knobs import has_file, has_own_code
from study.recipe import Recipe, fingerprint
from study.record import results

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from study.definition import Study
    from study.record.journal import Journal, TrialFolder


@dataclass(slots=True)
class Twins:
    """Complete trials by recipe fingerprint, read on first use."""

    study: Study
    journal: Journal
    about: Mapping[str, Any]
    known: dict[str, int] | None = None

    def number_of(self, recipe: BaseModel) -> int | None:
        """Return the number of a complete trial with this recipe; None if there is none."""
        return self._all().get(fingerprint(recipe))

    def note(self, folder: TrialFolder) -> None:
        """Record a complete trial whose code, data and versions are still current."""
        if reference_to(self.study.train) != OUR_TRAIN:
            return
        try:
            recipe = type(self.study.recipe).model_validate(folder.recipe())
        except ValidationError:  # its class was changed since
            return
        about = folder.about()
        same = all(about.get(name) == self.about.get(name) for name in ("environment", "data"))
        if same and isinstance(recipe, Recipe) and not (has_own_code(recipe) or has_file(recipe)):
            self._all().setdefault(fingerprint(recipe), folder.number)

    def of(self, folder: TrialFolder) -> TrialFolder | None:
        """Return the trial that the folder repeats, if it still exists intact."""
        known = folder.about().get("repeats")
        return None if known is None else self.intact(known)

    def intact(self, number: int) -> TrialFolder | None:
        """Return a complete trial's folder, if it still exists intact."""
        twin = self.journal.trial(number)
        if not twin.path.exists() or results.whole(twin) is None or not twin.weights_are_whole():
            return None
        return twin

    def _all(self) -> dict[str, int]:
        if self.known is None:
            self.known = {}
            for trial in results.intact(self.journal):
                if (ended := trial.history.ended) and ended.state == "complete":
                    self.note(trial.folder)
        return self.known
