"""Searches side by side at equal budget: what each was worth after so many trials, and after so many seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from study.errors import InputError
from study.plots import interactive
from study.record import results
from study.schemas import insight as schemas
from study.stats import expected
from study.text import insight as text
from study.text.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import plotly.graph_objects as go
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from study.metric import Direction, Metric
    from study.record.journal import Journal
    from study.record.trial import TrialRow
    from study.stats.expected import Curve
    from study.text.table import Block

STEPS = (1, 2, 5)  # of each power of ten: trials at which the searches are set side by side
HALVINGS = 5  # of the seconds that all searches have
POINTS = 200  # of a curve over seconds


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """One search, as far as it has come.

    Args:
        name: of the study, `@dataset` included.
        metric: its metric and direction.
        data: the data set's name, empty where it is not known.
        values: shape (trials,), one a finished trial in the order of their numbers; that of a pruned trial is what it
            had reached, that of a diverged one the worst of all.
        ended: shape (ended,), one a trial that has ended, failed ones too: the complete one's value, else NaN.
        seconds: shape (ended,), what each of these cost.
        best: the best trial; None without a complete one.

    """

    name: str
    metric: Metric
    data: str
    values: NDArray[np.float64]
    ended: NDArray[np.float64]
    seconds: NDArray[np.float64]
    best: TrialRow | None

    @property
    def direction(self) -> Direction:
        """Whether more or less is better, as the statistics spell it."""
        return self.metric.direction

    def by_trials(self) -> Curve:
        """Give the expected best of 1, 2, ... of its trials in random order, with the range of luck."""
        return expected.expected_best(self.values, self.direction)

    def by_seconds(self, at: Sequence[float] | NDArray[np.float64]) -> Curve:
        """Give the best after so many seconds of training, over random orders of its trials; the same every time."""
        return expected.best_in_time(self.ended, self.seconds, at, direction=self.direction)

    def so_far(self) -> NDArray[np.float64]:
        """Give the best so far after each ended trial, in the order in which they ran."""
        return expected.best_so_far(self.ended, self.direction)


@dataclass(frozen=True, slots=True)
class Budget:
    """What the searches were worth for the same budget.

    Args:
        amount: trials or seconds.
        worth: for each search by name the expected best, and the range that holds the best of nine in ten such
            searches; NaN where not every order has a result by then.

    """

    amount: float
    worth: Mapping[str, tuple[float, float, float]]

    def record(self) -> schemas.Budget:
        """Describe it in plain values."""
        worth = {name: schemas.Worth(mean=mean, low=low, high=high) for name, (mean, low, high) in self.worth.items()}
        return schemas.Budget(budget=self.amount, expected_best=worth)


@dataclass(frozen=True, slots=True, eq=False)
class SideBySide(Shown):
    """Searches for the same thing, at equal budget.

    Args:
        searches: as they were named.
        by_trials: what they were worth for the same number of trials.
        by_seconds: what they were worth for the same time of training.

    """

    searches: Sequence[Search]
    by_trials: Sequence[Budget]
    by_seconds: Sequence[Budget]

    @property
    def name(self) -> str:
        """Names of the studies, joined by +."""
        return "+".join(each.name for each in self.searches)

    def record(self) -> schemas.Searches:
        """Describe it in plain values."""
        return schemas.Searches(
            study=self.name,
            **self.searches[0].metric.asked(),
            searches=[
                schemas.SearchInBrief(
                    study=each.name,
                    data=each.data,
                    trials=len(each.values),
                    seconds=round(float(each.seconds.sum()), 3),
                    best=each.best.value if each.best else None,
                )
                for each in self.searches
            ],
            by_trials=[each.record() for each in self.by_trials],
            by_seconds=[each.record() for each in self.by_seconds],
        )

    def rows(self) -> list[dict[str, Any]]:
        """Give a row for each budget and search."""
        return [
            {"unit": unit, "budget": budget.amount, "study": name, "expected_best": mean, "low": low, "high": high}
            for unit, budgets in (("trials", self.by_trials), ("seconds", self.by_seconds))
            for budget in budgets
            for name, (mean, low, high) in budget.worth.items()
        ]

    def blocks(self) -> list[Block]:
        """Lay out what each search was worth for the same budgets."""
        return text.searches(self.record())

    def figure(self) -> go.Figure:
        """Draw the expected best by number of trials, with the range of nine in ten such searches."""
        lines = {each.name: each.by_trials() for each in self.searches}
        return interactive.curves(lines, self.searches[0].metric, _title(self.searches), "trials")

    def publish(self, home: Path) -> list[Path]:
        """Write the picture and the table to the home folder's `side_by_side/A+B`.

        Returns:
            The pictures.

        Raises:
            OSError: the folder cannot be written.

        """
        from study.plots import figures  # noqa: PLC0415 - matplotlib

        folder = home / "side_by_side" / self.name
        written = figures.write(draw(self.searches), folder, "budgets")
        (folder / "budgets.csv").write_text(self.to_csv(), encoding="utf-8")
        return written


def side_by_side(journals: Sequence[Journal]) -> SideBySide:
    """Set searches side by side. Raises as `read`."""
    found = read(journals)
    return SideBySide(found, at_trials(found), at_seconds(found))


def read(journals: Sequence[Journal]) -> list[Search]:
    """Read searches that are to be set side by side.

    Raises:
        InputError: they have different objectives, one is no search, is named twice, or has no finished trial.
        StudyError: no definition, or a damaged file; names it and its line.

    """
    names = [journal.folder.name for journal in journals]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"{twice} is named twice", where="study compare", fix="Name each search once.")
    found = [_search(journal) for journal in journals]
    first = found[0]
    for other in found[1:]:
        if other.metric != first.metric:
            raise InputError(
                f"{first.name} is to {_aim(first)}, {other.name} to {_aim(other)}",
                where="study compare",
                fix="Compare searches for the same thing.",
            )
    return found


def _search(journal: Journal) -> Search:
    trials, name, definition = results.read(journal), journal.folder.name, journal.definition() or {}
    metric, rows = results.metric_of(journal, trials), [trial.row for trial in trials]
    ended = [row for row in rows if row.state != "running"]
    finished = [row for row in ended if row.state != "failed"]
    if "sampler" not in definition:
        raise InputError("is no search", where=name, fix="Only what `study run` has made is set side by side.")
    values = np.array([math.nan if row.value is None else row.value for row in finished], dtype=np.float64)
    if not np.isfinite(values).any():
        raise InputError("has no finished trial yet", where=name, fix=f"`study run {name}` makes some.")
    worst = metric.worst(values)
    complete = [row.value if row.state == "complete" and row.value is not None else math.nan for row in ended]
    return Search(
        name=name,
        metric=metric,
        data=str((definition.get("data") or {}).get("name") or (definition.get("recipe") or {}).get("dataset") or ""),
        values=np.where(np.isfinite(values), values, worst),
        ended=np.array(complete, dtype=np.float64),
        seconds=np.array([row.seconds for row in ended]),
        best=results.best(rows, metric),
    )


def _aim(search: Search) -> str:
    return f"{search.direction} {search.metric.name}"


def at_trials(searches: Sequence[Search]) -> list[Budget]:
    """Set the searches side by side at 1, 2, 5, 10, ... trials, up to all that the shortest of them has."""
    curves = {each.name: each.by_trials() for each in searches}
    return [
        Budget(amount, {name: _worth(curve, amount - 1) for name, curve in curves.items()})
        for amount in _round_numbers(min(len(each.values) for each in searches))
    ]


def at_seconds(searches: Sequence[Search]) -> list[Budget]:
    """Set the searches side by side at halves of halves of the seconds that the shortest of them has trained."""
    shortest = min(float(each.seconds.sum()) for each in searches)
    amounts = [shortest / 2**halvings for halvings in reversed(range(HALVINGS))]
    curves = {each.name: each.by_seconds(amounts) for each in searches}
    return [
        Budget(amount, {name: _worth(curve, index) for name, curve in curves.items()})
        for index, amount in enumerate(amounts)
    ]


def _round_numbers(most: int) -> list[int]:
    return sorted({*_up_to(most), most})


def _up_to(most: int) -> Iterator[int]:
    power = 1
    while power <= most:
        yield from (step * power for step in STEPS if step * power <= most)
        power *= 10


def _worth(curve: Curve, index: int) -> tuple[float, float, float]:
    return float(curve.mean[index]), float(curve.low[index]), float(curve.high[index])


def draw(searches: Sequence[Search]) -> Figure:
    """Draw each search's best so far and its expected best, against trials and against seconds."""
    from study.plots import searches as drawing  # noqa: PLC0415 - matplotlib

    courses = [
        drawing.Course(
            name=each.name,
            by_trials=each.by_trials(),
            by_seconds=each.by_seconds(np.linspace(0, each.seconds.sum(), POINTS)),
            so_far=each.so_far(),
            spent=each.seconds.cumsum(),
        )
        for each in searches
    ]
    return drawing.budgets(courses, searches[0].metric, _title(searches), _window(searches))


def _title(searches: Sequence[Search]) -> str:
    return " and ".join(each.name for each in searches)


def _window(searches: Sequence[Search]) -> tuple[float, float] | None:
    """Leave the worst of the first trials out of the picture, so that the best can be told apart."""
    best = [each.best.value for each in searches if each.best and each.best.value is not None]
    typical = [float(np.median(each.values)) for each in searches]
    if not best:
        return None
    near, far = (max(best), min(typical)) if searches[0].metric.sign > 0 else (min(best), max(typical))
    if near == far:
        return None
    low, high = sorted((far - 0.1 * (near - far), near + 0.1 * (near - far)))
    return low, high
