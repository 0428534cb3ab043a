"""The training: exact to the bit, stopped or not; ends that are results; equal to plain torch."""

from __future__ import annotations

import math
import sys

import pandas as pd
import pytest
import torch
from torch import nn

from study.data.tables import import_table
from study.engine import checkpoint, step, train
from study.engine.data import open_data
from study.errors import RecipeError

TRAIN = sys.modules[train.__module__]  # the name itself is the function's

EXACT = {
    "adam": {},
    "sgd_momentum": {"optimizer": "sgd", "momentum": 0.9, "nesterov": True, "lr": 0.1},
    "plateau": {"schedule": "plateau", "patience": 0, "lr": 0.3, "optimizer": "sgd"},
    "one_cycle": {"schedule": "one_cycle", "schedule_interval": "batch", "warmup_epochs": 0.5},
    "dropout": {"dropout_dense": 0.5, "dropout_at_test": True},
    "augment": {"augment_flip": True, "augment_crop": 1, "augment_rotate": 15, "augment_cutout": 3},
    "cnn": {"model": "cnn2", "batch_norm": True, "dropout_conv": 0.2, "normalize": True},
    "steps": {"steps": 9, "optimizer": "nadam", "schedule": "cosine"},
    "full": {"batch_size": "full", "optimizer": "rprop"},
}


@pytest.mark.parametrize("name", EXACT)
def test_the_same_recipe_gives_the_same_bits(small, name, run, digest):
    recipe = small(**{"epochs": 3, **EXACT[name]} if "steps" not in EXACT[name] else EXACT[name])
    first, second = run(recipe), run(recipe)
    assert first[0] == second[0]
    assert digest(first[1]) == digest(second[1])


@pytest.mark.parametrize("name", EXACT)
def test_stopped_after_every_epoch_and_resumed_gives_the_same_bits(small, tmp_path, name, run, digest):
    recipe = small(**{"epochs": 3, **EXACT[name]} if "steps" not in EXACT[name] else EXACT[name])
    metrics, state, evaluation = run(recipe)
    file = tmp_path / "checkpoint.pt"
    resumed = []
    for _ in metrics:
        saved = checkpoint.load(file)
        epoch = next(train(recipe, saved["state"] if saved else None))
        checkpoint.save(file, {"state": epoch.state()})
        resumed.append(dict(epoch.metrics))
    assert resumed == metrics
    last = checkpoint.load(file)["state"]
    assert digest(last) == digest(state)
    assert run(recipe, last) == ([], last, evaluation)


def test_the_callers_random_numbers_stay_as_they_are(small):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    training = train(small(dropout_dense=0.5))
    next(training)
    assert torch.equal(torch.rand(3), expected)


def test_what_the_caller_draws_between_epochs_changes_nothing(small, run):
    recipe = small(dropout_dense=0.5, epochs=3)
    disturbed = []
    for epoch in train(recipe):
        disturbed.append(dict(epoch.metrics))
        torch.manual_seed(len(disturbed))
    assert disturbed == run(recipe)[0]


def test_a_longer_training_begins_like_a_shorter_one(small, run):
    assert run(small(epochs=3))[0][:2] == run(small(epochs=2))[0]


def test_epochs_have_all_figures_and_the_report_is_of_the_last_model(small, run):
    metrics, _, evaluation = run(small(epochs=3, schedule="exponential", gamma=0.5))
    assert [list(each) for each in metrics] == [["train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr"]] * 3
    assert [each["lr"] for each in metrics] == [1e-3, 5e-4, 2.5e-4]
    assert evaluation["accuracy"] == metrics[-1]["val_accuracy"]
    assert evaluation["loss"] == metrics[-1]["val_loss"]


def test_a_number_of_steps_ends_within_an_epoch(small):
    epochs = list(train(small(steps=6)))  # 4 steps an epoch
    assert [epoch.number for epoch in epochs] == [1, 2]
    assert len(list(train(small(steps=4)))) == 1
    ended = [epoch.state()["optimizer"]["state"][0]["step"] for epoch in train(small(steps=6))]
    assert ended == [4, 6]


def test_the_weights_equal_those_of_a_plain_loop(small):
    """Written out with nothing of ours but the split and the order: the fast path is the plain one."""
    recipe = small(optimizer="sgd", lr=0.1, momentum=0.9, weight_decay=0.01, epochs=1)
    data = open_data(recipe, "cpu")
    start = next(train(recipe.model_validate({**recipe.model_dump(), "lr": 1e-30, "weight_decay": 0})))
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))
    model.load_state_dict(start.state()["model"])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    x = data.train.x[data.train.rows].permute(0, 3, 1, 2) / 255
    y = data.train.y[data.train.rows]
    order = torch.randperm(100, generator=torch.Generator().manual_seed(TRAIN._seed(recipe, 1, "order")))
    for rows in order.split(32):
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    ours = next(train(recipe)).state()["model"]
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(ours[name], weight)


@pytest.mark.parametrize("penalty", [{"l1": 0.01}, {"l2": 0.01}, {"weight_decay": 0.1}])
def test_a_penalty_acts_in_its_epochs_alone(small, penalty, run, digest):
    sgd = {"optimizer": "sgd", "lr": 0.1, "epochs": 3}
    (knob,) = penalty
    epochs = [epoch.state() for epoch in train(small(**sgd, **penalty, **{f"{knob}_epochs": (2, 2)}))]
    free, penalized = small(**sgd), small(**sgd, **penalty)
    expected = [next(train(free)).state()]
    for recipe in (penalized, free):
        expected.append(next(train(recipe, expected[-1])).state())
    assert [digest(each["model"]) for each in epochs] == [digest(each["model"]) for each in expected]


@pytest.mark.parametrize("knobs", [{}, {"loss": "bce", "dataset": "breast_cancer"}, {"label_smoothing": 0.1}])
def test_a_full_batch_in_pieces_equals_one_in_a_single_piece(small, monkeypatch, knobs, run):
    recipe = small(batch_size="full", optimizer="sgd", lr=0.5, epochs=3, **knobs)
    whole = run(recipe)
    monkeypatch.setattr(step, "MICROBATCH", 32)
    pieces = run(recipe)
    for one, other in zip(whole[0], pieces[0], strict=True):
        assert one == pytest.approx(other, rel=1e-5)
    for name, weight in whole[1]["model"].items():
        torch.testing.assert_close(weight, pieces[1]["model"][name])


def test_a_full_batch_with_batch_norm_stays_in_one_piece(small, monkeypatch, run):
    recipe = small(batch_size="full", batch_norm=True)
    whole = run(recipe)
    monkeypatch.setattr(step, "MICROBATCH", 32)
    assert run(recipe)[0] == whole[0]


def test_zero_weights_end_as_a_result_of_chance(small, run):
    metrics, _, evaluation = run(small(init="zero", epochs=1))
    assert math.isfinite(metrics[0]["train_loss"])
    assert evaluation["accuracy"] < 0.2


def test_softmax_in_hidden_layers_ends_as_a_result(small, run):
    metrics, _, _ = run(small(activation="softmax", model="cnn2"))
    assert all(map(math.isfinite, metrics[-1].values()))


def test_a_diverging_training_ends_with_an_epoch_that_says_so(small, run):
    metrics, _, evaluation = run(small(lr=1e30, optimizer="sgd", epochs=5, hidden=(8, 8)))
    assert len(metrics) == 1
    assert not math.isfinite(metrics[0]["train_loss"])
    assert math.isnan(metrics[0]["val_accuracy"])
    assert evaluation is None


@pytest.mark.parametrize("split", ["val", "train"])
@pytest.mark.parametrize("knobs", [{}, {"metric": "roc_auc"}, {"epochs": 2}, {"epochs": 2, "metric": "roc_auc"}])
def test_a_network_that_an_epochs_last_update_ruins_has_diverged_in_that_epoch(small, run, knobs, split):
    """Its loss is taken before that update: the trial was complete with the share of class 0, or roc_auc raised."""
    steps = {"dataset": "breast_cancer", "optimizer": "sgd", "lr": 1e30, "batch_size": "full", "epochs": 1}
    metrics, _, evaluation = run(small(**{**steps, **knobs}, **({"val_fraction": 0} if split == "train" else {})))
    expected = {"train_loss", "train_accuracy", "val_loss" if split == "val" else "train_loss", f"{split}_accuracy"}
    expected |= {f"{split}_roc_auc"} if "metric" in knobs else set()
    assert {name for name, value in metrics[-1].items() if not math.isfinite(value)} == expected
    assert set(metrics[-1]) == {*expected, "lr"}
    assert len(metrics) == (2 if split == "train" and knobs == {"epochs": 2} else 1)  # nobody looks after the first
    assert evaluation is None


def test_outputs_that_are_not_finite_on_the_test_split_alone_are_no_result(small, tmp_path):
    rows = pd.DataFrame({"x": [-1.5, -0.5, 0.5, 1.5] * 10, "y": [0, 0, 1, 1] * 10})
    rows.to_csv(tmp_path / "train.csv", index=False)
    rows.assign(x=3e38).to_csv(tmp_path / "test.csv", index=False)
    import_table("overflowing", tmp_path / "train.csv", "y", test=tmp_path / "test.csv")
    training = train(small(dataset="overflowing", train_size=None, init="normal", init_scale=30, epochs=1), test=True)
    assert all(map(math.isfinite, next(training).metrics.values()))
    with pytest.raises(StopIteration) as ended:
        next(training)
    assert ended.value.value is None


def test_a_loss_that_is_lost_within_a_long_epoch_ends_it(small, monkeypatch):
    monkeypatch.setattr(TRAIN, "LOOK", 2)
    (epoch,) = train(small(lr=1e30, optimizer="sgd", hidden=(8, 8), batch_size=4))
    assert not math.isfinite(epoch.metrics["train_loss"])
    assert epoch.state()["optimizer"]["state"] is not None


def test_a_batch_larger_than_the_training_split_is_refused(small):
    with pytest.raises(RecipeError, match="batch_size=200 is more than the 100 training examples"):
        next(train(small(batch_size=200)))


@pytest.mark.parametrize("precision", ["float64", "bfloat16"])
def test_other_precisions_learn_about_the_same(small, precision, run):
    usual = run(small(model="cnn3", epochs=1))[0][-1]
    other = run(small(model="cnn3", epochs=1, precision=precision))[0][-1]
    assert other["train_loss"] == pytest.approx(usual["train_loss"], rel=0.02)
    assert other["train_loss"] != usual["train_loss"]


@pytest.mark.filterwarnings("ignore:max_pool2d_with_indices_backward_cuda")  # of pools that overlap, which these do not
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
@pytest.mark.parametrize("name", EXACT)
def test_a_gpu_gives_the_same_bits_twice_and_about_the_cpus(small, name, run):
    recipe = small(**EXACT[name])
    first, second = (list(train(recipe, device="cuda")) for _ in range(2))
    assert [each.metrics for each in first] == [each.metrics for each in second]
    on_cpu = run(recipe)[0]
    assert first[0].metrics["train_loss"] == pytest.approx(on_cpu[0]["train_loss"], rel=0.3)
