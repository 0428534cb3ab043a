"""One search, comparison and confirmation: each figure is the same wherever it is shown, and says its split."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import shutil
import sqlite3
from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient

import study
from study.cli import exit_code
from study.formatting import knobs
from study.metric import Ends, Metric
from tests.conftest import leave_mlflow_out

pytestmark = pytest.mark.slow

FILE = '''"""A small study."""

from study import Recipe, Study

study = Study(
    name="small",
    recipe=Recipe(dataset="digits", model="mlp", hidden=(16,), optimizer="adam", lr=0.003, steps=300),
    space=lambda trial: {"lr": trial.suggest_float("lr", 0.001, 0.1, log=True)},
    variants={"baseline": {}, "twin": {}, "single": {"batch_size": 32, "lr": 0.01, "steps": 600}},
    final={"val_fraction": 0.0},
)
'''
FLAGS = ["--executor", "inline", "--device", "cpu"]
VAL, TEST = Metric("val_accuracy"), Metric("test_accuracy")


def typed(*words):
    """Run a command line; give all that it printed, log lines included."""
    out, log = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(log):
        assert exit_code(list(words)) == 0, words
    return out.buffer.getvalue().decode(), log.getvalue()


def answered(*words):
    """Run a command line with `--json` and read its last object."""
    printed, _ = typed(*words, "--json")
    try:
        return json.loads(printed)
    except json.JSONDecodeError:
        return json.loads(printed.splitlines()[-1])


@pytest.fixture(scope="module")
def shown(tmp_path_factory, database):
    """Everything that is shown of the small study."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    home = tmp_path_factory.mktemp("figures")
    (home / "studies").mkdir()
    (home / "mlruns").mkdir()
    (home / "studies" / "small.py").write_text(FILE)
    shutil.copy(database, home / "mlruns" / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("STUDY_CACHE", str(home / "cache"))
        patch.setenv("COLUMNS", "250")
        ran = typed("run", "small", "--trials", "4", "--epochs", "2", "--set", "train_size=300", *FLAGS)
        leave_mlflow_out(patch)  # it is told of the rest at once
        compared = typed("compare", "small", "--seeds", "2", "--target", "0.5", *FLAGS)
        confirmed = typed("confirm", "small", "--top", "2", "--seeds", "2", *FLAGS)
        typed("sync")
        typed("register", "small")
        typed("report", "small", "-o", str(home / "report.md"))
        yield {
            "home": home,
            "run": "".join(ran),
            "compare": compared[0],
            "confirm": confirmed[0],
            "text": {name: typed("show", name)[0] for name in ("small", "small-compare", "small-final")},
            "json": {
                name: answered("show", name) for name in ("small", "small-compare", "small-confirm", "small-final")
            },
            "list": {each["study"]: each for each in answered("list")},
            "comparison": answered("compare", "small", "--show"),
            "confirmation": answered("confirm", "small", "--show"),
            "models": answered("models"),
            "models_text": typed("models")[0],
            "report": (home / "report.md").read_text(),
            "client": MlflowClient(f"sqlite:///{home / 'mlruns' / 'mlflow.db'}"),
        }
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def runs(shown, name):
    """Read a study's runs in MLflow, by their names."""
    client = shown["client"]
    experiment = client.get_experiment_by_name(name)
    return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


def trials(shown, name):
    """Read a study's trials in Optuna's database."""
    return optuna.load_study(study_name=name, storage=f"sqlite:///{shown['home']}/mlruns/optuna.db").trials


MADE = {"small": VAL, "small-compare": TEST, "small-confirm": VAL, "small-final": TEST}


@pytest.mark.parametrize("name", MADE)
def test_every_value_of_a_trial_is_the_same_everywhere_and_names_its_split(shown, name):
    metric, found = MADE[name], shown["json"][name]
    folder = shown["home"] / "mlruns" / "studies" / name
    assert found["metric"] == json.loads((folder / "study.json").read_bytes())["metric"] == metric.name
    assert shown["list"][name]["metric"] == metric.name
    assert shown["list"][name]["best"] == found["best"]["value"]
    in_mlflow, in_optuna = runs(shown, name), trials(shown, name)
    assert in_mlflow[name].data.tags["study.metric"] == metric.name
    assert in_mlflow[name].data.metrics["best_value"] == found["best"]["value"]
    exported = {row["trial"]: row for row in study.export(name, home=shown["home"] / "mlruns").rows}
    for trial in found["trials"]:
        number, value = trial["trial"], trial["value"]
        about = json.loads((folder / "trials" / f"{number:05d}" / "trial.json").read_bytes())
        assert about["metric"] == metric.name
        label = f"{trial['variant']} (trial {number})" if trial["variant"] else f"trial {number}"
        assert in_mlflow[label].data.metrics[metric.name] == value
        assert in_optuna[number].value == exported[number]["value"] == value
        assert json.loads(in_mlflow[label].data.tags["study.overrides"]) == trial["overrides"]
        assert trial["best_value"] is None if metric.of_test else trial["best_value"] >= value
        if name in shown["text"]:
            line = next(each for each in shown["text"][name].splitlines() if each.split()[:1] == [str(number)])
            assert metric.cell(value) in line.split()
            assert knobs(trial["overrides"]) in line
    if name in shown["text"]:
        best = found["best"]
        said = f"Best {metric.name}: {metric.value(best['value'])} by trial {best['trial']}"
        assert said in shown["text"][name]
        assert "train_accuracy:" not in shown["text"][name]


def test_what_is_shown_of_a_trial_is_what_was_trained(shown):
    """`--epochs` replaces a variant's steps: no line of any command tells them."""
    single = next(each for each in shown["json"]["small"]["trials"] if each["variant"] == "single")
    assert single["overrides"] == {"batch_size": 32, "lr": 0.01}
    written = "batch_size=32 lr=0.01"
    assert f"({written})" in shown["run"]
    assert "steps=" not in shown["run"] + shown["text"]["small"] + shown["confirm"]
    contenders = {each["trial"]: each["overrides"] for each in shown["confirmation"]["contenders"]}
    searched = {each["trial"]: each["overrides"] for each in shown["json"]["small"]["trials"]}
    assert contenders.items() <= searched.items()
    winner = shown["confirmation"]["winner"]
    label = knobs(contenders[winner])
    assert label in shown["confirm"]
    assert label in shown["report"]
    about = study.show("small", winner, home=shown["home"] / "mlruns").record()
    assert about.overrides == contenders[winner]
    assert about.recipe["epochs"] == 2
    assert about.recipe["train_size"] == 300


def test_a_comparison_has_the_same_figures_everywhere(shown):
    found = shown["comparison"]
    assert (found["metric"], found["fixed"]) == ("test_accuracy", {"train_size": 300, "epochs": 2})
    in_mlflow, groups = runs(shown, "small-compare"), {}
    for row in found["variants"]:
        line = next(each for each in shown["compare"].splitlines() if each.startswith(row["variant"]))
        group = in_mlflow[row["variant"]].data.metrics
        for key in ("mean", "mean_low", "mean_high", "difference", "difference_low", "difference_high"):
            groups[row["variant"], key] = group.get(key)
            assert group.get(key) == row[key]
        of_trials = [
            each["value"] for each in shown["json"]["small-compare"]["trials"] if each["variant"] == row["variant"]
        ]
        assert row["variant"] == "twin" or sorted(of_trials) == sorted(row["values"])
        for cell in (TEST.cell(row["mean"]), row["says"] or "baseline"):
            assert cell in line
            assert cell in shown["report"]
        if row["verdict"] == "not enough seeds":
            assert f"({row['more_seeds']:,} to {row['more_seeds_most']:,} more needed)" in row["says"]
        if row["difference"] is not None:
            assert TEST.gap(row["difference"]) in line
            assert TEST.gap(row["difference"]) in shown["report"]
        assert row["mean_high"] - row["mean_low"] > 0.01  # two seeds, 360 examples
        assert row["mean_new_low"] < row["mean_low"] < row["mean_high"] < row["mean_new_high"]
        assert (row["failed"], row["failed_high"] > 0.7, group["failed_high"]) == (0, True, row["failed_high"])
        assert group["mean_new_low"] == row["mean_new_low"]
        for text in (shown["compare"], shown["report"]):
            assert TEST.interval(Ends(row["mean_new_low"], row["mean_new_high"])) in text
            if row["difference_new_low"] is not None:
                assert TEST.gaps(Ends(row["difference_new_low"], row["difference_new_high"])) in text
            assert "No training failed: of 2 each, a share of failures below 78 % is possible" in text
    assert (found["examples"], found["look"], found["family"]) == (360, 1, 2)
    soon = found["time_to_target"]
    assert (soon["metric"], soon["target"], soon["budget"], len(soon["variants"])) == ("train_accuracy", 0.5, 2, 3)
    for row in soon["variants"]:
        cells = [f"{row['reached']} of 2", f"{row['mean']:.1f}", row["says"] or "baseline"]
        for text in (shown["compare"], shown["report"]):
            assert all(
                cell in text.partition("Epochs until train_accuracy is 50.00 % or more, of 2;")[2] for cell in cells
            )
    twin = next(each for each in found["variants"] if each["variant"] == "twin")
    assert twin["says"] == "no difference: the same recipe"


def test_a_confirmed_score_is_the_same_everywhere(shown):
    found = shown["confirmation"]
    assert (found["metric"], found["score_metric"]) == ("val_accuracy", "test_accuracy")
    (version,) = shown["models"]
    score, tags = found["score"], registry_tags(shown)
    assert version["score"] == score["mean"] == float(tags["study.score"])
    assert version["low"] == score["mean_low"] == float(tags["study.score_low"])
    card = registry_card(shown)
    assert version["new_low"] == score["mean_new_low"] == float(tags["study.score_new_low"])
    assert score["mean_new_low"] < score["mean_low"]
    assert version["new_high"] == score["mean_new_high"] == float(tags["study.score_new_high"])
    assert (version["failed"], version["failed_high"]) == (score["failed"], score["failed_high"])
    on_new = TEST.interval(Ends(score["mean_new_low"], score["mean_new_high"]))
    for text in (shown["confirm"], shown["report"], card, shown["models_text"]):
        assert on_new in text
    for text in (shown["confirm"], shown["report"]):
        assert f"{TEST.gaps(Ends(found['gain_new_low'], found['gain_new_high']))} on new examples" in text
    for text in (shown["confirm"], shown["report"], card):
        assert TEST.cell(score["mean"]) in text
        assert TEST.cell(max(score["mean_low"], 0.0)) in text
        assert TEST.cell(found["search_value"]) in text
    for value in (found["gain"], found["optimism"]):
        assert TEST.gap(value) in shown["confirm"]
        assert TEST.gap(value) in shown["report"]
    spread = found["score_spread"]  # each seed had its own split
    sizes = f"{TEST.size(spread['split'])} between splits, {TEST.size(spread['seed'])} between trainings on one split"
    for text in (shown["confirm"], shown["report"]):
        assert sizes in text
    groups = runs(shown, "small-final")
    assert groups[score["name"].replace(" ", "-")].data.metrics["mean"] == score["mean"]
    finals = [each["value"] for each in shown["json"]["small-final"]["trials"]]
    assert set(score["values"]) <= set(finals)
    assert knobs(next(e["overrides"] for e in found["contenders"] if e["trial"] == found["winner"])) in card


def registry_tags(shown):
    """Read the tags of the registered version."""
    return shown["client"].get_model_version("small", "1").tags


def registry_card(shown):
    """Read the card of the registered version, as MLflow's database has it."""
    with contextlib.closing(sqlite3.connect(shown["home"] / "mlruns" / "mlflow.db")) as connection:
        (card,) = connection.execute("SELECT description FROM model_versions").fetchone()
    return card


def test_a_comparison_with_other_settings_is_never_shown_beside_the_search(tmp_path, monkeypatch, untracked):
    monkeypatch.setenv("COLUMNS", "250")
    (tmp_path / "work" / "studies").mkdir()
    (tmp_path / "work" / "studies" / "small.py").write_text(FILE)
    typed("run", "small", "--trials", "3", "--epochs", "1", "--set", "train_size=300", *FLAGS)
    _, log = typed("compare", "small", "--seeds", "2", "--set", "train_size=200", *FLAGS)
    assert "the search had other settings: here train_size=200" in log
    assert answered("compare", "small", "--show")["fixed"] == {"train_size": 200, "epochs": 1}
    typed("report", "small", "-o", "report.md")
    report = Path("report.md").read_text()
    assert "trained with other settings than the search" in report
    assert "train_size=200" in report
    for row in answered("compare", "small", "--show")["variants"]:
        assert TEST.value(row["mean"]) not in report


def test_a_second_look_at_picked_variants_is_told_everywhere(tmp_path, monkeypatch, untracked):
    monkeypatch.setenv("COLUMNS", "250")
    (tmp_path / "work" / "studies").mkdir()
    (tmp_path / "work" / "studies" / "small.py").write_text(FILE.replace('"twin": {}', '"twin": {"hidden": (8,)}'))
    typed("run", "small", "--trials", "3", "--epochs", "1", "--set", "train_size=300", *FLAGS)
    typed("compare", "small", "--seeds", "2", *FLAGS)
    said, _ = typed("compare", "small", "--variants", "single", "--seeds", "3", *FLAGS)
    found = answered("compare", "small", "--show")
    assert (found["look"], found["family"]) == (2, 2)
    typed("report", "small", "-o", "report.md")
    (row,) = [each for each in found["variants"] if each["variant"] == "single"]
    for text in (said, Path("report.md").read_text()):
        assert "Look 2 at these variants: judged by the sequential test, which holds at any time." in text
        assert "1 other recipe had been looked at before: all 2 share the error." in text
        assert row["says"] in text
