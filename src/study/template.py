"""The file of a new study: a commented template that runs as it is."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from study.errors import InputError, PlaceError

LONGEST = 200  # characters of a study's name, as `definition.LONGEST_NAME`
NAME = re.compile(rf"[A-Za-z]\w{{0,{LONGEST - 1}}}", re.ASCII)

TEMPLATE = '''"""NAME: one line that says what this study asks; `study list` shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from study import Recipe, Study

if TYPE_CHECKING:
    import optuna


def space(trial: optuna.Trial) -> dict[str, Any]:
    """Return the knobs that a trial changes: plain Optuna, a suggestion named as the knob that it decides."""
    knobs: dict[str, Any] = {
        "lr": trial.suggest_float("lr", 1e-4, 1e-1, log=True),
        "optimizer": trial.suggest_categorical("optimizer", ["adam", "adamw", "sgd"]),
        "activation": trial.suggest_categorical("activation", ["relu", "tanh", "gelu"]),
        "dropout_dense": trial.suggest_float("dropout_dense", 0.0, 0.5),
    }
    if knobs["optimizer"] == "sgd":  # a knob that only some choices have
        knobs["momentum"] = trial.suggest_float("momentum", 0.0, 0.99)
    return knobs


study = Study(
    name="NAME",
    # Where every trial starts from. A network of your own is an import path, model="nets.py:Net": leave out the knobs
    # that its __init__ does not take, here hidden, activation and dropout_dense. Data of your own is imported by
    # `study data import NAME PATH`, then dataset="NAME"; for a table, leave out norm_inputs.
    recipe=Recipe(dataset="digits", model="mlp", hidden=(64,), optimizer="adam", lr=1e-3, batch_size=64, epochs=10),
    # What may change. None: nothing, only the variants are run.
    space=space,
    # Tried first, each by name.
    variants={
        "baseline": {},
        "norm_inputs": {"normalize": True},
        "wide": {"hidden": (256,)},
    },
    # The objective: a metric of the last epoch. Unset, it is val_accuracy, or val_rmse for a loss of numbers. The test
    # split is never touched by a search.
    metric="val_accuracy",
)
'''


def write(name: str, folder: Path | None = None) -> Path:
    """Write FOLDER/NAME.py.

    Args:
        name: of the study, a Python identifier in ASCII.
        folder: of the file, made if missing; None is `studies` in the working folder.

    Raises:
        InputError: not a name for a study.
        PlaceError: the file is there already, or cannot be written.

    """
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        fix = f"Use up to {LONGEST} letters, digits and underscores of ASCII, a letter first; no word of Python's own."
        raise InputError(f"not a name for a study: {name!r}", where="study new", fix=fix)
    file = (folder or Path("studies")) / f"{name}.py"
    try:
        file.parent.mkdir(exist_ok=True)
        with file.open("x", encoding="utf-8") as opened:
            opened.write(TEMPLATE.replace("NAME: ", f"{name}: ", 1).replace('name="NAME"', f'name="{name}"'))
    except FileExistsError as error:
        if not file.parent.is_dir():
            fix = "Rename it, or choose another -C."
            raise PlaceError("is not a folder", where=str(file.parent), fix=fix) from error
        raise PlaceError("exists already", where=str(file), fix="Choose another name, or delete it.") from error
    except OSError as error:
        raise PlaceError(f"cannot be written: {error.strerror}", where=str(file), fix="Choose another -C.") from error
    return file
