"""show --importance, --pruning, the search's own remarks, and compare A B: on two real searches made once."""

from __future__ import annotations

import csv
import io
import os
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from study.options import Options
from study.questions.search import run
from study.record import checked
from study.settings import Settings
from study.study_files import load

TOY = Path(__file__).parents[1] / "toy.py"


@pytest.fixture(scope="module")
def no_fsync():
    """Nobody pulls the plug in the middle of these tests, so nothing waits for the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory, no_fsync):
    """`slow`: 30 random trials under the median pruner; `fast`: 44 under none; `loss`: 6, to be minimized."""
    folder = tmp_path_factory.mktemp("searches")
    places = Settings(folder / "mlruns", f"sqlite:///{folder}/o.db", f"sqlite:///{folder}/m.db")
    toy = load(str(TOY)).fix({"epochs": 4})
    searches = (
        (replace(toy, name="slow"), 30, "median"),
        (replace(toy, name="fast"), 44, "none"),
        (replace(toy, name="loss", direction="minimize"), 6, "none"),
    )
    for study, trials, pruner in searches:
        how = Options(trials=trials, executor="inline", track=False, sampler="random", pruner=pruner, seed=1)
        list(run(study, places, how, threading.Event()))
    return places.home


def test_importance_is_a_table_with_the_noise_beside_it(study, home):
    answer = study("show", "fast", "--importance", "--home", home)
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0] == "fast: what mattered for score, over 44 complete trials"
    assert lines[2].split() == ["Knob", "Trials", "Effect", "fANOVA", "PED-ANOVA", "Says"]
    assert lines[3].split()[:2] == ["x", "44"]
    assert lines[3].endswith("matters")
    assert "Noise between seeds: not known; `study confirm fast` measures it." in answer.out
    assert "after 116 more complete trials" in lines[-1]


def test_importance_as_json_and_csv_has_these_keys(study, home):
    shown = study("show", "fast", "--importance", "--json", "--home", home).json
    assert list(shown) == [
        "type", "version", "study", "metric", "direction", "in_percent", "trials", "lacking", "lacking_best_quarter",
        "chance", "noise", "knobs",
    ]  # fmt: skip
    assert list(shown["knobs"][0]) == ["knob", "trials", "overall", "best_quarter"]
    assert list(shown["knobs"][0]["overall"]) == ["fanova", "ped_anova", "effect", "says"]
    rows = list(csv.DictReader(io.StringIO(study("show", "fast", "--importance", "-f", "csv", "--home", home).out)))
    assert float(rows[0]["effect"]) == shown["knobs"][0]["overall"]["effect"]


def test_importance_of_too_few_trials_says_how_many_more(study, made):
    answer = study("show", "made", "--importance")
    assert answer.code == 0
    assert "Too few trials: 40 more complete trials needed. `study run made` continues the search." in answer.out


def test_pruning_says_what_was_saved_and_what_was_lost(study, home):
    answer = study("show", "slow", "--pruning", "--home", home)
    assert answer.code == 0
    assert answer.out.startswith("slow: median pruner\n")
    assert "Audit: " in answer.out
    assert "Pruning would have lost, of these:" in answer.out
    shown = study("show", "slow", "--pruning", "-f", "json", "--home", home).json
    assert list(shown) == [
        "type", "version", "study", "metric", "direction", "in_percent", "pruner", "pruned", "diverged", "epochs",
        "epochs_saved", "share_saved", "seconds_saved", "audited", "lost_good", "lost_best",
    ]  # fmt: skip
    assert shown["pruned"] > 5
    assert 0 < shown["share_saved"] < 1
    assert {each["state"] for each in shown["audited"]} == {"complete"}
    trial = shown["audited"][0]
    shown = study("show", "slow", "--trial", trial["trial"], "--home", home).out
    assert f"Audited: the pruner would have stopped it after epoch {trial['pruned_after']}" in shown


def test_pruning_without_any_says_so(study, home):
    assert "0 trials pruned" in study("show", "fast", "--pruning", "--home", home).out


def test_show_ends_with_what_the_search_says_of_itself(study, home):
    answer = study("show", "fast", "--home", home)
    said = answer.out.partition("Remarks on the search:\n")[2]
    assert "- The last doubling, from 22 trials to 44" in said
    assert "`study confirm fast --top 10`" in said
    remarks = study("show", "fast", "--json", "--home", home).json["remarks"]
    assert all(list(each) == ["kind", "text", "fix"] for each in remarks)
    assert all(f"- {each['text'][:1].upper()}{each['text'][1:]}." in said for each in remarks)


def test_searches_side_by_side_are_a_table_a_picture_and_a_file(study, home):
    answer = study("compare", "slow", "fast", "--home", home)
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0].startswith("Expected best score by number of trials")
    assert lines[1].split()[:2] == ["Trials", "slow"]
    assert [line.split()[0] for line in lines[2:8]] == ["1", "2", "5", "10", "20", "30"]
    assert "slow: 30 finished trials" in answer.out
    folder = home / "side_by_side" / "slow+fast"
    assert {path.name for path in folder.iterdir()} == {"budgets.svg", "budgets.png", "budgets.csv"}
    before = (folder / "budgets.svg").read_bytes()
    again = study("compare", "slow", "fast", "--home", home)
    assert again.out == answer.out
    assert len((folder / "budgets.svg").read_bytes()) == len(before)


def test_searches_side_by_side_as_json_and_csv(study, home):
    shown = study("compare", "slow", "fast", "--json", "--home", home).json
    assert list(shown) == [
        "type", "version", "study", "metric", "direction", "in_percent", "searches", "by_trials", "by_seconds",
    ]  # fmt: skip
    assert [each["budget"] for each in shown["by_trials"]] == [1, 2, 5, 10, 20, 30]
    last = shown["by_trials"][-1]["expected_best"]["slow"]
    assert last["mean"] == last["low"] == last["high"] == shown["searches"][0]["best"]
    means = [each["expected_best"]["slow"]["mean"] for each in shown["by_trials"]]
    assert means == sorted(means)
    rows = list(csv.DictReader(io.StringIO(study("compare", "slow", "fast", "--csv", "--home", home).out)))
    assert list(rows[0]) == ["unit", "budget", "study", "expected_best", "low", "high"]
    assert float(rows[0]["expected_best"]) == means[0]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["slow", "fast", "--seeds", "3"], "--seeds cannot be used with several studies"),
        (["slow", "fast", "--variants", "a", "--until-sure"], "--variants, --until-sure cannot be used"),
        (["slow", "loss"], "slow is to maximize score, loss to minimize score"),
        (["slow", "slow"], "slow is named twice"),
        (["slow", "fats"], "no results of a study 'fats'. Did you mean 'fast'?"),
    ],
)
def test_what_makes_no_sense_side_by_side_is_one_line(study, home, words, complaint):
    answer = study("compare", *words, "--home", home)
    assert (answer.code, answer.out) == (2, "")
    assert complaint in answer.err
    assert answer.err.count("\n") == 1


def test_a_search_without_a_finished_trial_is_one_line(study, home, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(home, copy)
    shutil.rmtree(copy / "studies" / "fast" / "trials")
    answer = study("compare", "slow", "studies/fast.py", "--home", copy)
    assert answer.code == 2
    assert "fast: has no finished trial yet. `study run fast` makes some." in answer.err


def test_what_is_no_search_is_one_line(study, home, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(home, copy)
    definition = checked.read(copy / "studies" / "fast" / "study.json")
    del definition["sampler"]
    checked.write(copy / "studies" / "fast" / "study.json", definition)
    answer = study("compare", "slow", "fast", "--home", copy)
    assert answer.code == 2
    assert "fast: is no search. Only what `study run` has made is set side by side." in answer.err


def test_two_questions_at_once_are_refused(study, home):
    answer = study("show", "slow", "--importance", "--pruning", "--home", home)
    assert (answer.code, answer.out) == (2, "")
    assert "exclude each other" in answer.err
