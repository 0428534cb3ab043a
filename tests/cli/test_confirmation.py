"""`study confirm` and `study ablate` at the keyboard: tables, JSON, going on after a stop, what is said to nonsense."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

import study as api

STUDY = """
from study import Recipe, Study
def space(trial):
    lr = trial.suggest_float("lr", 0.001, 1.0, log=True)
    return {"lr": lr, "momentum": trial.suggest_float("momentum", 0.1, 0.9)}
study = Study(
    name="small",
    recipe=Recipe(dataset="digits", model="mlp", hidden=(16,), optimizer="sgd", lr=0.01, batch_size=32, epochs=2),
    space=space, variants={"baseline": {}}, final={"val_fraction": 0.0},
)
"""
HERE = ["--executor", "inline"]


@pytest.fixture
def searched(study):
    Path("studies").mkdir()
    Path("studies/small.py").write_text(STUDY)
    few = api.load("small").fix({"train_size": 400})
    api.run(few, 6, pruner="none", executor="inline", track=False)  # MLflow is told of what follows
    return study


@pytest.mark.slow
def test_confirm_says_who_won_what_the_score_is_and_how_much_was_luck(searched, database, request):
    shutil.copy(database, "mlruns/mlflow.db")
    answer = searched("confirm", "small", "--top", 3, "--seeds", 3, *HERE)
    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    assert lines[0] == "small: val_accuracy of the best 3 trials on 3 fresh seeds (accuracies in %)"
    assert sum("  winner  " in line for line in lines) == 1
    assert "Test split, 3 further seeds: accuracy of the winner and of the baseline, 95 % intervals" in lines
    assert any(line.startswith("Gain over the baseline: ") for line in lines)
    assert any(line.startswith("Optimism removed: ") for line in lines)
    recipe = json.loads(Path("mlruns/studies/small-final/trials/00000/recipe.json").read_text())
    assert recipe["train_size"] == 400  # held fixed by the search
    assert recipe["val_fraction"] == 0.0
    with sqlite3.connect("mlruns/mlflow.db") as connection:
        means = connection.execute(
            "SELECT r.name, m.value FROM metrics m JOIN runs r ON r.run_uuid = m.run_uuid WHERE m.key = 'mean'"
        ).fetchall()
    connection.close()
    assert {name.split(" ")[-1] for name, _ in means} >= {"baseline"}

    told = searched("confirm", "small", "--show", "--json").json
    assert told["complete"]
    assert told["contenders"][0]["trial"] == told["winner"]
    assert told["optimism"] == told["search_value"] - told["score"]["mean"]
    told = searched("confirm", "small", "--show", "--top", 2, "--seeds", 4, "--json").json
    assert (len(told["contenders"]), told["seeds"], told["complete"]) == (2, 4, False)

    request.getfixturevalue("untracked")
    ablated = searched("ablate", "small", "--seeds", 2, *HERE)
    assert ablated.code == 0, ablated.err
    assert "The baseline with:" in ablated.out
    assert Path("mlruns/studies/small-ablate/artifacts/ablation.png").exists()
    told = searched("ablate", "small", "--show", "--json").json
    assert {row["side"] for row in told["rows"]} >= {"less", "plus"}
    more = searched("ablate", "small", "--show", "--seeds", 3, "--json").json
    assert (told["seeds"], told["complete"], more["seeds"], more["complete"]) == (2, True, 3, False)
    assert Path("mlruns/studies/small-ablate/artifacts/simplest.json").exists() == (told["simplest"] is not None)
    loose = searched("ablate", "small", "--seeds", 4, "--smallest", 0.99, *HERE)  # any loss is small enough
    assert "the simplest recipe, for `study run --recipe`: " in loose.err
    again = searched("run", "--recipe", "mlruns/studies/small-ablate/artifacts/simplest.json", *HERE)
    assert again.code == 0, again.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("confirm", "smal"), "no study 'smal'. Did you mean 'small'?"),
        (("confirm", "small", "--top", 0), "--top"),
        (("confirm", "small", "--seeds", 1), "--seeds"),
        (("confirm", "small"), "small: no complete trial to confirm. Search first: `study run small`."),
        (("ablate", "small"), "small: no confirmed winner. Confirm first: `study confirm small`."),
    ],
)
def test_what_cannot_be_is_one_line_and_writes_nothing(study, words, message):
    Path("studies").mkdir()
    Path("studies/small.py").write_text(STUDY)
    answer = study(*words)
    assert answer.code == 2
    assert message in answer.err
    assert "Traceback" not in answer.err
    assert not Path("mlruns").exists()
