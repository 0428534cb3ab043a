"""A study with its trials, in the order that is asked for, and with what the search says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from study.errors import InputError
from study.insight import evidence, judgement
from study.record import results, summary
from study.schemas import search as schemas
from study.text import search as text
from study.text.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import plotly.graph_objects as go

    from study.insight.judgement import Remark
    from study.record.journal import Journal
    from study.record.summary import Summary
    from study.record.trial import TrialRow
    from study.schemas.trial import Trial
    from study.text.table import Block

SHOWN = 20  # trials that people are shown unless they ask for more
COLUMNS = ("trial", "state", "value", "epochs", "seconds", "variant", "reason")


@dataclass(frozen=True, slots=True)
class Overview(Shown):
    """A study with its trials.

    Args:
        summary: of all trials.
        trials: in order, as many as were asked for; all of them if that was left open.
        remarks: what the search says of itself.
        top: number of trials asked for; None for all, of which people are shown the first 20.

    """

    summary: Summary
    trials: Sequence[TrialRow]
    remarks: Sequence[Remark]
    top: int | None = None

    def record(self) -> schemas.Overview:
        """Describe it in plain values."""
        return self._record(self.trials)

    def _record(self, trials: Sequence[TrialRow]) -> schemas.Overview:
        reasons = [row.reason for row in self.summary.trials if row.state == "failed"]
        return schemas.Overview(
            **self.summary.values(),
            remarks=[each.record() for each in self.remarks],
            trials=[row.record() for row in trials],
            failures=text.failures(self.summary.name, reasons),
            others=len(self.summary.trials) - len(trials),
        )

    def rows(self) -> list[dict[str, Any]]:
        """Give a row for each trial, with a column for each knob that it changes."""
        return rows_of(row.record() for row in self.trials)

    def blocks(self) -> list[Block]:
        """Show counts, the best trial, the variants, the first trials and the remarks."""
        return text.overview(self._record(self.trials[: self.top or SHOWN]))

    def figure(self) -> go.Figure:
        """Draw each trial's value by its number, and the best so far."""
        return self.summary.figure()


def read(journal: Journal, sort_by: str | None = None, top: int | None = None) -> Overview:
    """Read a study with its trials.

    Args:
        journal: its folders.
        sort_by: a column of the table, or a knob; by state and value if unset.
        top: number of trials to keep, 1 or more; all if unset.

    Raises:
        InputError: no such column or knob.
        StudyError: no definition, or a damaged file; names it and its line.

    """
    trials = results.read(journal)
    found = summary.of(journal, trials)
    remarks = judgement.remarks(evidence.read(journal, trials))
    return Overview(found, _sorted(found, sort_by)[:top], remarks, top)


def _sorted(found: Summary, column: str | None) -> list[TrialRow]:
    """Sort by a column of the table or by a knob; what lacks it comes last."""
    rows = found.trials
    if column in {None, "value"}:
        return results.ranked(rows, found.metric)
    knobs = dict.fromkeys(name for row in rows for name in row.overrides)
    if column not in COLUMNS and column not in knobs:
        fix = f"There are: {', '.join([*COLUMNS, *knobs])}."
        raise InputError(f"no column {column!r}", where="--sort-by", fix=fix)

    def key(row: TrialRow) -> tuple[bool, int, Any, int]:
        value = row.values()[column] if column in COLUMNS else row.overrides.get(column)
        if isinstance(value, int | float):
            return False, 0, float(value), row.number
        return value is None, 1, str(value), row.number

    return sorted(rows, key=key)


def rows_of(trials: Iterable[Trial]) -> list[dict[str, Any]]:
    """Give a row for each trial, with a column for each knob that it changes."""
    return [
        {**{column: getattr(each, column) for column in COLUMNS},
         **{f"recipe.{name}": value for name, value in each.overrides.items()}}
        for each in trials
    ]  # fmt: skip
