"""Asks before something is deleted."""

from __future__ import annotations

import logging
import sys

import typer

from study.errors import InputError

log = logging.getLogger("study")


def require_consent(question: str, where: str, *, yes: bool) -> None:
    """Ask whether to delete, unless the answer was given.

    Raises:
        InputError: nobody is there to be asked.
        typer.Exit: the answer is no.

    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise InputError("cannot ask for confirmation: this is not a terminal", where=where, fix="Say --yes.")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        log.warning("Nothing was deleted")
        raise typer.Exit(1)
