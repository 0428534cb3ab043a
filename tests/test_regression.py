"""Regression: numbers are predicted, by tables and images, through the whole path; as well as scikit-learn does."""

from __future__ import annotations

import io
import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn import metrics
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from study import Recipe, Study
from study.data import packed
from study.engine import train
from study.engine.data import open_test
from study.engine.train import assemble, judge
from study.errors import RecipeError, StudyFileError

FILE = '''"""Which loss and rate predict the progression of diabetes best?"""
from study import Recipe, Study

study = Study(
    name="progression",
    recipe=Recipe(dataset="diabetes", model="mlp", hidden=(16,), loss="mse", lr=0.01, epochs=3, batch_size=32),
    space=lambda trial: {"lr": trial.suggest_float("lr", 1e-3, 1e-1, log=True)},
    variants={"baseline": {"lr": 1e-4}, "mae": {"loss": "mae"}, "huber": {"loss": "huber", "huber_delta": 0.5}},
)
'''


@pytest.fixture
def inline(monkeypatch, database):
    monkeypatch.setenv("STUDY_EXECUTOR", "inline")
    Path("studies").mkdir()
    Path("mlruns").mkdir()
    shutil.copy(database, "mlruns/mlflow.db")


def last_epoch(recipe, *, test=False):
    training = train(recipe, test=test)
    while True:
        try:
            epoch = next(training)
        except StopIteration as ended:
            return epoch.metrics, ended.value


@pytest.mark.slow
def test_the_whole_path_from_a_search_to_a_prediction(inline, untracked, study, tmp_path):
    Path("studies/progression.py").write_text(FILE)
    for command in (
        "check progression", "run progression --trials 4", "compare progression --seeds 2 --against baseline",
        "confirm progression --top 1 --seeds 2", "ablate progression --seeds 2", "report progression",
    ):  # fmt: skip
        answer = study(*command.split())
        assert answer.code == 0, f"{command}\n{answer.out}\n{answer.err}"
    shown = study("show", "progression", "--format", "json").json
    assert (shown["metric"], shown["direction"]) == ("val_rmse", "minimize")
    values = [each["value"] for each in shown["trials"]]
    assert shown["best"]["value"] == min(values)
    assert all(20 < value < 200 for value in values)  # in the unit of the data: the standard deviation is 77
    page = Path("mlruns/studies/progression/artifacts/report.md").read_text()
    assert "Errors by the number to predict" in page
    for first in ("--trial 0", ""):
        assert study(*f"register progression --name p {first}".split()).code == 0
    assert study(*["promote", "p", "1"]).code == 0
    promoted = study(*["promote", "p", "2", "--json"])
    assert promoted.code == 0, promoted.err
    errors = promoted.json["errors"]
    assert (promoted.json["test"], errors["examples"]) == (None, 89)
    assert errors["measure"] == "rmse"
    scores = {each["version"]: each["own_score"] for each in study("models", "p", "--json").json}
    assert errors["error"] == pytest.approx(scores[2], rel=1e-5)  # what its training saw of the test split
    assert errors["high"] < 0 < errors["margin"] < errors["error"] < errors["champion_error"] < 200
    back = study(*["promote", "p", "1"])
    assert back.code == 1
    assert "is worse than the champion, version 2: of 89 test examples: root mean squared error" in back.err
    assert study(*["promote", "p", "1", "--margin", "1000"]).code == 0
    assert study(*["promote", "p", "2", "--margin", "1"]).code == 0
    frame = load_diabetes(as_frame=True).frame
    frame.drop(columns="target").head(20).to_csv("rows.csv", index=False)
    found = study("predict", "p", "rows.csv", "--csv")
    predictions = pd.read_csv(io.StringIO(found.out))
    assert list(predictions.columns) == ["example", "prediction"]
    assert np.corrcoef(predictions["prediction"], frame["target"][:20])[0, 1] > 0.5
    assert "Prediction" in study(*["predict", "p", "rows.csv"]).out


def test_metrics_are_scikit_learns_in_the_unit_of_the_data():
    recipe = Recipe(dataset="diabetes", model="mlp", hidden=(16,), loss="huber", lr=0.01, epochs=4)
    found, report = last_epoch(recipe, test=True)
    parts = assemble(recipe, "cpu")
    training = train(recipe)
    *_, epoch = training
    parts.model.load_state_dict(epoch.state()["model"])
    arrays = packed.read(packed.find("diabetes"))
    for split, evaluation in (
        (arrays["train_y"][parts.data.val.rows], judge(parts, 4, parts.data.val)),
        (arrays["test_y"], judge(parts, 4, open_test(recipe, "cpu"))),
    ):
        np.testing.assert_allclose(evaluation.targets, split, rtol=1e-12)
        predicted = evaluation.predictions.numpy()
        assert evaluation.scores["rmse"] == pytest.approx(metrics.root_mean_squared_error(split, predicted))
        assert evaluation.scores["mae"] == pytest.approx(metrics.mean_absolute_error(split, predicted))
        assert evaluation.scores["r2"] == pytest.approx(metrics.r2_score(split, predicted))
    assert set(found) == {f"{split}_{name}" for split in ("train", "val") for name in ("loss", "rmse", "mae", "r2")} | {
        "lr"
    }
    assert report["rmse"] == found["val_rmse"]
    assert report["test"]["rmse"] == evaluation.scores["rmse"]
    assert sum(each["examples"] for each in report["errors"]) == len(parts.data.val)


def made_table(n=800):
    """Friedman's first function (1991, Multivariate Adaptive Regression Splines): smooth, with noise."""
    random = np.random.default_rng(0)
    x = random.uniform(size=(n, 6)).astype(np.float32)
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    return x, (1e4 + 50 * (y + random.normal(size=n))).astype(np.float64)


@pytest.mark.parametrize("name", ["diabetes", "friedman"])
def test_it_is_as_good_as_scikit_learns_within_the_noise_of_seeds(name):
    """The same network, optimizer, batches and epochs; the mean of three seeds, 3 standard errors apart at most."""
    if name == "friedman":
        x, y = made_table()
        packed.write(
            "friedman", {"train_x": x[:600], "train_y": y[:600], "test_x": x[600:], "test_y": y[600:]}, kind="table",
            classes=(), source="made", imported=True, columns=[f"x{n}" for n in range(6)], task="regression",
        )  # fmt: skip
    ours, theirs = [], []
    for seed in range(3):
        recipe = Recipe(
            dataset=name, model="mlp", hidden=(32,), loss="mse", lr=3e-3, epochs=40, batch_size=32, seed=seed,
            val_fraction=0,
        )  # fmt: skip
        ours.append(last_epoch(recipe, test=True)[1]["test"]["rmse"])
        arrays = packed.read(packed.find(name))
        mean, sd = arrays["train_x"].mean(0), arrays["train_x"].std(0)
        middle, spread = arrays["train_y"].mean(), arrays["train_y"].std()
        other = MLPRegressor(
            hidden_layer_sizes=(32,), alpha=0, batch_size=32, learning_rate_init=3e-3, max_iter=40, random_state=seed
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            other.fit((arrays["train_x"] - mean) / sd, (arrays["train_y"] - middle) / spread)
        predicted = other.predict((arrays["test_x"] - mean) / sd) * spread + middle
        theirs.append(metrics.root_mean_squared_error(arrays["test_y"], predicted))
    error = np.sqrt((np.var(ours, ddof=1) + np.var(theirs, ddof=1)) / 3)
    assert np.mean(ours) < np.mean(theirs) + 3 * error, (ours, theirs)
    assert np.mean(ours) < 0.8 * arrays["test_y"].std()


def test_numbers_are_standardised_by_the_training_rows_alone():
    recipe = Recipe(dataset="diabetes", model="logistic", loss="mse", train_size=100)
    data = assemble(recipe, "cpu").data
    y = packed.read(packed.find("diabetes"))["train_y"]
    rows = data.train.rows.numpy()
    assert (data.scale.mean, data.scale.deviation) == pytest.approx((y[rows].mean(), y[rows].std()))
    assert data.train.y[data.train.rows].mean().item() == pytest.approx(0, abs=1e-9)
    assert abs(data.val.y[data.val.rows].mean().item()) > 1e-3


def test_the_label_s_values_tell_the_task_and_whole_numbers_must_be_told(study, inline):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"a": random.normal(size=200), "b": random.normal(size=200)})
    frame["price"] = [f"{value:.2f}".replace(".", ",") for value in 1000 + 100 * frame["a"]]
    frame["count"] = np.rint(1000 + 100 * frame["a"]).astype(int)
    frame.to_csv("t.csv", index=False, sep=";")
    answer = study(*["data", "import", "fractions", "t.csv", "--label", "price", "--drop", "count"])
    assert answer.code == 0, answer.err
    assert "price holds fractions: it is predicted as a number" in answer.err
    assert "a number to predict" in answer.out
    pack = packed.find("fractions")
    assert (pack.task, pack.classes, pack.train, pack.test) == ("regression", (), 160, 40)
    both = np.concatenate(list(map(packed.read(pack).get, ("train_y", "test_y"))))
    np.testing.assert_allclose(np.sort(both), np.sort(frame["price"].str.replace(",", ".").astype(float)))
    frame.drop(columns="price").to_csv("w.csv", index=False)
    refused = study(*["data", "import", "whole", "w.csv", "--label", "count"])
    assert refused.code == 2
    assert "--task regression predicts the number, --task classification takes each for a class" in refused.err
    whole = "data import whole w.csv --label count --task"
    assert study(*whole.split(), "regression").code == 0
    assert packed.find("whole").task == "regression"
    assert study(*whole.split(), "size").code == 2


def test_images_are_given_numbers_by_a_table_or_arrays(study, inline):
    random = np.random.default_rng(0)
    Path("pictures").mkdir()
    lines = ["file,brightness"]
    for number in range(60):
        level = int(random.integers(0, 256))
        Image.fromarray(np.full((8, 8), level, np.uint8)).save(f"pictures/{number}.png")
        lines.append(f"{number}.png,{level / 8:.3f}")
    Path("pictures/list.csv").write_text("\n".join(lines))
    assert study(*["data", "import", "bright", "pictures/list.csv", "--label", "brightness"]).code == 0
    pixels = random.integers(0, 256, (40, 8, 8), dtype=np.uint8)
    np.savez("arrays.npz", x=pixels, y=pixels.mean((1, 2)) / 7)
    assert study(*["data", "import", "means", "arrays.npz"]).code == 0
    for name in ("bright", "means"):
        pack = packed.find(name)
        assert (pack.kind, pack.task) == ("image", "regression")
    recipe = Recipe(dataset="bright", model="mlp", hidden=(8,), loss="mse", lr=0.01, epochs=30, batch_size=8)
    found, _ = last_epoch(recipe)
    assert found["val_r2"] > 0.9


def test_what_does_not_go_together_is_said_before_anything_is_trained():
    with pytest.raises(RecipeError, match=r"loss=cross_entropy does not fit a data set whose examples have numbers"):
        assemble(Recipe(dataset="diabetes", model="logistic"), "cpu")
    with pytest.raises(RecipeError, match=r"loss=mse does not fit a data set whose examples have classes"):
        assemble(Recipe(dataset="iris", model="logistic", loss="mse"), "cpu")
    recipe = Recipe(dataset="diabetes", model="logistic", loss="mse")
    assert (Study(name="s", recipe=recipe).metric, Study(name="s", recipe=recipe).direction) == ("val_rmse", "minimize")
    assert Study(name="s", recipe=recipe, metric="val_r2").direction == "maximize"
    with pytest.raises(StudyFileError, match=r"val_rmse is better where it is lower"):
        Study(name="s", recipe=recipe, direction="maximize").check()
    with pytest.raises(StudyFileError, match=r"no metric 'val_accuracy'"):
        Study(name="s", recipe=recipe, metric="val_accuracy").check()


def test_a_loss_of_one_s_own_is_given_numbers_of_one_shape(tmp_path):
    path = tmp_path / "quantile.py"
    path.write_text(
        "def pinball(predictions, targets, share=0.9):\n"
        "    assert predictions.shape == targets.shape\n"
        "    gap = targets - predictions\n"
        "    return (gap * share).maximum(gap * (share - 1))\n"
    )
    recipe = Recipe(
        dataset="diabetes", model="mlp", loss=f"{path}:pinball", loss_args={"share": 0.9}, epochs=30, lr=0.01
    )
    *_, epoch = train(recipe)
    parts = assemble(recipe, "cpu")
    parts.model.load_state_dict(epoch.state()["model"])
    with torch.inference_mode():
        seen = judge(parts, 30, parts.data.train)
    assert 0.8 < (seen.targets < seen.predictions).double().mean() <= 0.99
