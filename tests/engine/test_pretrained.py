"""Fine-tuning: weights from a file, frozen layers, a learning rate for each group of layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from torch import nn

from study.data import packed
from study.engine import check
from study.engine.train import assemble
from study.errors import RecipeError
from study.recipe import Recipe


def pack(name, x, y, classes):
    """Write a data set of images, the first 100 of which are for the test."""
    arrays = {"train_x": x[100:], "train_y": y[100:], "test_x": x[:100], "test_y": y[:100]}
    packed.write(name, arrays, kind="image", classes=classes, source="", imported=True)


def test_fine_tuning_beats_training_from_scratch_on_few_images(run, tmp_path):
    """Of 14 images that were never seen, of seven of the ten digits: the last layer is another one."""
    digits = load_digits()
    x, y = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None], digits.target.astype(np.int64)
    pack("ten", x[:1000], y[:1000], [str(each) for each in range(10)])
    few = np.flatnonzero(y[1000:] < 7) + 1000
    pack("seven", x[few], y[few], [str(each) for each in range(7)])
    network = {"model": "mlp", "hidden": (64, 64), "batch_size": 7}
    trained = run(Recipe(dataset="ten", **network, lr=3e-3, epochs=15))[1]["model"]
    save_file(trained, file := str(tmp_path / "ten.safetensors"))
    ways = {"scratch": {}, "tuned": {"weights": file, "lr_factors": {"[13].*": 0.1}},
            "frozen": {"weights": file, "freeze": ("[13].*",)}}  # fmt: skip
    few_images = {**network, "dataset": "seven", "train_size": 14, "val_fraction": 0.5, "lr": 0.02, "epochs": 10}
    found = {
        name: [run(Recipe(**few_images, **knobs, seed=seed))[0][-1]["val_accuracy"] for seed in range(3)]
        for name, knobs in ways.items()
    }
    assert min(found["tuned"] + found["frozen"]) > max(found["scratch"]), found


class Net(nn.Sequential):
    def __init__(self, num_classes):
        super().__init__(nn.Flatten(), nn.Linear(64, 6), nn.BatchNorm1d(6), nn.Linear(6, num_classes))


def test_frozen_layers_keep_weights_and_statistics_and_resume_to_the_bit(small, run, digest):
    recipe = small(model="tests.engine.test_pretrained:Net", freeze=("1.*", "2.*"), weight_decay=0.1, epochs=3)
    check(recipe)
    before = {name: each.clone() for name, each in assemble(recipe, "cpu").model.state_dict().items()}
    metrics, state, _ = run(recipe)
    same = [name for name, each in state["model"].items() if torch.equal(each, before[name])]
    assert same == [name for name in before if not name.startswith("3.")]
    resumed = run(recipe, run(small(**{**recipe.model_dump(), "epochs": 1}))[1])
    assert (resumed[0], digest(resumed[1])) == (metrics[1:], digest(state))


def test_one_example_left_over_is_refused_only_where_a_batch_norm_in_training_meets_it(small, run):
    frozen = small(model="tests.engine.test_pretrained:Net", freeze=("1.*", "2.*"), batch_size=33)
    ended = small(batch_norm=True, batch_size=33, steps=3)
    for recipe in (frozen, ended):
        check(recipe)
        assert run(recipe)[2] is not None
    with pytest.raises(RecipeError, match="a batch_size that leaves no single example over"):
        check(small(batch_norm=True, batch_size=33, steps=4))


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "torch.optim:SGD"])
def test_a_group_has_its_own_learning_rate_at_each_step(small, optimizer):
    knobs = {"schedule": "cosine", "optimizer": optimizer, "lr": 0.1, "lr_factors": {"1.*": 0.5, "3.*": 2.0}}
    parts = assemble(small(**knobs), "cpu")
    groups = parts.optimizer.param_groups
    assert [(len(group["params"]), group["lr"]) for group in groups] == [(2, 0.05), (2, 0.2)]


def test_a_factor_is_a_learning_rate_of_that_size(small, run, digest):
    """With plain SGD, half the rate for all weights is half the rate."""
    sgd = {"optimizer": "sgd", "schedule": "exponential", "gamma": 0.5}
    one, two = (
        run(small(**sgd, **knobs))[1]["model"] for knobs in ({"lr": 0.1, "lr_factors": {"*": 0.5}}, {"lr": 0.05})
    )
    assert digest(one) == digest(two)


@pytest.mark.parametrize(
    ("knobs", "what"),
    [
        ({"weights": "no.safetensors"}, "weights=no.safetensors cannot be read: No such file"),
        ({"weights": "text"}, "weights=text cannot be read: .* Give a file of safetensors.torch.save_file"),
        ({"weights": "other"}, "weights=other: 1.weight are not in it. Did you mean '0.weight'"),
        ({"weights": "wide"}, r"weights=wide: 1.weight have the shape \(9, 64\) there. Here it is \(8, 64\)"),
        ({"freeze": ("1.weigth",)}, "freeze: '1.weigth' fits no weights. Did you mean '1.weight'"),
        ({"freeze": ("*",)}, "freeze leaves no weights to train"),
        ({"lr_factors": {"1.*": 0.1, "*.bias": 0.5}}, r"lr_factors: '1.\*' and '\*.bias' fit the same weights"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(small, tmp_path, knobs, what):
    (tmp_path / "work" / "text").write_text("no weights")
    save_file({"0.weight": torch.zeros(8, 64)}, tmp_path / "work" / "other")
    save_file({"1.weight": torch.zeros(9, 64), "1.bias": torch.zeros(9)}, tmp_path / "work" / "wide")
    with pytest.raises(RecipeError, match=what):
        check(small(**knobs))


def test_a_file_of_torchvision_fits_its_network_with_another_last_layer(small, tmp_path):
    theirs = torchvision.models.get_model("squeezenet1_1", weights=None, num_classes=1000)
    save_file(theirs.state_dict(), file := str(tmp_path / "theirs.safetensors"))
    recipe = small(model="torchvision:squeezenet1_1", weights=file, freeze=("features.*",))
    mine = dict(assemble(recipe, "cpu").model.net.named_parameters())
    assert mine["classifier.1.weight"].requires_grad
    for name, parameter in theirs.features.named_parameters(prefix="features"):
        assert torch.equal(mine[name], parameter)
        assert not mine[name].requires_grad
