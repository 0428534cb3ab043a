"""`study compare A B`: searches side by side at equal budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study import api
from study.cli import options
from study.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import typer

TAKEN = {"names", "show_only", "as_json", "as_csv", "home"}


def compare(context: typer.Context, names: Sequence[str], *, as_json: bool, as_csv: bool, home: Path | None) -> None:
    """Set searches side by side.

    Raises:
        InputError: an option that speaks of variants over seeds, a study without results, or different objectives.

    """
    from study.terminal.watch import print_answer

    _refuse_others(context)
    found = api.side_by_side(*names, home=home)
    print_answer(found, as_json=as_json, as_csv=as_csv)


def _refuse_others(context: typer.Context) -> None:
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name not in TAKEN and options.typed(context, parameter.name or "")
    ]
    if given:
        raise InputError(
            f"{', '.join(given)} cannot be used with several studies",
            where="study compare",
            fix="Several studies are compared as they were searched. Compare variants over seeds one study at a time.",
        )
