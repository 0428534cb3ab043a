"""A comparison on several data sets, as a function; the command's tests are in tests/cli/test_comparison.py."""

from __future__ import annotations

import numpy as np
import pytest

import study
from study import Recipe, Study, settings
from study.errors import InputError

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
