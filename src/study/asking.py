"""How a search space asks a trial of Optuna's: fixed knobs are answered, and every choice can be stored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from study.knobs import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import optuna


class Asking:
    """A trial as a space sees it.

    It answers for fixed knobs itself, so that Optuna does not sample them, and gives Optuna labels for choices that its
    database would return as something else, such as tuples.
    """

    def __init__(self, trial: optuna.Trial, fixed: Mapping[str, Any]) -> None:
        """Stand before a trial of Optuna's; `fixed` are knobs and their values."""
        self._trial, self._fixed = trial, fixed

    def __getattr__(self, name: str) -> Any:
        """Take everything else from the trial."""
        attribute = getattr(self._trial, name)
        if not name.startswith("suggest_"):
            return attribute
        return lambda knob, *args, **kwargs: (
            self._fixed[knob] if knob in self._fixed else attribute(knob, *args, **kwargs)
        )

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Suggest one of the choices, whatever their types; as Optuna's own, but for the labels."""
        if name in self._fixed:
            return self._fixed[name]
        labels = [label_of(choice) for choice in choices]
        chosen = self._trial.suggest_categorical(name, labels)
        return next(choice for choice, label in zip(choices, labels, strict=True) if label is chosen or label == chosen)


def label_of(choice: Any) -> Any:
    """Give what Optuna stores of a choice: itself if JSON returns the same, else its value or its JSON as text.

    Raises:
        RecipeError: JSON cannot hold it.

    """
    if choice is None or type(choice) in {bool, int, float, str}:
        return choice
    stored = plain(choice)
    return json.dumps(stored) if isinstance(stored, list | dict) else stored
