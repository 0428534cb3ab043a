"""What a person asks `study run` for, made into one study: its file or a recipe, knobs held fixed, data, name."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from study.definition import OUR_TRAIN, Study, available, checked_name, load, override, with_data
from study.errors import InputError, RecipeError, StudyFileError
from study.imports import import_object
from study.knobs import explain
from study.recipe import Recipe, fingerprint
from study.record import family

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Asked:
    """The study to run, and the value that its one training had before, where a recipe file recorded it."""

    study: Study
    recorded: float | None = None


def overrides(assignments: Sequence[str]) -> dict[str, Any]:
    """Read `knob=value` pairs; a value is JSON (`0.1`, `true`, `null`, `[64, 64]`) where it can be, else text.

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
            found[knob.strip()] = json.loads(value)
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
    """Build the study that is asked for.

    Args:
        name: of a study or of its results, `@dataset` included, or the path of its file; optional with a recipe.
        recipe: a file that holds one recipe.
        fixed: knobs that are held.
        data: the data set to take instead of the study's own.
        rename: the study's new name.
        home: folder of all results, which know the file of a study that was given a name of its own.

    Raises:
        InputError: no study and no recipe, a file that cannot be used, or a knob that does not exist.

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
        raise InputError("which study?", where="study run", fix="`study list` shows those that can be run.")
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
    return replace(asked, study=study if data is None else _on(study, data))


def _named(name: str, home: Path) -> tuple[str, str | None, str | None]:
    """Take a name of results apart: the study's own, the one that `--name` gave it, the data set after `@`."""
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


def _on(study: Study, data: str) -> Study:
    if getattr(study.recipe, "dataset", None) == data:
        return study
    try:
        return with_data(study, data)
    except RecipeError as error:
        raise RecipeError(error.what, where="--data", fix="Leave --data out.") from error


def _of_recipe(path: Path, study: Study | None) -> Asked:
    """Make a study of one training from a recipe file: plain knobs, or what `study best` prints."""
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
