"""A network carried away gives the bits of the training's own evaluation, and needs nothing of this package."""

from __future__ import annotations

import ast
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from study.data import encoding, packed
from study.data.dialects import Reading
from study.data.tables import import_table
from study.engine import checkpoint, data, models, serving, train
from study.engine.evaluate import evaluate
from study.engine.export import CARRIED, describe, export, raw, raw_columns
from study.engine.losses import loss_of
from study.engine.sources import ensure
from study.engine.train import assemble, isolated_rng, judging
from study.errors import StudyError
from study.recipe import Recipe

RECIPES = {
    "mlp": {"model": "mlp", "hidden": (16, 8), "normalize": True},
    "batch norm and dropout": {"model": "mlp", "hidden": (16,), "batch_norm": True, "dropout_dense": 0.3},
    "logistic": {"model": "logistic", "pixel_range": "symmetric"},
    "cnn2, scaled up": {"model": "cnn2", "dropout_dense": 0.2},
    "cnn3, scaled up": {"model": "cnn3", "dropout_conv": 0.2, "batch_norm": True},
    "gelu": {"model": "cnn2", "activation": "gelu"},
    "bfloat16": {"model": "cnn2", "precision": "bfloat16"},
    "float64": {"model": "mlp", "precision": "float64"},
    "dropout at test": {"model": "mlp", "dropout_dense": 0.5, "dropout_at_test": True},
    "table": {"dataset": "breast_cancer", "model": "mlp", "hidden": (16,)},
    "binary": {"dataset": "breast_cancer", "model": "mlp", "hidden": (16,), "loss": "bce"},
    "torchvision": {"model": "torchvision:squeezenet1_1", "train_size": 64},
}


def trained(recipe, folder):
    """Train, and keep the last epoch's weights; give their file and the report over the test split."""
    training = train(recipe, test=True)
    while True:
        try:
            weights = next(training).state()["model"]
        except StopIteration as end:
            checkpoint.save_weights(folder / "last.safetensors", weights, {})
            return folder / "last.safetensors", end.value["test"]


def logits_of_evaluation(recipe, weights):
    """The outputs that the training's own evaluation sees over the test split."""
    parts, seen = assemble(recipe, "cpu"), []
    parts.model.load_state_dict(load_file(weights))
    parts.model.eval()

    def forward(inputs):
        seen.append(parts.forward(inputs))
        return seen[-1]

    seed = judging(parts)["dropout_seed"]
    with isolated_rng("cpu"):
        if seed is not None:
            torch.manual_seed(seed)
            models.keep_dropout_on(parts.model)
        evaluate(forward, parts.prepare, loss_of(recipe, training=False), data.open_test(recipe, "cpu"))
    return torch.cat(seen)


@pytest.mark.parametrize("knobs", RECIPES.values(), ids=RECIPES)
def test_it_gives_the_bits_of_the_trainings_evaluation(knobs, tmp_path):
    recipe = Recipe(**{"dataset": "digits", "epochs": 2, "train_size": 200, **knobs})
    weights, report = trained(recipe, tmp_path)
    exported = export(recipe, weights, tmp_path)
    pack = ensure(recipe.dataset)
    arrays = packed.read(pack)
    served = serving.Served(exported.data)
    examples = raw(pack, arrays["train_x"], arrays["test_x"])
    torch.set_num_threads(2)  # of whoever serves it
    assert torch.equal(served.logits(served.examples(examples)), logits_of_evaluation(recipe, weights))
    assert torch.get_num_threads() == 2
    found = served.predict(examples)
    true = [pack.classes[number] for number in arrays["test_y"]]
    assert (found["label"] == true).mean() == pytest.approx(report["accuracy"], abs=1e-12)
    shares = found.drop(columns="label")
    assert list(shares) == [f"probability_{name}" for name in pack.classes]
    assert np.allclose(shares.sum(axis=1), 1)
    assert (shares.idxmax(axis=1).str.removeprefix("probability_") == found["label"]).all()


@pytest.mark.parametrize("activation", models.ACTIVATIONS)
def test_every_activation_can_be_described_and_built_again(activation):
    recipe = Recipe(dataset="digits", model="mlp", activation=activation, hidden=(4,), batch_norm=True)
    torch.manual_seed(0)
    network = models.build(recipe, (1, 8, 8), 10).eval()
    again = serving.build(describe(network)).eval()
    again.load_state_dict(network.state_dict())
    assert repr(again) == repr(network)
    x = torch.randn(3, 1, 8, 8)
    assert torch.equal(again(x), network(x))


def test_what_is_carried_away_imports_nothing_else_of_the_package():
    allowed = {"study.engine", *(f"study.engine.{name}" for name in CARRIED)}
    for name in CARRIED:
        tree = ast.parse(Path(serving.__file__).with_name(f"{name}.py").read_text())
        froms = {node.module: {each.name for each in node.names} for node in ast.walk(tree)
                 if isinstance(node, ast.ImportFrom) and node.module.startswith("study")}  # fmt: skip
        assert set(froms) <= allowed
        assert froms.get("study.engine", set()) <= set(CARRIED)
        assert not any(each.name.startswith("study") for node in ast.walk(tree) if isinstance(node, ast.Import)
                       for each in node.names)  # fmt: skip


def test_a_persons_own_file_is_carried_along_and_its_package_is_asked_for(tmp_path, monkeypatch):
    text = (
        "from torch import nn\n\ndef net(input_shape, num_classes, hidden):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, hidden[0]), nn.Linear(hidden[0], num_classes))\n"
    )
    (tmp_path / "nets_of_mine.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    for model, own in ((f"{tmp_path}/nets_of_mine.py:net", ".py"), ("nets_of_mine:net", "nets_of_mine")):
        recipe = Recipe(dataset="digits", model=model, hidden=(8,), epochs=1)
        folder = tmp_path / own.strip(".")
        folder.mkdir()
        exported = export(recipe, trained(recipe, folder)[0], folder)
        assert exported.own == model
        assert (exported.code / "own.py").exists() == (own == ".py")


def test_an_activation_of_ones_own_is_taken_from_its_package_and_refused_from_a_file(tmp_path, monkeypatch):
    text = (
        "import torch\n\nclass Snake(torch.nn.Module):\n    def __init__(self, frequency):\n"
        "        super().__init__()\n        self.frequency = frequency\n\n"
        "    def forward(self, inputs):\n        return inputs + (self.frequency * inputs).sin()\n"
    )
    (tmp_path / "snakes_of_mine.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    mlp = {"dataset": "digits", "model": "mlp", "epochs": 1, "activation_args": {"frequency": 2.0}}
    recipe = Recipe(**mlp, activation="snakes_of_mine:Snake")
    weights = trained(recipe, tmp_path)[0]
    exported = export(recipe, weights, tmp_path)
    arrays = packed.read(ensure("digits"))
    served = serving.Served(exported.data)
    examples = served.examples(raw(ensure("digits"), arrays["train_x"], arrays["test_x"]))
    assert torch.equal(served.logits(examples), logits_of_evaluation(recipe, weights))
    (tmp_path / "again").mkdir()
    with pytest.raises(StudyError, match="cannot carry the layer Snake"):
        export(Recipe(**mlp, activation=f"{tmp_path}/snakes_of_mine.py:Snake"), weights, tmp_path / "again")


def test_weights_of_another_network_are_refused(tmp_path):
    recipe = Recipe(dataset="digits", model="mlp", epochs=1)
    weights, _ = trained(recipe, tmp_path)
    with pytest.raises(StudyError, match="do not fit"):
        export(Recipe(dataset="digits", model="mlp", hidden=(7,)), weights, tmp_path)


TABLE = """age,colour,smokes,label
31,red,true,yes
40,blue,false,no
,red,true,no
22,,false,yes
57,green,true,no
19,blue,true,yes
33,red,false,no
61,green,true,yes
28,blue,false,no
45,red,true,yes
"""


def test_a_tables_raw_rows_are_encoded_as_at_the_import(tmp_path):
    file = tmp_path / "people.csv"
    file.write_text(TABLE)
    pack = import_table("people", file, "label", test=file)
    arrays = packed.read(pack)
    assert raw_columns(pack, arrays["train_x"]) == [
        {"name": "age"}, {"name": "colour", "categories": ["blue", "green", "red"]}, {"name": "smokes"},
    ]  # fmt: skip
    recipe = Recipe(dataset="people", model="mlp", hidden=(4,), epochs=1, batch_size=4, val_fraction=0)
    weights, _ = trained(recipe, tmp_path)
    served = serving.Served(export(recipe, weights, tmp_path).data)
    frame = pd.read_csv(file)
    np.testing.assert_array_equal(served.examples(frame).numpy(), arrays["test_x"])
    again = raw(pack, arrays["train_x"], arrays["test_x"])
    np.testing.assert_array_equal(served.examples(again).numpy(), arrays["test_x"])
    assert list(served.predict(frame.assign(colour="violet")).columns) == ["label", "probability_no", "probability_yes"]
    assert served.predict(frame.iloc[:0]).empty


@pytest.mark.parametrize("number", [int, float])
def test_a_category_of_numbers_is_found_in_rows_of_whole_numbers_and_of_floats(tmp_path, number):
    frame = pd.DataFrame({"zip": [53111, 53113, 89073] * 8, "x": range(24), "label": ["no", "yes"] * 12})
    frame.to_parquet(tmp_path / "t.parquet")
    pack = import_table("zips", tmp_path / "t.parquet", "label", reading=Reading(category=("zip",)))
    assert pack.columns == ("zip=53111", "zip=53113", "zip=89073", "x")
    recipe = Recipe(dataset="zips", model="logistic", epochs=1, batch_size=4, val_fraction=0)
    served = serving.Served(export(recipe, trained(recipe, tmp_path)[0], tmp_path).data)
    rows = pd.DataFrame({"zip": [number(53113), None, number(53111)], "x": 0}, dtype=object if number is int else None)
    assert served.examples(rows)[:, :3].tolist() == [[0, 1, 0], [0, 0, 0], [1, 0, 0]]


@pytest.mark.parametrize(("base", "step"), [(1_700_000_000_000, 137), (1_700_000_000_000_000_000, 1)])
def test_what_the_import_subtracted_is_subtracted_when_served(tmp_path, base, step):
    file = tmp_path / "events.csv"
    frame = pd.DataFrame({"at": base + step * np.arange(40), "x": range(40), "label": ["no", "yes"] * 20})
    frame.to_csv(file, index=False)
    arrays = packed.read(pack := import_table("events", file, "label", test=file))
    recipe = Recipe(dataset="events", model="mlp", hidden=(4,), epochs=1, batch_size=4, val_fraction=0)
    weights, _ = trained(recipe, tmp_path)
    served = serving.Served(export(recipe, weights, tmp_path).data)
    np.testing.assert_array_equal(served.examples(pd.read_csv(file)).numpy(), arrays["test_x"])
    again = raw(pack, arrays["train_x"], arrays["test_x"])
    assert again["at"].tolist() == frame["at"].tolist()
    np.testing.assert_array_equal(served.examples(again).numpy(), arrays["test_x"])


ODD_NAMES = pd.DataFrame({
    "city=Bonn": [1, 0, 0, 1] * 6, "city=Ulm": [0, 1, 0, 0] * 6, "a=b": ["x=y", "z", None, "z"] * 6,
    "label": ["no", "yes"] * 12,
})  # fmt: skip


@pytest.mark.parametrize("coded", [0, 32])
def test_columns_with_an_equals_sign_in_their_names_keep_them(tmp_path, monkeypatch, coded):
    """The columns before the import were told by splitting the names: numbers became categories of `city`."""
    monkeypatch.setattr(encoding, "CODED", coded)
    ODD_NAMES.to_csv(tmp_path / "t.csv", index=False)
    pack = import_table("odd", tmp_path / "t.csv", "label", test=tmp_path / "t.csv")
    arrays = packed.read(pack)
    assert raw_columns(pack, arrays["train_x"]) == [
        {"name": "city=Bonn"}, {"name": "city=Ulm"}, {"name": "a=b", "categories": ["x=y", "z"]},
    ]  # fmt: skip
    recipe = Recipe(dataset="odd", model="logistic", epochs=1, batch_size=4, val_fraction=0)
    exported = export(recipe, trained(recipe, tmp_path)[0], tmp_path)
    assert exported.columns == ("city=Bonn", "city=Ulm", "a=b")
    again = raw(pack, arrays["train_x"], arrays["test_x"])
    pd.testing.assert_frame_equal(again, ODD_NAMES.drop(columns="label"), check_dtype=False)
    assert len(serving.Served(exported.data).predict(ODD_NAMES)) == len(ODD_NAMES)


def test_a_pack_that_does_not_tell_its_raw_columns_is_split_by_their_names(tmp_path):
    (tmp_path / "people.csv").write_text(TABLE)
    pack = import_table("people", tmp_path / "people.csv", "label")
    train_x = packed.read(pack)["train_x"]
    assert pack.raw_columns == (("age", 0), ("colour", 3), ("smokes", 0))
    assert raw_columns(replace(pack, raw_columns=()), train_x) == raw_columns(pack, train_x)


WRONG_ROWS = {
    "no frame": ([[1.0]], "DataFrame"),
    "a column missing": (pd.DataFrame({"age": [1]}), "missing: colour, smokes"),
    "text": (
        pd.DataFrame({"age": ["old"], "colour": ["red"], "smokes": [True]}),
        "'age' contains a value that is not a number",
    ),
    "infinite": (pd.DataFrame({"age": [1e300], "colour": ["red"], "smokes": [True]}), "'age' has infinite"),
}


@pytest.mark.parametrize(("rows", "complaint"), WRONG_ROWS.values(), ids=WRONG_ROWS)
def test_rows_that_do_not_fit_are_refused(rows, complaint, tmp_path):
    file = tmp_path / "people.csv"
    file.write_text(TABLE)
    import_table("people", file, "label", test=file)
    recipe = Recipe(dataset="people", model="logistic", epochs=1, batch_size=4, val_fraction=0)
    served = serving.Served(export(recipe, trained(recipe, tmp_path)[0], tmp_path).data)
    with pytest.raises((TypeError, ValueError), match=complaint):
        served.predict(rows)


def test_images_of_another_type_or_size_are_refused(tmp_path):
    recipe = Recipe(dataset="digits", model="logistic", epochs=1)
    served = serving.Served(export(recipe, trained(recipe, tmp_path)[0], tmp_path).data)
    for images in (np.zeros((2, 8, 8)), np.zeros((2, 9, 8), np.uint8), np.zeros((2, 8, 8, 3), np.uint8)):
        with pytest.raises(ValueError, match=r"uint8 images of shape \(N, 8, 8, 1\)"):
            served.predict(images)
    assert len(served.predict(np.zeros((2, 8, 8, 1), np.uint8))) == len(served.predict(np.zeros((2, 8, 8), np.uint8)))
    assert not any(path.startswith(str(tmp_path)) for path in sys.path)
