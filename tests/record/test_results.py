"""What the folders tell of a study: rows, the best, the variants, and the recipe that repeats the best."""

from __future__ import annotations

import json
import math
import shutil

import pytest

from study.metric import Metric
from study.record import family, results
from study.record.journal import Journal
from study.record.results import best, ranked
from study.record.summary import summarize
from study.record.trial import TrialRow

MORE, LESS = Metric("score"), Metric("score", "minimize")


def row(number, value, state="complete", variant=None, **overrides):
    return TrialRow(number, variant, state, value, value, 1, 2.0, overrides, "", None, "cpu")


@pytest.mark.parametrize(("aim", "expected"), [(MORE, 2), (LESS, 1)])
def test_the_best_is_the_complete_trial_with_the_best_value_in_the_studys_direction(aim, expected):
    rows = [row(0, 0.5), row(1, 0.1), row(2, 0.9), row(3, 0.99, "pruned"), row(4, 0.01, "running"), row(5, None)]
    found = best(rows, aim)
    assert found is not None
    assert found.number == expected


def test_of_equal_trials_the_first_is_the_best():
    found = best([row(4, 0.5), row(7, 0.5)], MORE)
    assert found is not None
    assert found.number == 4


def test_without_a_complete_trial_there_is_no_best():
    assert best([row(0, 0.9, "pruned"), row(1, None, "failed")], MORE) is None


@pytest.mark.parametrize(("aim", "expected"), [(MORE, [2, 0, 1, 3, 5, 4]), (LESS, [0, 2, 1, 3, 5, 4])])
def test_ranked_trials_go_by_state_then_value_and_those_without_one_come_last(aim, expected):
    rows = [
        row(0, 0.1),
        row(1, math.nan),
        row(2, 0.9),
        row(3, 0.3, "pruned"),
        row(4, 0.9, "running"),
        row(5, None, "failed"),
    ]
    assert [each.number for each in ranked(rows, aim)] == expected


@pytest.mark.parametrize(
    ("rows", "baseline"),
    [
        ([row(0, 0.1, variant="plain"), row(1, 0.2, variant="baseline", lr=0.1)], 1),
        ([row(0, 0.1, variant="wide", hidden=[9]), row(1, 0.2, variant="plain")], 1),
        ([row(0, 0.1, variant="wide", hidden=[9])], 0),
        ([row(0, 0.1)], None),
    ],
)
def test_the_baseline_is_the_variant_of_that_name_or_the_one_that_changes_nothing_or_the_first(rows, baseline):
    found = summarize("toy", MORE, rows).baseline
    assert (found and found.number) == baseline


def test_a_summary_counts_every_state_and_adds_up_the_time():
    summary = summarize(
        "toy", MORE, [row(0, 1.0), row(1, 1.0, "pruned"), row(2, None, "failed"), row(3, None, "running")]
    )
    assert summary.counts == {"complete": 1, "pruned": 1, "failed": 1, "running": 1}
    assert (summary.finished, summary.seconds) == (2, 8.0)


def test_rows_tell_what_the_folders_hold(made):
    rows = results.rows(made)
    assert [each.state for each in rows] == [
        "complete", "complete", "complete", "pruned", "failed", "pruned", "running",
    ]  # fmt: skip
    assert rows[1].variant == "norm_inputs"
    assert (rows[1].value, rows[1].best_value, rows[1].epochs, rows[1].seconds) == (0.75, 0.8, 3, 1.5)
    assert (rows[4].value, rows[4].reason) == (None, "ValueError: boom")
    assert (rows[5].value, rows[5].best_value) == (None, None)
    assert (rows[6].value, rows[6].epochs, rows[6].overrides) == (0.5, 2, {"activation": "tanh", "lr": 0.01})
    assert results.finished(made) == 5


def test_the_best_recipe_holds_all_that_repeats_it(made):
    found = results.best_recipe(made)
    assert {name: getattr(found, name) for name in ("study", "trial", "value", "metric", "recipe_type", "train")} == {
        "study": "made", "trial": 2, "value": 0.9125, "metric": "val_accuracy",
        "recipe_type": "study.recipe:Recipe", "train": "study.engine:train",
    }  # fmt: skip
    assert found.recipe["lr"] == 0.0123456


def test_the_studies_of_a_home_are_those_with_results(made, tmp_path):
    home = made.folder.parents[1]
    (home / "studies" / "empty").mkdir()
    assert family.studies(home) == ["made"]
    assert family.studies(tmp_path / "nowhere") == []


def test_a_trial_with_a_damaged_log_is_left_out_and_named_with_its_line(made, caplog):
    log = made.trial(0).path / "log.jsonl"
    lines = log.read_bytes().split(b"\n")
    log.write_bytes(b"\n".join([lines[0], b"rubbish", *lines[2:]]))
    assert [row.number for row in results.rows(made)] == [1, 2, 3, 4, 5, 6]
    assert "trial 0 of made is left out" in caplog.text
    assert "log.jsonl, line 2: damaged line" in caplog.text
    log.write_bytes(b"\n".join(lines))


def test_a_study_that_was_never_run_has_no_rows(tmp_path):
    assert results.rows(Journal(tmp_path / "new")) == []
    assert results.finished(Journal(tmp_path / "new")) == 0


def test_of_trials_on_the_test_split_only_complete_ones_have_a_value_and_epochs_have_none(made):
    """A diverged training of a comparison was shown with the training accuracy of its last epoch."""
    finals = Journal(made.folder.with_name("made-final"))
    shutil.copytree(made.folder / "trials", finals.folder / "trials")
    finals.store_definition({**made.definition(), "study": "made-final", "metric": "train_accuracy"})
    assert results.metric_of(finals).name == "test_accuracy"
    found = results.rows(finals)
    assert [row.value for row in found] == [0.7, 0.75, 0.9125, None, None, None, None]
    assert {row.best_value for row in found} == {None}


def test_what_is_shown_of_a_trial_is_read_from_its_recipe_not_from_what_was_asked(made):
    folder = made.trial(0)
    about = folder.about()
    (folder.path / "trial.json").write_text(json.dumps({**about, "overrides": {"steps": 60_000}}))
    assert results.rows(made)[0].overrides == {}
    assert results.rows(made)[2].overrides == {"lr": 0.0123456, "batch_size": "full"}
