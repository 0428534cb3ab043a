"""A person's own classes and functions by import path: their arguments, checked against the signature, and calls."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from study.errors import RecipeError, StudyError, StudyFileError
from study.formatting import nearest, reason
from study.imports import import_object
from study.knobs import changed, knobs_of, unused_knob

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from pydantic import BaseModel


def bind(
    recipe: BaseModel, group: str, offered: Mapping[str, Any] | None = None, *, leading: int = 0
) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Import what a knob names by its path, and collect the arguments that it is called with.

    Its signature is given what it names: first what is offered, then the knobs of the group that are set, then the
    recipe's own arguments.

    Args:
        recipe: every knob.
        group: the knob that holds the path, such as "optimizer"; its arguments are in `optimizer_args`.
        offered: values by name, whether or not the signature names them.
        leading: number of positional parameters that the caller fills in itself.

    Returns:
        The class or function, and its arguments by name.

    Raises:
        RecipeError: an argument that the signature does not name, or that is a knob; a knob without effect.
        StudyFileError: the path cannot be imported, or an argument is missing; by name.

    """
    path, given = getattr(recipe, group), getattr(recipe, f"{group}_args")
    make = import_object(path)
    names, takes_any = parameters(path, make, leading)
    knobs = knobs_of(type(recipe), group)
    if idle := unused_knob(recipe, group, frozenset(names)):
        raise RecipeError(idle)
    values = {knob: getattr(recipe, knob) for knob in knobs if changed(recipe, knob)} | dict(offered or {})
    for name in given:
        if name in values or name in knobs:
            raise RecipeError(f"{group}_args: {name} is a knob of the recipe", fix=f"Give {name}=... itself.")
        if name not in names and not takes_any:
            fix = nearest(name, names, else_say="It has")
            raise RecipeError(f"{group}_args: {path} has no argument {name!r}", fix=fix)
    for name, parameter in names.items():
        if parameter.default is parameter.empty and name not in values and name not in given:
            fix = f"Give it in {group}_args, or give it a default."
            raise StudyFileError(f"it needs {name!r}, which is not a knob", where=path, fix=fix)
    return make, {name: values[name] for name in names if name in values} | dict(given)


def parameters(path: str, make: Any, leading: int = 0) -> tuple[dict[str, inspect.Parameter], bool]:
    """List the parameters that can be given by name, but for the leading ones; and tell whether there is a `**`.

    Raises:
        StudyFileError: it cannot be called, or takes fewer positional arguments.

    """
    try:
        found = list(inspect.signature(make).parameters.values())
    except (TypeError, ValueError) as error:
        raise StudyFileError(f"it has no signature to call it by: {error}", where=path) from error
    positional = [each for each in found if each.kind in {each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD}]
    if len(positional) < leading and not any(each.kind is each.VAR_POSITIONAL for each in found):
        raise StudyFileError(f"it must take {leading} positional arguments, and takes {len(positional)}", where=path)
    variable = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    names = {each.name: each for each in found if each not in positional[:leading] and each.kind not in variable}
    return names, any(each.kind is each.VAR_KEYWORD for each in found)


@contextmanager
def running(path: str) -> Generator[None]:
    """Turn what a person's own code raises into an error that names it.

    Raises:
        StudyFileError: the error's type and text, and the path.

    """
    try:
        yield
    except StudyError:
        raise
    except (Exception, SystemExit) as error:  # a person's own code may raise anything
        raise StudyFileError(reason(error), where=path) from error
