"""One trial with all its epochs, read from its folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from study.errors import InputError
from study.plots import interactive
from study.record import results
from study.record.trial import Trial
from study.schemas.trial import TrialDetails
from study.text import trial as text
from study.text.shown import Shown

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from study.metric import Metric
    from study.record.journal import Journal
    from study.text.table import Block


@dataclass(frozen=True, slots=True)
class OneTrial(Shown):
    """One trial with all its epochs.

    Args:
        study: name of the study.
        metric: the optimized metric.
        trial: the trial, read from its folder.

    """

    study: str
    metric: Metric
    trial: Trial

    def record(self) -> TrialDetails:
        """Return the trial as a record."""
        history = self.trial.history
        return TrialDetails(
            study=self.study,
            **self.metric.asked(),
            **self.trial.row.values(),
            folder=str(self.trial.folder.path),
            recipe=dict(self.trial.recipe),
            history=self.rows(),
            evaluation=dict(history.evaluation) or None,
            deaths=list(history.deaths),
            traceback=history.ended.traceback if history.ended else "",
            node=history.host,
            chip=history.chip,
            environment=self.trial.about.get("environment"),
            repeats=self.trial.row.repeats,
            audited=self.trial.row.audited,
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per epoch."""
        return self.trial.epochs()

    def blocks(self) -> list[Block]:
        """Show how it ended, all knobs, all epochs, and the errors of its final model."""
        return text.details(self.record())

    def figure(self) -> go.Figure:
        """Draw the objective after each epoch."""
        name = self.metric.name
        points = [(row["epoch"], row[name]) for row in self.rows() if name in row]
        title = f"{self.study}, trial {self.trial.row.number}"
        return interactive.over_trials({name: points}, [], self.metric, title, axis="epoch")


def read(journal: Journal, number: int) -> OneTrial:
    """Read one trial of a study.

    Raises:
        InputError: there is no such trial.
        StudyError: a file is damaged; the message names file and line.

    """
    folder = journal.trial(number)
    if not folder.path.is_dir():
        known = journal.trials()
        fix = f"They go from {known[0].number} to {known[-1].number}." if known else "There are none yet."
        raise InputError(f"no trial {number}", where=journal.folder.name, fix=fix)
    return OneTrial(journal.folder.name, results.metric_of(journal), Trial.of(folder))
