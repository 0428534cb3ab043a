"""What pruning saved and lost, from the rows of a study's trials."""

from __future__ import annotations

import pytest

from study.insight import savings
from study.metric import Metric
from study.record.trial import TrialRow

GOAL = Metric("val_accuracy")


def row(number, state, value, epochs=10, reason="", **more):
    return TrialRow(
        number=number, variant=None, state=state, value=value, best_value=value, epochs=epochs, seconds=2.0 * epochs,
        overrides={}, reason=reason, started=None, device="cpu", **more,
    )  # fmt: skip


ROWS = [
    *(row(number, "complete", 0.5 + number / 100) for number in range(10)),
    row(10, "pruned", 0.2, 2, "median pruner"),
    row(11, "pruned", 0.3, 6, "median pruner"),
    row(12, "pruned", None, 1, "diverged in epoch 1: val_loss is nan"),
    row(13, "failed", None, 3, "ValueError: boom"),
    row(14, "complete", 0.4, audited=3),
    row(15, "complete", 0.585, audited=2),
    row(16, "complete", 0.9, audited=4),
    row(17, "running", 0.9, 5, audited=4),
]


def test_epochs_saved_are_those_that_pruned_trials_would_have_had():
    found = savings.read(ROWS, GOAL)
    assert (found.pruned, found.diverged) == (2, 1)
    assert (found.epochs, found.epochs_saved) == (139, 12)
    assert found.share_saved == 12 / 151
    assert found.seconds_saved == 24.0


def test_what_was_lost_is_told_by_those_that_ran_on():
    found = savings.read(ROWS, GOAL)
    assert [each.number for each in found.audited] == [14, 15, 16, 17]
    assert (found.lost_good.value, found.lost_good.n) == (pytest.approx(1 / 3), 3)
    assert (found.lost_best.value, found.lost_best.n) == (pytest.approx(1 / 3), 3)
    assert found.lost_best.interval.low > 0.05


def test_where_less_is_better_the_worst_is_the_best():
    found = savings.read(ROWS, Metric("val_loss", "minimize"))
    assert found.lost_best.value == pytest.approx(1 / 3)


def test_a_trial_s_own_length_counts():
    rows = [row(0, "complete", 0.5), row(1, "pruned", 0.1, 2, "median pruner")]
    short = TrialRow(**{**{name: getattr(rows[1], name) for name in TrialRow.__slots__}, "overrides": {"epochs": 5}})
    assert savings.read([rows[0], short], GOAL).epochs_saved == 3


@pytest.mark.parametrize("rows", [[], [row(0, "running", None, 0)], [row(0, "failed", None, 0)]])
def test_with_nothing_finished_nothing_is_said(rows):
    found = savings.read(rows, GOAL)
    assert (found.pruned, found.epochs_saved, found.share_saved, found.lost_good.n) == (0, 0, 0.0, 0)
