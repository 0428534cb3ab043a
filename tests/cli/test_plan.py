"""`study plan`: how many seeds a comparison needs, by the noise of earlier trainings or by one that is given."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import pytest

from study.stats import power

FILE = '''"""Three variants of a small network."""

from study import Recipe, Study

study = Study(
    name="small",
    recipe=Recipe(dataset="digits", model="mlp", hidden=(16,), optimizer="adam", lr=0.003, train_size=300, epochs=2),
    variants={"baseline": {}, "norm": {"normalize": True}, "fast": {"lr": 0.01}},
)
'''


@pytest.fixture(autouse=True)
def file():
    Path("studies").mkdir()
    Path("studies/small.py").write_text(FILE)


def test_before_anything_has_run_the_noise_is_given_and_nothing_is_written(study):
    answer = study("plan", "small")
    assert answer.code == 2
    assert "no recipe has been trained on two seeds" in answer.err
    found = study("plan", "small", "--sd", "0.004", "--difference", "0.005", "--json").json
    assert (found["variants"], found["source"], found["seconds_per_training"]) == (2, None, None)
    assert [each["difference"] for each in found["differences"]] == [0.0025, 0.005, 0.01]
    asked = found["differences"][1]
    sd = sqrt(2) * 0.004
    assert asked["seeds_alone"] == power.seeds_needed(0.005, sd)
    assert asked["seeds"] == power.seeds_needed(0.005, sd, family=2, undecided=2) > asked["seeds_alone"]
    assert asked["seeds_to_rule_out"] == power.seeds_needed(0, sd, smallest=0.005, family=2, undecided=2)
    assert asked["trainings"] == 3 * asked["seeds"]
    assert not Path("mlruns").exists()


def test_after_a_comparison_noise_and_time_are_measured(study, untracked):
    compared = study("compare", "small", "--seeds", "3", "--executor", "inline").code
    found = study("plan", "small", "--workers", "2", "--json").json
    assert (compared, found["source"], found["workers"]) == (0, "small-compare", 2)
    asked = found["differences"][1]
    assert asked["seconds"] == pytest.approx(-(-asked["trainings"] // 2) * found["seconds_per_training"])
    text = study("plan", "small").out
    assert f"Run it:  study compare small --seeds {asked['seeds']}" in text
    assert "0.50 points" in text


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--difference", "0"], "--difference and --sd must be above 0"),
        (["--sd", "nan"], "--difference and --sd must be above 0"),
        (["--difference", "inf", "--sd", "1"], "--difference and --sd must be above 0"),
        (["--workers", "0"], "--workers"),
    ],
)
def test_nonsense_is_one_line(study, words, complaint):
    answer = study("plan", "small", *words)
    assert answer.code == 2
    assert complaint in answer.err


def test_half_a_point_is_explained_to_whom_asks_for_half_of_all(study):
    assert "half a point is --difference 0.005" in study("plan", "small", "--sd", "0.004", "--difference", "0.5").out
