"""Choices: what a person picks by name, such as an executor or a sampler; a row of a table describes each.

The command line, the checks and the factories all read the tables. A row names its factory by import path, so that
reading a table loads neither torch nor optuna.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from study.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Choice:
    """One row of a table; its key in the table is the name that people type.

    Args:
        help: what it is, in a few words.
        factory: import path of the function or class that makes it, `package.module:name`.
        extra: the extra of this package that installs what it needs, such as `ray`; empty if none.

    """

    help: str
    factory: str
    extra: str = ""

    def load(self) -> Any:
        """Import the factory.

        Raises:
            InputError: the extra is not installed.

        """
        module, _, name = self.factory.partition(":")
        try:
            return getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            if not self.extra:
                raise
            raise not_installed(error.name or name, self.extra) from error


def not_installed(package: str, extra: str, where: str = "") -> InputError:
    """Make the error of a package that an extra of this one installs; `where` is the option that needs it."""
    return InputError(f"{package} is not installed", where=where, fix=to_install(extra))


def to_install(extra: str) -> str:
    """Say in one sentence how to install what an extra of this package needs: `Run ... in the clone of study.`."""
    return f"Run `uv sync --extra {extra}` or `uv pip install '.[{extra}]'` in the clone of study."


def check(what: str, name: str, table: Mapping[str, Choice]) -> None:
    """Check that a table has a row of this name.

    Args:
        what: what the table lists, in one word, for the message.
        name: the name that was given.
        table: its rows by name.

    Raises:
        InputError: it has none; the message lists those that it has.

    """
    if name not in table:
        raise InputError(f"unknown {what} {name!r}", fix=f"There are: {', '.join(table)}.")


def described(table: Mapping[str, Choice]) -> str:
    """Write a table as one sentence for a help text: `Local: worker processes; inline: this process.`."""
    return "; ".join(f"{name}: {row.help}" for name, row in table.items()) + "."
