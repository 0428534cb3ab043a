"""`study compare A B`: searches side by side at equal budget, as a table, as JSON or CSV, and as a picture."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

from study import settings
from study.cli import options, records
from study.cli.show import journal_of
from study.cli.terminal import width
from study.cli.watch import print_json
from study.errors import InputError
from study.formatting import duration, plural
from study.text.table import table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import typer

    from study.insight.searches import Budget, Search
    from study.metric import Metric

log = logging.getLogger("study")
KEYS = ("type", "metric", "direction", "searches", "by_trials", "by_seconds")
TAKEN = {"names", "show_only", "as_json", "as_csv", "home"}


def compare(context: typer.Context, names: Sequence[str], *, as_json: bool, as_csv: bool, home: Path | None) -> None:
    """Set searches side by side.

    Raises:
        InputError: an option that speaks of variants over seeds, a study without results, or different objectives.

    """
    _refuse_others(context)
    from study.insight import searches

    found = searches.read([journal_of(_name(name), home) for name in names])
    by_trials, by_seconds = searches.at_trials(found), searches.at_seconds(found)
    if as_json:
        print_json(searches_json(found, by_trials, by_seconds))
    elif as_csv:
        print(records.csv_of(_rows(by_trials, by_seconds)), end="")
    else:
        print(_text(found, by_trials, by_seconds))
    _draw(found, _rows(by_trials, by_seconds), settings.resolve(home).home)


def _name(name: str) -> str:
    """A study's file stands for the study of that name."""
    return name.rpartition("/")[2].removesuffix(".py")


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
            fix="Searches are set side by side as they are; variants over seeds are compared one study at a time.",
        )


def searches_json(found: Sequence[Search], by_trials: Sequence[Budget], by_seconds: Sequence[Budget]) -> dict[str, Any]:
    """Searches side by side as JSON values."""
    return {
        "type": "searches",
        "metric": found[0].metric.name,
        "direction": found[0].metric.direction,
        "searches": [
            {"study": each.name, "data": each.data, "trials": len(each.values),
             "seconds": round(float(each.seconds.sum()), 3), "best": each.best.value if each.best else None}
            for each in found
        ],
        "by_trials": [_budget(each) for each in by_trials],
        "by_seconds": [_budget(each) for each in by_seconds],
    }  # fmt: skip


def _budget(budget: Budget) -> dict[str, Any]:
    worth = {name: dict(zip(("mean", "low", "high"), each, strict=True)) for name, each in budget.worth.items()}
    return {"budget": budget.amount, "expected_best": worth}


def _rows(by_trials: Sequence[Budget], by_seconds: Sequence[Budget]) -> list[dict[str, Any]]:
    return [
        {"unit": unit, "budget": budget.amount, "study": name, "expected_best": mean, "low": low, "high": high}
        for unit, budgets in (("trials", by_trials), ("seconds", by_seconds))
        for budget in budgets
        for name, (mean, low, high) in budget.worth.items()
    ]


def _text(found: Sequence[Search], by_trials: Sequence[Budget], by_seconds: Sequence[Budget]) -> str:
    metric = found[0].metric
    headings = [heading for each in found for heading in (each.name, "9 in 10 lie")]
    in_trials = [[str(int(each.amount)), *_cells(each, metric)] for each in by_trials]
    in_seconds = [[duration(each.amount), *_cells(each, metric)] for each in by_seconds]
    lines = [
        f"Expected best {metric.heading} of so many trials, were each search run anew in another order",
        table(["Trials", *headings], in_trials, width=width()),
        "",
        "The same for so much training",
        table(["Training", *headings], in_seconds, width=width()),
        "",
        *(f"{each.name}: {plural(len(each.values), 'finished trial')}, {duration(float(each.seconds.sum()))} of "
          f"training, best {metric.value(each.best.value if each.best else None)}" for each in found),
        "Beyond half of a search's own trials its range closes, and only says what it found.",
    ]  # fmt: skip
    if len({each.data for each in found}) > 1:
        said = ", ".join(f"{each.name} on {each.data or 'unknown data'}" for each in found)
        lines.append(f"Not the same data, so only how fast they rise can be compared: {said}.")
    return "\n".join(lines)


def _cells(budget: Budget, metric: Metric) -> list[str]:
    from study.stats.intervals import Interval

    cells: list[str] = []
    for mean, low, high in budget.worth.values():
        whole = all(map(math.isfinite, (mean, low, high)))
        cells += [metric.figure(mean), metric.interval(Interval(low, high)) if whole else "-"]
    return cells


def _draw(found: Sequence[Search], rows: Sequence[dict[str, Any]], home: Path) -> None:
    """Write the picture and the table; a home that cannot be written does not hide what was printed."""
    from study.insight import searches
    from study.plots import figures

    names = [each.name for each in found]
    folder = home / "side_by_side" / "+".join(names)
    try:
        written = figures.write(searches.draw(found), folder, "budgets")
        (folder / "budgets.csv").write_text(records.csv_of(rows), encoding="utf-8")
    except OSError as error:
        log.warning("no picture: %s cannot be written: %s", folder, error.strerror or error)
        return
    log.info("pictures: %s", ", ".join(str(path) for path in written))
