"""`study compare` at the keyboard: table, JSON, CSV, pictures, MLflow's runs of variants; nonsense is one line."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sqlite3
from functools import partial
from pathlib import Path

import pytest

STUDY = """
from study import Published, Recipe, Study
study = Study(
    name="tricks",
    recipe=Recipe(
        dataset="digits", model="mlp", hidden=(16,), optimizer="sgd", lr=0.1, batch_size=32, train_size=600, epochs=5
    ),
    variants={"baseline": {}, "same": {}, "softmax": {"activation": "softmax"}},
    published={"softmax": Published(value=0.99, source="nowhere")},
)
"""
FLAGS = ["--executor", "inline", "--seeds", "5"]


@pytest.fixture
def compare(study):
    Path("studies").mkdir()
    Path("studies/tricks.py").write_text(STUDY)
    return partial(study, "compare", "tricks")


@pytest.mark.slow
def test_the_table_says_mean_difference_published_figure_and_verdict(compare, database):
    Path("mlruns").mkdir()
    shutil.copy(database, "mlruns/mlflow.db")
    code, out, _ = compare(*FLAGS)
    assert code == 0
    lines = {line.split()[0]: line for line in reversed(out.splitlines()) if line}  # the first table's
    assert lines["baseline"].rstrip().endswith("baseline")
    assert lines["same"].rstrip().endswith("no difference: the same recipe")
    assert "99.00 !" in lines["softmax"]
    assert lines["softmax"].rstrip().endswith("hurts")

    folder = Path("mlruns/studies/tricks-compare/artifacts")
    assert {path.name for path in folder.iterdir()} == {
        "forest.svg", "forest.png", "curves.svg", "curves.png", "cost.svg", "cost.png", "comparison.csv",
    }  # fmt: skip
    with sqlite3.connect("mlruns/mlflow.db") as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM runs")]
        means = connection.execute(
            "SELECT r.name, m.value FROM metrics m JOIN runs r ON r.run_uuid = m.run_uuid WHERE m.key = 'mean'"
        ).fetchall()
    connection.close()
    assert sorted(names)[:2] == ["baseline", "baseline (trial 0)"]
    code, out, _ = compare(*FLAGS, "--json")
    assert code == 0
    comparison = json.loads(out.splitlines()[-1])
    assert comparison["type"] == "comparison"
    assert dict(means) == {row["variant"]: row["mean"] for row in comparison["variants"]}

    pictures = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    code, out, err = compare("--csv", "--show")  # of what was asked last: five seeds
    assert (err, {path: path.stat().st_mtime_ns for path in folder.iterdir()}) == ("", pictures)
    rows = {row["variant"]: row for row in csv.DictReader(io.StringIO(out))}
    assert rows["softmax"]["verdict"] == "hurts"
    assert len(rows["baseline"]["values"].split()) == 5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seeds", "1"], "--seeds"),
        (["--variants", "x"], "has no variant 'x'"),
        (["--against", "x"], "has no variant 'x'"),
        (["--smallest", "inf"], "--smallest must be a number, 0 or more, not inf"),
        (["--target", "nan"], "--target must be a number, not nan"),
        (["--smallest", "5"], "An accuracy lies between 0 and 1: 5 points are --smallest 0.05"),
        (["--json", "--csv"], "--json and --csv exclude each other. Give one of them."),
        (["--set", "lrr=1"], "Did you mean 'lr'"),
        (["--show", "--set", "lr=1"], "--set and --epochs change nothing beside --show"),
        (["--show"], "tricks has not been compared yet. Run `study compare tricks`."),
    ],
)
def test_nonsense_is_one_line_and_writes_nothing(compare, words, message):
    answer = compare(*words)
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.complaint
    assert answer.complaint.count("\n") == 1
    assert not Path("mlruns").exists()


def test_published_figures_are_not_judged_of_other_settings_and_not_shown_of_other_data(compare, untracked):
    few = ["--executor", "inline", "--seeds", "2", "--variants", "softmax"]
    code, out, _ = compare(*few, "--set", "lr=0.02")
    assert code == 0
    assert " 99.00 " in out
    assert "99.00 !" not in out
    assert "The published values are of other settings: here lr=0.02" in out
    assert "lr=0.02" in compare("--show")[1]
    code, out, _ = compare("--show", "--seeds", "5")  # of all variants, two of which have not run
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[2:5]] == ["baseline", "same", "softmax"]
    code, out, _ = compare(*few, "--data", "breast_cancer", "--set", "train_size=300")
    assert code == 0
    assert "99.00" not in out


def test_what_was_compared_is_shown_without_the_data_and_from_those_that_stood_in(compare, untracked, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")  # nothing listens there
    file = Path("studies/tricks.py")
    file.write_text(
        file.read_text().replace('dataset="digits"', 'dataset="cifar10"').replace(")}", ")}, fallback='digits'")
    )
    code, out, err = compare("--executor", "inline", "--seeds", "2")
    assert code == 0
    assert "NOT CIFAR10" in err
    assert out.startswith("tricks@digits: ")
    assert compare("--show") == (0, out, "")


@pytest.mark.parametrize("metric", ["", ', metric="val_loss", direction="minimize"'])
def test_what_became_of_diverged_trainings_is_said(compare, untracked, metric):
    file = Path("studies/tricks.py")
    diverging = file.read_text().replace('{"activation": "softmax"}', '{"lr": 1e30}')
    file.write_text(diverging.replace('name="tricks"', f'name="tricks"{metric}'))
    _, out, _ = compare("--executor", "inline", "--seeds", "2", "--variants", "softmax")
    assert "Failed: baseline 0 of 2 (below 78 %), softmax 2 of 2. All figures are of the completed trainings." in out


TABLES = """
from study import Recipe, Study
study = Study(
    name="tables",
    recipe=Recipe(dataset="wine", model="mlp", hidden=(16,), epochs=3, lr=0.01, optimizer="adam", val_fraction=0.2),
    variants={"baseline": {}, "slow": {"lr": 1e-5}, "two": {"loss": "bce"}},
)
"""


def test_several_data_sets_have_one_verdict(study, untracked):
    Path("studies").mkdir()
    Path("studies/tables.py").write_text(TABLES)
    asked = ("compare", "tables", "--data", "iris, wine", "--variants", "slow")
    flags = ("--executor", "inline", "--seeds", "4")
    code, out, _ = study(*asked, *flags)
    assert code == 0
    verdict = out[out.index("tables on average over 2 data sets, each counting once (iris, wine)") :].splitlines()
    (slow,) = [line for line in verdict if line.startswith("slow")]
    assert "0 of 2" in slow
    assert slow.endswith("hurts")
    code, out, _ = study(*asked, "--show", "--json")
    found = json.loads(out.splitlines()[-1])
    assert (code, found["type"], found["data"]) == (0, "several data sets", ["iris", "wine"])
    assert [each["study"] for each in found["comparisons"]] == ["tables@iris", "tables"]
    of_each = [each["variants"][1]["difference"] for each in found["comparisons"]]
    assert found["variants"][1]["difference"] == pytest.approx(sum(of_each) / 2)
    assert found["variants"][1]["p_others"] is None
    code, out, _ = study(*asked, "--show", "--csv")
    assert [row["variant"] for row in csv.DictReader(io.StringIO(out))] == ["baseline", "slow"]
    code, out, _ = study(*asked, *flags)  # once more: nothing is trained again
    assert code == 0
    assert len(list(Path("mlruns/studies/tables-compare/trials").iterdir())) == 8


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--data", "wine,iris"], "--data wine: loss=bce is for two classes"),
        (["--data", "wine,iris", "--until-sure"], "--until-sure ends at another seed on each data set"),
        (["--data", "wine,nowhere"], "nowhere"),
        (["--data", "wine,iris", "--show"], "has not been compared yet"),
    ],
)
def test_what_does_not_fit_several_data_sets_is_said_before_anything_is_trained(study, flags, words):
    Path("studies").mkdir()
    Path("studies/tables.py").write_text(TABLES)
    code, _, err = study("compare", "tables", "--executor", "inline", *flags)
    assert code == 2
    assert words in err
    assert not list(Path().glob("mlruns/studies/*/trials/*"))
