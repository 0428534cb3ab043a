"""What a search's pruner saved, and what it lost, measured on audited trials: those trained on although pruned."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from study.plots import interactive
from study.record import results
from study.schemas import insight as schemas
from study.stats import intervals
from study.text import insight as text
from study.text.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    import plotly.graph_objects as go

    from study.metric import Metric
    from study.record.journal import Journal
    from study.record.trial import TrialRow
    from study.text.table import Block

GOOD = 0.1  # of the finished trials: who ends among these was a good one


@dataclass(frozen=True, slots=True)
class Pruning(Shown):
    """What pruning did in one search.

    Args:
        pruned: trials that the pruner ended; diverged ones are not among them.
        diverged: trials that ended early because a value was not finite.
        epochs: trained in all finished trials.
        epochs_saved: that pruned trials would have had besides.
        seconds_saved: the same at each trial's own pace.
        audited: trials that were trained on although the pruner would have stopped them, complete ones first.
        lost_good: of the complete audited ones, the share that ended among the best tenth of all finished trials.
        lost_best: the share that ended better than every other complete trial.
        metric: what is optimized.
        study: name of the search.
        pruner: its name.

    """

    pruned: int
    diverged: int
    epochs: int
    epochs_saved: int
    seconds_saved: float
    audited: Sequence[TrialRow]
    lost_good: intervals.Share
    lost_best: intervals.Share
    metric: Metric
    study: str = ""
    pruner: str | None = None

    @property
    def share_saved(self) -> float:
        """Epochs saved, of those that there would have been; 0 where there is none."""
        whole = self.epochs + self.epochs_saved
        return self.epochs_saved / whole if whole else 0.0

    def record(self) -> schemas.Pruning:
        """Describe it in plain values."""
        return schemas.Pruning(
            study=self.study,
            **self.metric.asked(),
            pruner=self.pruner,
            pruned=self.pruned,
            diverged=self.diverged,
            epochs=self.epochs,
            epochs_saved=self.epochs_saved,
            share_saved=self.share_saved,
            seconds_saved=round(self.seconds_saved, 3),
            audited=[
                schemas.Audited(
                    trial=row.number, pruned_after=row.audited, state=row.state, epochs=row.epochs, value=row.value
                )
                for row in self.audited
            ],
            lost_good=_share(self.lost_good),
            lost_best=_share(self.lost_best),
        )

    def rows(self) -> list[dict[str, Any]]:
        """Give a row for each audited trial."""
        return [each.plain() for each in self.record().audited]

    def blocks(self) -> list[Block]:
        """Say what pruning saved and what it lost."""
        return text.pruning(self.record())

    def figure(self) -> go.Figure:
        """Draw the epochs that were trained and those that were saved."""
        counted = {"trained": float(self.epochs), "saved": float(self.epochs_saved)}
        return interactive.bars({"epochs": counted}, f"{self.study}: {self.pruner or 'no'} pruner", "epochs")


def of(journal: Journal) -> Pruning:
    """Say what pruning did in a search.

    Raises:
        StudyError: no definition, or a damaged file; names it and its line.

    """
    trials = results.read(journal)
    found = read([trial.row for trial in trials], results.metric_of(journal, trials))
    return replace(found, study=journal.folder.name, pruner=(journal.definition() or {}).get("pruner"))


def read(rows: Sequence[TrialRow], metric: Metric) -> Pruning:
    """Say what pruning did, from a study's trials; a trial's full length is that of the longest complete one.

    A trial whose own knob `epochs` says otherwise is measured by that.
    """
    finished = [row for row in rows if row.state in {"complete", "pruned"}]
    diverged = [row for row in finished if row.state == "pruned" and is_diverged(row)]
    pruned = [row for row in finished if row.state == "pruned" and not is_diverged(row)]
    length = max((row.epochs for row in finished if row.state == "complete"), default=0)
    left = [max(0, _length(row, length) - row.epochs) for row in pruned]
    audited = sorted((row for row in rows if row.audited is not None), key=lambda row: row.state != "complete")
    ended = [row for row in audited if row.state == "complete"]
    return Pruning(
        pruned=len(pruned),
        diverged=len(diverged),
        epochs=sum(row.epochs for row in finished),
        epochs_saved=sum(left),
        seconds_saved=sum(more * row.seconds / max(1, row.epochs) for more, row in zip(left, pruned, strict=True)),
        audited=tuple(audited),
        lost_good=intervals.share(sum(_is_good(row, finished, metric) for row in ended), len(ended)),
        lost_best=intervals.share(sum(_is_best(row, finished, metric) for row in ended), len(ended)),
        metric=metric,
    )


def _share(share: intervals.Share) -> schemas.Share:
    return schemas.Share(share=share.value, low=share.interval.low, high=share.interval.high, n=share.n)


def is_diverged(row: TrialRow) -> bool:
    """Tell whether a pruned trial ended because its figures were not finite: no pruner had a part in it."""
    return row.reason.startswith("diverged")


def _length(row: TrialRow, otherwise: int) -> int:
    own = row.overrides.get("epochs")
    return own if isinstance(own, int) else otherwise


def _is_good(row: TrialRow, finished: Sequence[TrialRow], metric: Metric) -> bool:
    best = results.ranked([each for each in finished if each.state == "complete"], metric)
    return row in best[: math.ceil(GOOD * len(finished))]


def _is_best(row: TrialRow, finished: Sequence[TrialRow], metric: Metric) -> bool:
    others = results.best([each for each in finished if each.audited is None], metric)
    return row.value is not None and (others is None or others.value is None or metric.better(row.value, others.value))
