"""What a search says against itself, from made-up trials: each remark where it belongs, and nowhere else."""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, distribution_to_json

from study.insight import evidence
from study.insight.evidence import Evidence
from study.insight.judgement import remarks
from study.insight.seed_noise import Noise
from study.metric import Metric
from study.record.journal import Journal
from study.record.trial import TrialRow

SPACE = {"lr": FloatDistribution(1e-4, 1e-1, log=True), "kind": CategoricalDistribution(("a", "b"))}
DEFINITION = {
    "space": {name: distribution_to_json(each) for name, each in SPACE.items()},
    "recipe": {"epochs": 10},
    "recipe_type": "study.recipe:Recipe",
    "sampler": "tpe",
}
GOAL = Metric("val_accuracy")


def row(number, value, *, state="complete", epochs=10, reason="", **params):
    return TrialRow(
        number=number, variant=None, state=state, value=value, best_value=value, epochs=epochs, seconds=2.0 * epochs,
        overrides=params, reason=reason, started=None, device="cpu", params=params,
    )  # fmt: skip


def search(count=40, *, peak=-2.0, scatter=0.001, seed=0):
    """Random trials whose value has its peak at a decade of the rate."""
    draw = np.random.default_rng(seed)
    rates = 10 ** draw.uniform(-4, -1, count)
    values = 0.9 - 0.05 * (np.log10(rates) - peak) ** 2 + draw.normal(0, scatter, count)
    kinds = draw.choice(["a", "b"], count)
    return [
        row(n, float(v), lr=float(r), kind=str(k)) for n, (v, r, k) in enumerate(zip(values, rates, kinds, strict=True))
    ]


def judged(rows, **more):
    recipes = {each.number: json.dumps([each.number, each.overrides]) for each in rows if each.state != "running"}
    evidence = Evidence("mine", GOAL, rows, DEFINITION, recipes)
    return {kind: [each for each in remarks(replace(evidence, **more)) if each.kind == kind] for kind in
            ("boundary", "lost", "duplicates", "top", "more trials", "test split", "time left")}  # fmt: skip


@pytest.mark.parametrize(
    ("metric", "examples", "value", "said"),
    [
        (GOAL, 4, 1.0, "measured on 4 examples: the best, 100.00 %, has the 95 % interval 51.01 to 100.00"),
        (replace(GOAL, in_percent=True), 4, 75.0, "75.00 %, has the 95 % interval 30.06 to 95.44"),
        (GOAL, 10_000, 0.9, ""), (GOAL, 0, 0.9, ""), (Metric("val_loss", "minimize"), 4, 0.5, ""),
    ],
)  # fmt: skip
def test_an_accuracy_over_few_examples_is_told_with_its_interval(metric, examples, value, said):
    evidence = Evidence("mine", metric, [row(0, value)], DEFINITION, examples=examples)
    found = [each.text for each in remarks(evidence) if each.kind == "few examples"]
    assert len(found) == bool(said)
    assert said in "".join(found)


@pytest.mark.parametrize("rows", [[], [row(0, 0.5, lr=0.1)], [row(0, None, state="running", epochs=0)]])
def test_with_no_trial_or_one_nothing_is_said(rows):
    assert not any(judged(rows).values())


def test_the_best_at_the_end_of_a_range_says_how_to_widen_it():
    Path("studies").mkdir()
    Path("studies/mine.py").write_text('def space(trial):\n    return {"lr": trial.suggest_float("lr", 1e-4, 1e-1, log=True)}\n')  # fmt: skip  # noqa: E501
    rows = [*search(peak=-0.5), row(40, 0.99, lr=0.099, kind="a")]
    (remark,) = judged(rows)["boundary"]
    assert "the best trial has lr=0.099, at the upper end of 0.0001 to 0.1 (log); so have" in remark.text
    assert remark.fix == (
        'Widen it to 0.0001 to 3.2 (log): studies/mine.py, line 2: trial.suggest_float("lr", 0.0001, 3.2, log=True); '
        "then `study run mine --accept`."
    )


@pytest.mark.parametrize("rows", [search(), [*search(8, peak=-0.5), row(8, 0.99, lr=0.1)]])
def test_a_best_inside_its_range_or_too_few_trials_say_nothing_of_a_boundary(rows):
    assert judged(rows)["boundary"] == []


def test_a_value_of_a_knob_with_which_trials_diverge_is_named():
    rows = [
        each if each.params["lr"] < 0.05 else row(each.number, None, state="pruned", reason="diverged in epoch 1: x",
                                                  **each.params)
        for each in search(80)
    ]  # fmt: skip
    rows += [row(80 + n, None, state="failed", reason="boom", lr=1e-3, kind="b") for n in range(6)]
    remarks = judged(rows)["lost"]
    assert len(remarks) <= 3
    (rate,) = (each for each in remarks if each.text.startswith("lr"))
    assert "to 0.09" in rate.text
    assert "diverged or failed" in rate.text
    assert rate.fix.startswith("Let the range end at 0.0")


def test_without_divergence_nothing_is_said_of_it():
    assert judged(search())["lost"] == []


@pytest.mark.parametrize(
    ("lost", "here", "lost_elsewhere", "elsewhere", "named"),
    [(3, 12, 0, 2, False), (3, 12, 0, 0, False), (12, 12, 0, 0, False), (3, 12, 0, 20, True), (3, 12, 3, 20, False)],
)
def test_a_value_is_named_only_if_its_trials_fail_significantly_more_often_than_others(
    lost, here, lost_elsewhere, elsewhere, named
):
    groups = [("a", number, lost) for number in range(here)]
    groups += [("b", number, lost_elsewhere) for number in range(elsewhere)]
    rows = [
        row(at, None if number < bad else 0.5, state="failed" if number < bad else "complete", kind=kind)
        for at, (kind, number, bad) in enumerate(groups)
    ]
    texts = [each.text for each in judged(rows)["lost"]]
    said = f"kind = a: {lost} of {here} trials diverged or failed ({lost_elsewhere} of {elsewhere} elsewhere)"
    assert texts == ([said] if named else [])


def test_trials_that_repeat_another_are_counted():
    rows = search(20)
    few = {each.number: str(max(1, each.number)) for each in rows}
    many = {each.number: str(max(9, each.number)) for each in rows}
    (remark,) = judged(rows, recipes=few)["duplicates"]
    assert remark.text == "1 of 20 trials repeats another one's recipe and seed"
    copied = [replace(each, repeats=0) if each.number == 1 else each for each in rows]
    (remark,) = judged(copied, recipes=few)["duplicates"]
    assert remark.text.endswith("recipe and seed; 1 took its results without training")
    assert judged(rows, recipes=many)["duplicates"][0].fix


@pytest.mark.parametrize(("sd", "said"), [(0.05, "cannot be distinguished"), (0.0001, "more than seeds explain")])
def test_the_best_ten_are_set_against_the_noise_between_seeds(sd, said):
    (remark,) = judged(search(), noise=Noise(sd, 20, 5, "mine-confirm"))["top"]
    assert said in remark.text
    assert "25 runs in mine-confirm" in remark.text


def test_with_unknown_noise_it_says_how_to_learn_it():
    (remark,) = judged(search())["top"]
    assert "has not been measured" in remark.text
    assert remark.fix == "`study confirm mine --top 10` runs them on fresh seeds."


@pytest.mark.parametrize(
    ("rows", "noise", "fix"),
    [
        (search(), Noise(0.5, 20, 5, "x"), "More trials are unlikely to help"),
        ([row(n, n / 100, lr=0.01) for n in range(40)], Noise(0.001, 20, 5, "x"), "`study run mine --trials 80`"),
        (search(), None, "If that is worth it"),
    ],
)
def test_the_last_doubling_says_whether_more_trials_are_likely_to_help(rows, noise, fix):
    (remark,) = judged(rows, noise=noise)["more trials"]
    assert "the last doubling, from 20 trials to 40, improved the best value by" in remark.text
    assert remark.fix.startswith(fix)


def test_a_few_trials_say_nothing_about_more():
    assert judged(search(19))["more trials"] == []


def test_where_the_last_doubling_brought_nothing_no_more_trials_are_offered():
    (remark,) = judged([row(number, 0.5) for number in range(24)])["more trials"]
    assert remark.fix == "More trials are unlikely to help."


def test_looks_at_the_test_split_are_counted():
    looks = [{"time": 1_795_000_000.0 + n, "command": f"study confirm mine {n}"} for n in range(3)]
    (remark,) = judged([], openings=looks)["test split"]
    assert "looked at 3 times" in remark.text
    assert "study confirm mine 2" in remark.text
    assert judged([], openings=looks[:1])["test split"][0].fix == ""


def test_looks_are_read_from_the_studies_beside_it(made):
    for kind in ("final", "compare"):
        beside = Journal(made.folder.with_name(f"made-{kind}"))
        beside.folder.mkdir()
        beside.record_opening({"time": 1.0, "command": "study x", "study": "made", "recipes": [], "seeds": 1})
    assert len(evidence.read(made).openings) == 2


def test_what_is_left_of_running_trials_is_told_only_while_somebody_runs_them():
    rows = [row(0, 0.5, state="running", epochs=4), row(1, None, state="running", epochs=0)]
    assert judged(rows)["time left"] == []
    said = [each.text for each in judged(rows, coordinator={"pid": 1})["time left"]]
    assert said == [
        "trial 0 is being trained: 6 of 10 epochs left, about 12 s unless it is pruned",
        "trial 1 is being trained: 10 of 10 epochs left unless it is pruned",
    ]


@pytest.mark.parametrize(
    ("finished", "now", "said"),
    [
        (10, 1000.0, "it is running: 10 of 30 trials finished"),
        (20, 1120.0, "it is running: 20 of 30 trials finished, about 2 min left"),
        (30, 1120.0, "it is running: 30 of 30 trials finished"),
    ],
)
def test_what_is_left_of_a_run_is_told_by_the_pace_since_it_began(finished, now, said):
    rows = [row(number, 0.5) for number in range(finished)]
    asked = {"trials": 30, "finished": 10, "since": 1000.0}
    found = judged(rows, coordinator={"pid": 1}, asked=asked, now=now)["time left"]
    assert [each.text for each in found] == [said]
    assert judged(rows, asked=asked, now=now)["time left"] == []


def test_a_paused_trial_is_not_being_trained_and_counts_as_one_that_is_over():
    rows = [row(number, 0.5) for number in range(10)]
    rows += [replace(row(number, 0.5, state="running", epochs=1), paused=True) for number in range(10, 18)]
    rows.append(row(18, 0.5, state="running", epochs=4))
    asked = {"trials": 30, "finished": 5, "paused": 1, "since": 1000.0}
    found = judged(rows, coordinator={"pid": 1}, asked=asked, now=1120.0)["time left"]
    assert [each.text for each in found] == [
        "it is running: 10 of 30 trials finished and 8 paused, about 2 min left",
        "8 trials are paused: each goes on if it comes among the best third; otherwise it counts as pruned at the end",
        "trial 18 is being trained: 6 of 10 epochs left, about 12 s unless it is pruned",
    ]


def test_a_process_that_is_gone_or_elsewhere_runs_nothing(made):
    lock = made.folder / "lock"
    for who, runs in (
        ({"pid": os.getpid(), "host": socket.gethostname()}, True),
        ({"pid": 2**22 + 1, "host": socket.gethostname()}, False),
        ({"pid": os.getpid(), "host": "elsewhere"}, False),
    ):
        lock.write_text(json.dumps(who))
        assert bool(evidence.read(made).coordinator) == runs


def test_where_less_is_better_it_is_the_same_the_other_way_round():
    rows = [replace(each, value=-each.value) for each in search(peak=-0.5)]
    more, less = Metric("score"), Metric("score", "minimize")
    ours = judged(search(peak=-0.5), metric=more, noise=Noise(0.01, 20, 5, "x"))
    theirs = judged(rows, metric=less, noise=Noise(0.01, 20, 5, "x"))
    assert {kind: len(each) for kind, each in ours.items()} == {kind: len(each) for kind, each in theirs.items()}
    assert ours["more trials"] == theirs["more trials"]


def test_a_list_of_recipes_on_several_seeds_is_no_search():
    definition = {name: value for name, value in DEFINITION.items() if name != "sampler"}
    assert not any(judged(search(), definition=definition).values())


def test_two_thousand_trials_are_judged_in_seconds():
    began = time.process_time()
    judged(search(2000), noise=Noise(0.01, 20, 5, "x"))
    assert time.process_time() - began < 5
