"""A comparison on several data sets, as a function; the command's tests are in tests/cli/test_comparison.py."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

import study
from study import Recipe, Study, settings
from study.errors import InputError
from study.progress import TrialEnded
from study.stats.several import averages

TABLES = Study(
    name="tables",
    recipe=Recipe(dataset="wine", model="mlp", hidden=(16,), epochs=3, lr=0.01, optimizer="adam", val_fraction=0.2),
    variants={"baseline": {}, "slow": {"lr": 1e-5}},
)
HOW = {"executor": "inline", "track": False, "watch": lambda _: None}


def test_each_data_set_has_its_comparison_and_all_have_one_verdict():
    found = study.compare_over_data(TABLES, ["iris", "wine"], seeds=3, **HOW)
    record = found.record()
    assert list(found.comparisons) == record.data == ["iris", "wine"]
    assert found.steps == [1 / 30, 1 / 36]
    differences = [np.subtract(each[1].values, each[0].values).mean() for each in found.comparisons.values()]
    assert record.variants[1].difference == pytest.approx(np.mean(differences))
    assert found.comparisons["wine"].record() == study.compare(TABLES, seeds=3, **HOW).record()
    assert "Wilcoxon" not in found.text()
    again = study.compare_over_data(TABLES, ["iris", "wine"], seeds=5, **HOW)
    assert "Look 2 at these variants: the error of 5 % is that of a first look." in again.text()


def test_one_data_set_is_for_compare():
    with pytest.raises(InputError, match="takes two or more"):
        study.compare_over_data(TABLES, ["wine", "wine"], **HOW)


def test_the_profile_says_in_how_many_pairs_a_variant_is_better_by_how_much():
    found = study.compare_over_data(TABLES, ["iris", "wine"], seeds=3, **HOW)
    (line,) = found.profiles().values()
    gaps = [np.subtract(each[1].values, each[0].values) for each in found.comparisons.values()]
    shares = [np.mean([np.mean(100 * each >= at) for each in gaps]) for at in line.at]
    assert line.mean == pytest.approx(shares)
    assert line.mean[0] == 1
    assert line.mean[-1] == 0
    assert np.all((line.low <= line.mean) & (line.mean <= line.high))
    assert [trace.name for trace in found.figure().data if trace.name] == ["slow"]
    assert (settings.resolve().study_folder("tables@iris-compare") / "artifacts" / "profiles.png").stat().st_size > 1000


def test_the_average_shares_its_error_with_all_that_were_looked_at_before():
    several = replace(TABLES, variants={**TABLES.variants, "fast": {"lr": 0.02}, "wide": {"hidden": (32,)}})
    study.compare_over_data(several, ["iris", "wine"], seeds=3, **HOW)
    found = study.compare_over_data(several, ["iris", "wine"], ["slow"], seeds=3, **HOW)
    values = [np.array([row.values for row in each]) for each in found.comparisons.values()]
    (alone,) = averages([each[1:] for each in values], [each[0] for each in values], found.steps)
    (row,) = found.record().variants[1:]
    assert [each.record().family for each in found.comparisons.values()] == [3, 3]
    assert row.p_adjusted == pytest.approx(min(1, 3 * alone.p_adjusted))
    assert row.difference_high - row.difference_low > alone.interval.high - alone.interval.low


def test_the_same_recipe_is_known_and_one_that_always_fails_is_last():
    losses = replace(TABLES, metric="val_loss", direction="minimize")
    losses = replace(losses, variants={**losses.variants, "same": {}, "wild": {"lr": 1e30, "optimizer": "sgd"}})
    found = study.compare_over_data(losses, ["iris", "wine"], seeds=2, **HOW)
    rows = {row.variant: row for row in found.record().variants}
    assert {name: row.rank for name, row in rows.items()} == {"baseline": 1.5, "slow": 3, "same": 1.5, "wild": 4}
    same = rows["same"]
    assert (same.verdict, same.difference_low, same.difference_high, same.p_adjusted) == ("no difference", 0, 0, 1)
    (line,) = [each for each in found.text().splitlines()[-8:] if each.startswith("same ")]
    assert line.endswith("no difference: the same recipe")


def test_the_time_limit_is_one_for_all_data_sets_and_before_the_end_nothing_is_said_of_the_average(monkeypatch):
    ahead, true, ended = [0.0], time.monotonic, []
    monkeypatch.setattr(time, "monotonic", lambda: true() + ahead[0])

    def watch(event):
        if isinstance(event, TrialEnded):
            ended.append(event)
            ahead[0] += 1200 * (len(ended) in {9, 10})  # after the first data set, and within the second

    three = replace(TABLES, variants={**TABLES.variants, "slower": {"lr": 1e-6}})
    how = {**HOW, "watch": watch, "timeout": 1800}
    found = study.compare_over_data(three, ["iris", "wine"], seeds=3, **how)
    assert len(ended) == 10
    assert [each.complete for each in found.comparisons.values()] == [True, False]
    verdicts = [(row.verdict, row.difference_low) for row in found.record().variants[1:]]
    assert verdicts == [("not enough seeds", -np.inf)] * 2
    assert "Not complete yet: no verdict on the average before every training has run." in found.text()
    folder = settings.resolve().study_folder("tables@iris-compare") / "artifacts"
    assert (folder / "forest.png").exists()
    assert not (folder / "profiles.png").exists()
