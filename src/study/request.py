"""What a person asks for, made into one study: from its file or a recipe to run it, from its results to show them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from study.definition import OUR_TRAIN, Study, checked_name, override, with_data
from study.errors import InputError, RecipeError, StudyFileError
from study.imports import import_object
from study.knobs import explain
from study.recipe import Recipe, fingerprint
from study.record import family
from study.study_files import available, find, load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Asked:
    """The study to run; for a recipe file with a recorded value of its training, that value."""

    study: Study
    recorded: float | None = None


PYTHON = {"None": "null", "True": "true", "False": "false"}  # as people write them, who write Python all day


def overrides(assignments: Sequence[str]) -> dict[str, Any]:
    """Read `knob=value` pairs; a value is JSON (`0.1`, `true`, `null`, `[64, 64]`) if valid, else text.

    Raises:
        InputError: no `=`, or a knob that is given twice.

    """
    found: dict[str, Any] = {}
    for assignment in assignments:
        knob, equals, value = assignment.partition("=")
        if not equals or not knob.strip():
            raise InputError(f"not an assignment: {assignment!r}", where="--set", fix="Write it as --set lr=0.01.")
        if knob.strip() in found:
            raise InputError(f"{knob.strip()!r} is given twice", where="--set", fix="Keep one of them.")
        try:
            found[knob.strip()] = json.loads(PYTHON.get(value.strip(), value))
        except ValueError:
            found[knob.strip()] = value
    return found


def read(
    name: str | None,
    *,
    recipe: Path | None,
    fixed: Mapping[str, Any],
    data: str | None,
    rename: str | None,
    home: Path,
) -> Asked:
    """Build the study to run.

    Args:
        name: of a study or of its results, `@dataset` included, or the path of its file; optional with a recipe.
        recipe: a file with one recipe.
        fixed: knobs to hold fixed.
        data: the data set to use instead of the study's own.
        rename: the study's new name.
        home: folder of all results. The definitions there name the file of a study that was renamed.

    Raises:
        InputError: neither a study nor a recipe, a file that cannot be used, or a knob that does not exist.

    """
    if name is not None and not name.endswith(".py"):
        name, renamed, named_data = _named(name, home)
        if named_data and data not in {None, named_data}:
            raise InputError(f"the study's name says {named_data}, not {data}", where="--data", fix="Leave one out.")
        data, rename = data or named_data, renamed if rename is None else rename
    if recipe is not None:
        asked = _of_recipe(recipe, load(name) if name else None)
    elif name is not None:
        asked = Asked(load(name))
    else:
        raise InputError("no study given", where="study run", fix="`study list` shows those that can be run.")
    study = asked.study
    try:
        study = study.fix(fixed) if fixed else study
    except RecipeError as error:
        raise RecipeError(error.what, where="--set", fix=error.fix) from error
    study.check()
    if rename is not None:
        try:
            study = replace(study, name=checked_name(rename))
        except StudyFileError as error:
            raise InputError(error.what, where="--name", fix=error.fix) from error
    return replace(asked, study=study if data is None else on(study, data))


def recorded(name: str, home: Path, *, data: str | None = None, rename: str | None = None) -> Study:
    """Restore a study as it was searched and confirmed, to show its results; its file is not read.

    Args:
        name: of the study or of its results, `@dataset` included, or the path of its file.
        home: folder of all results.
        data: the data set that it was searched on, if not the study's own.
        rename: the name that it was searched under, if not its own.

    Returns:
        The study. If it has no results on its own data, the one on its fallback data.

    Raises:
        InputError: no such study, or it was never searched.

    """
    found = _with_results(name, home, None, data, rename)
    if found is None:
        raise InputError(f"{name} has not been searched yet", fix=f"Search first: `study run {name}`.")
    return family.Family(found, home).as_confirmed()


def recorded_comparison(name: str, home: Path, *, data: str | None = None) -> Study:
    """Restore a study as it was last compared, to show the comparison; its file is not read.

    Args:
        name: as in `recorded`.
        home: folder of all results.
        data: as in `recorded`.

    Raises:
        InputError: no such study, or it was never compared.

    """
    found = _with_results(name, home, "compare", data, None)
    study = family.Family(found, home).as_compared() if found else None
    if study is None:
        raise InputError(f"{name} has not been compared yet", fix=f"Run `study compare {name}`.")
    return study


def _with_results(name: str, home: Path, kind: family.Kind | None, data: str | None, rename: str | None) -> str | None:
    """Find the study that is meant among those with results; None if it has none, an error if there is no such study.

    Args:
        name: as in `recorded`.
        home: folder of all results.
        kind: of the results; None for the search's.
        data: as in `recorded`.
        rename: as in `recorded`.

    """
    every = family.studies(home)
    stored = {
        start: family.journal(each, home).definition() or {}
        for each in every
        for start, found in [family.parsed(each)]
        if found == kind
    }
    if name in stored and data is None and rename is None:
        return name
    start, _, said = name.rpartition("@")
    base, said = (start, said) if start and not name.endswith(".py") else (name, "")
    if said and data not in {None, said}:
        raise InputError(f"the study's name says {said}, not {data}", where="--data", fix="Leave one out.")
    base, data = rename or _recorded_name(base, stored), data or said
    if data and _dataset(stored.get(base, {})) != data:
        base = f"{base}@{data}"
    elif not data and base not in stored:
        stood_in = [each for each in stored if each.startswith(f"{base}@") and _stood_in(stored[each])]
        base = stood_in[0] if len(stood_in) == 1 else base
    if base in stored:
        return base
    if rename is None and not {name, name.partition("@")[0]} & {*every, *available()}:
        find(name)  # says the nearest name
    return None


def _recorded_name(name: str, stored: Mapping[str, Mapping[str, Any]]) -> str:
    """Give the name of the results of a study that was named by its file."""
    if any(name == each.partition("@")[0] for each in stored):
        return name
    path = Path(name).expanduser().absolute()
    files = {name, str(path), *(known for known, file in available().items() if file == path)}
    made = [each.partition("@")[0] for each, definition in stored.items() if definition.get("file") in files]
    return made[0] if made else path.stem if name.endswith(".py") else name


def _dataset(definition: Mapping[str, Any]) -> Any:
    return (definition.get("recipe") or {}).get("dataset")


def _stood_in(definition: Mapping[str, Any]) -> bool:
    """Tell whether the data is the study's fallback, as far as that is stored; older definitions do not say."""
    return definition.get("fallback", _dataset(definition)) == _dataset(definition)


def _named(name: str, home: Path) -> tuple[str, str | None, str | None]:
    """Split a name of results into the study's own, the one that `--name` gave it, and the data set after `@`."""
    start, _, data = name.rpartition("@")
    if name in available() or start in available() or "/" in name:
        return (start, None, data) if start else (name, None, None)
    stored = family.journal(name, home).definition() or {}
    if not stored.get("file"):
        known = family.studies(home)
        near = [each for each in known if each.startswith(f"{name}@")] or get_close_matches(name, known, n=1)
        if near and near[0].partition("@")[0] not in available():
            raise StudyFileError(f"no study {name!r}", fix=f"Did you mean {near[0]!r}?")
        return (start, None, data) if start else (name, None, None)
    if start and stored["recipe"].get("dataset") == data:
        return stored["file"], start, data
    return stored["file"], name, None


def on(study: Study, data: str) -> Study:
    """Change a study's data set, and its name, unless it is its own.

    Raises:
        RecipeError: the recipe has no data set to change.

    """
    if getattr(study.recipe, "dataset", None) == data:
        return study
    try:
        return with_data(study, data)
    except RecipeError as error:
        raise RecipeError(error.what, where="--data", fix="Leave --data out.") from error


def _of_recipe(path: Path, study: Study | None) -> Asked:
    """Make a study of one training from a recipe file: plain knobs, or the output of `study best`."""
    content = _read(path)
    record = content if {"recipe", "study"} <= content.keys() else {"recipe": content}
    try:
        recipe = _recipe(record, study)
    except RecipeError as error:
        raise RecipeError(error.what, where=str(path), fix=error.fix) from error
    base = study or Study(
        name=str(record.get("study", "recipe")),
        recipe=recipe,
        train=str(record.get("train", OUR_TRAIN)),
        metric=str(record.get("metric", Study.metric)),
    )
    one = replace(base, name=f"{base.name}-recipe-{fingerprint(recipe)[:8]}", recipe=recipe, space=None)
    value = record.get("value")
    recorded = float(value) if isinstance(value, int | float) else None
    return Asked(replace(one, variants={}, published={}, fallback=None), recorded)


def _recipe(record: Mapping[str, Any], study: Study | None) -> BaseModel:
    knobs = record["recipe"]
    if study is not None:
        return override(study.recipe, knobs)
    kind = import_object(record["recipe_type"]) if "recipe_type" in record else Recipe
    if kind is Recipe:
        return override(Recipe(), knobs)
    try:
        return kind.model_validate(knobs)
    except ValidationError as error:
        raise explain(error) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StudyFileError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except ValueError as error:
        raise StudyFileError(f"not JSON: {error}", where=str(path), fix="`study best NAME` prints one.") from error
    if not isinstance(content, dict) or not isinstance(content.get("recipe", {}), dict):
        raise StudyFileError("holds no recipe", where=str(path), fix="`study best NAME` prints one.")
    return content
