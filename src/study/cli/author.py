"""`study new` and `study check`: writing a study file and proving, without training, that it can be searched."""

from __future__ import annotations

import keyword
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from study.cli import options
from study.cli.terminal import width
from study.errors import InputError, PlaceError
from study.formatting import knobs, plural, to_json
from study.text.table import clip, table

if TYPE_CHECKING:
    from study.definition import Study
    from study.sampling.space import Space

log = logging.getLogger("study")
NewName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the study, a Python identifier.")]

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
    # Where every trial starts from. A model or data set of your own is an import path or an imported data set:
    # model="mypackage.nets:WideNet", and `study data import NAME FOLDER`.
    recipe=Recipe(dataset="digits", model="mlp", hidden=(64,), optimizer="adam", lr=1e-3, batch_size=64, epochs=10),
    # What may change. None: nothing, only the variants are run.
    space=space,
    # Tried first, each by name.
    variants={
        "baseline": {},
        "norm_inputs": {"normalize": True},
        "wide": {"hidden": (256,)},
    },
    # The objective: a metric of the last epoch. The test split is never touched by a search.
    metric="val_accuracy",
    direction="maximize",
)
'''


def new(name: NewName) -> None:
    """Write studies/NAME.py: a commented study that runs as it is."""
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        fix = "Use letters, digits and underscores, a letter first; not a word of Python's own."
        raise InputError(f"not a name for a study: {name!r}", where="study new", fix=fix)
    file = Path("studies") / f"{name}.py"
    try:
        file.parent.mkdir(exist_ok=True)
        with file.open("x", encoding="utf-8") as opened:
            opened.write(TEMPLATE.replace("NAME: ", f"{name}: ", 1).replace('name="NAME"', f'name="{name}"'))
    except FileExistsError as error:
        raise PlaceError("is there already", where=str(file), fix="Choose another name, or delete it.") from error
    except OSError as error:
        raise PlaceError(f"cannot be written: {error.strerror}", where=str(file), fix="Choose another -C.") from error
    print(file)
    log.info("try it: study check %s, then study run %s --trials 20", name, name)


def check(name: options.StudyFile, as_json: options.AsJson = False) -> None:
    """Prove without training that a study can be searched."""
    from study.sampling import space
    from study.study_files import find, load

    study, file = load(name), find(name)
    found = space.probe(study)
    untried = _recipes_fit(study, found)
    if as_json:
        print(to_json(_as_json(study, found, str(file), untried), indent=2))
        return
    print(f"{study.name} ({file}): {study.direction} {study.metric}")
    print(f"\n{plural(len(found.distributions), 'suggestion')}, found by {plural(len(found.recipes), 'sample')}:")
    rows = [[f"  {each}", space.spell(distribution)] for each, distribution in found.distributions.items()]
    print(table(["  Name", "Range"], rows, width=width()))
    print(f"\n{plural(len(study.variants), 'variant')}:")
    rows = [[f"  {each}", knobs(overrides) or "the recipe as it is"] for each, overrides in study.variants.items()]
    print(table(["  Name", "Knobs"], rows, width=width()))
    print(f"\n{clip(f'Not tried: {untried}', width()) if untried else 'All of it fits its model and data.'}")


def _recipes_fit(study: Study, found: Space) -> str:
    """Build the networks of some recipes for their data; say what was in the way where the data is not here.

    Raises:
        InputError: a recipe that does not fit, and why; an unknown data set.

    """
    from study.data import packed
    from study.data.known import KNOWN
    from study.running.preflight import check_recipes

    dataset = getattr(study.recipe, "dataset", None)
    if dataset is not None and packed.find(dataset) is None:
        if dataset not in KNOWN:
            from study.engine.sources import unknown

            raise unknown(dataset)
        return f"whether recipes fit the data: {dataset} is not prepared yet, `study run` does that."
    check_recipes(study, found, "cpu")
    return ""


def _as_json(study: Study, found: Space, file: str, untried: str) -> dict[str, Any]:
    from study.sampling import space

    return {
        "study": study.name,
        "file": file,
        "metric": study.metric,
        "direction": study.direction,
        "space": {name: space.spell(distribution) for name, distribution in found.distributions.items()},
        "variants": {name: dict(overrides) for name, overrides in study.variants.items()},
        "not_tried": untried or None,
    }
