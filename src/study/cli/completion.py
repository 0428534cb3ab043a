"""What the shell completes beside commands and options: names of studies, knobs, data sets. `--install-completion`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

VARIABLE = "_STUDY_COMPLETE"  # set by the shell's script, which Typer writes

Completions = list[tuple[str, str]]  # each word with its help


def answer(app: Any) -> int | None:
    """Answer the shell's question, if this process was started to do so.

    Returns:
        The exit code; None if there is no question.

    """
    if not (instruction := os.environ.get(VARIABLE)):
        return None
    from typer.completion import shell_complete

    return shell_complete(app, {}, "study", VARIABLE, instruction)


def runnable(incomplete: str) -> Completions:
    """Complete the name of a study that has a file."""
    from study.study_files import available

    return _starting(((name, "") for name in available()), incomplete)


def recorded(incomplete: str) -> Completions:
    """Complete the name of a study that has results."""
    from study.settings import resolve, studies_folder

    folder = studies_folder(resolve().home)
    return _starting(((each.name, "") for each in sorted(folder.glob("[!.]*")) if each.is_dir()), incomplete)


def known(incomplete: str) -> Completions:
    """Complete the name of a study that has a file or results."""
    return list(dict.fromkeys([*runnable(incomplete), *recorded(incomplete)]))


def knobs(incomplete: str) -> Completions:
    """Complete the name of a knob, up to its equals sign."""
    from study.recipe import Recipe

    named = ((f"{name}=", field.description or "") for name, field in Recipe.model_fields.items())
    return _starting(named, incomplete)


def data_sets(incomplete: str) -> Completions:
    """Complete the name of a data set that is here or known."""
    from study.data import packed
    from study.data.known import KNOWN

    return _starting(((name, "") for name in dict.fromkeys([*packed.names(), *KNOWN])), incomplete)


def _starting(words: Iterable[tuple[str, str]], incomplete: str) -> Completions:
    return [(word, text) for word, text in words if word.startswith(incomplete)]
