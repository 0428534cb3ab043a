"""Says what an installed study is made of, without running its file in the server: a process of its own reads it.

`python -m study.service.describing NAME` is that process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from study.definition import override
from study.errors import InputError, RecipeError, StudyError
from study.recipe import Recipe
from study.service import commands
from study.study_files import available, load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from study.settings import Settings

SECONDS = 60.0  # that reading a study's file may take
_known: dict[tuple[str, float], dict[str, Any]] = {}


def describe(name: str, places: Settings) -> dict[str, Any]:
    """Describe an installed study: `recipe`, `ours` if that is a `Recipe`, `variants`, `metric`, `about`.

    Raises:
        InputError: there is none of this name, or its file cannot be read.

    """
    file = available().get(name)
    if file is None:
        raise InputError(f"no study {name!r} is installed here")
    key = (str(file), file.stat().st_mtime)
    if key not in _known:
        command = [sys.executable, "-m", "study.service.describing", name]
        try:
            done = subprocess.run(  # noqa: S603 - our own program
                command, capture_output=True, text=True, timeout=SECONDS, check=False, **commands.started(places)
            )
            _known[key] = json.loads(done.stdout)
        except (subprocess.TimeoutExpired, ValueError) as error:
            raise InputError("its file cannot be read", where=name, fix=f"`study check {name}` says why.") from error
    return _known[key]


def check_knobs(described: Mapping[str, Any], fixed: Mapping[str, Any]) -> str:
    """Say what is wrong with knobs held fixed; empty if nothing is, or if the recipe is a class of the study's own."""
    if not described["ours"]:
        return ""
    try:
        override(Recipe.model_validate(described["recipe"]), fixed)
    except RecipeError as error:
        return str(error)
    return ""


def _main(name: str) -> None:
    try:
        study = load(name)
    except StudyError as error:
        sys.exit(str(error))
    described = {
        "ours": type(study.recipe) is Recipe,
        "recipe": study.recipe.model_dump(mode="json"),
        "variants": list(study.variants),
        "metric": study.metric,
        "about": study.about,
        "has_space": study.space is not None,
    }
    sys.stdout.write(json.dumps(described))


if __name__ == "__main__":
    _main(sys.argv[1])
