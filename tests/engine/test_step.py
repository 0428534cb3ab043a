"""Every way to make a step gives the bits of the plain one: autograd's gradient, and the optimizer's own update."""

from __future__ import annotations

import pytest
import torch

from study.engine import optim, step
from study.engine.train import assemble, inputs

WRITTEN_OUT = {
    "one hidden layer": {},
    "two hidden layers": {"hidden": (16, 8)},
    "no hidden layer": {"model": "logistic"},
    "leaky_relu": {"activation": "leaky_relu"},
    "sigmoid": {"activation": "sigmoid", "hidden": (16, 8)},
    "tanh": {"activation": "tanh"},
    "gelu": {"activation": "gelu"},
    "silu": {"activation": "silu"},
    "dropout": {"dropout_dense": 0.3, "hidden": (16, 8), "dropout_at_test": True},
    "a table": {"dataset": "breast_cancer"},
    "float64": {"precision": "float64"},
    "augmentation": {"augment_crop": 1, "augment_flip": True},
    "penalties and clipping": {"l1": 1e-3, "l2": 1e-3, "grad_clip": 0.1, "weight_decay": 0.01},
    "sgd": {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": True},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.1, "beta1": 0.8, "beta2": 0.95, "eps": 1e-3},
    "amsgrad": {"amsgrad": True},
    "an optimizer in many kernels": {"optimizer": "nadam"},
    "a learning rate that moves": {"schedule": "one_cycle", "schedule_interval": "batch", "warmup_epochs": 0.5},
    "a single example left over": {"batch_size": 33},
    "weights of zero": {"init": "zero"},
    "saturated": {"activation": "sigmoid", "init": "normal", "init_scale": 30, "normalize": True},
    "diverging": {"optimizer": "sgd", "lr": 1e30, "hidden": (16, 8)},
}
# Recipes for which a way is chosen; a new way in GRADIENTS or UPDATES needs a row here.
CHOSEN = {
    "written_out": WRITTEN_OUT,
    "adam_kernel": {
        "adam": {},
        "another network": {"model": "cnn2", "batch_norm": True, "dropout_conv": 0.1},
        "adamw": {"optimizer": "adamw", "weight_decay": 0.1, "beta1": 0.8, "beta2": 0.95, "eps": 1e-3},
        "weight decay in some epochs": {"weight_decay": 0.1, "weight_decay_epochs": (2, 2)},
        "beta1 that moves": {"schedule": "one_cycle", "schedule_interval": "batch"},
        "microbatches": {"batch_size": "full", "train_size": 90},
        "bfloat16": {"precision": "bfloat16"},
        "clipping": {"grad_clip": 0.01},
        "diverging": {"lr": 1e30, "hidden": (16, 8)},
    },
}
TABLES = {"GRADIENTS": "gradient_way", "UPDATES": "update_way"}
WAYS = [(table, way) for table in TABLES for way in getattr(step, table) if way != "plain"]
LEFT_TO_AUTOGRAD = {
    "another network": {"model": "cnn2"},
    "batch norm": {"batch_norm": True},
    "an activation that is not known": {"activation": "softmax"},
    "another loss": {"loss": "bce", "dataset": "breast_cancer"},
    "smoothed labels": {"label_smoothing": 0.1},
    "autocast": {"precision": "bfloat16"},
    "a dropout too small for its levels": {"dropout_dense": 1e-6},
    "an activation with another slope": {
        "activation": "torch.nn:LeakyReLU",
        "activation_args": {"negative_slope": 0.2},
    },
    "an activation of another kind": {"activation": "torch.nn:GELU", "activation_args": {"approximate": "tanh"}},
    "a loss of one's own": {"loss": "torch.nn:MultiMarginLoss"},
}
LEFT_TO_THE_CLASS = {
    "amsgrad": {"amsgrad": True},
    "another optimizer": {"optimizer": "nadam"},
    "a change of sign": {"optimizer": "torch.optim:Adam", "optimizer_args": {"fused": True, "maximize": True}},
}


def test_every_way_is_held_equal_to_the_plain_one():
    missing = {way for _, way in WAYS} - CHOSEN.keys()
    assert not missing, f"no recipes in CHOSEN for these ways of study.engine.step: {missing}"


@pytest.mark.parametrize(
    ("table", "way", "name"), [(table, way, name) for table, way in WAYS for name in CHOSEN.get(way, ())]
)
def test_a_way_gives_the_bits_of_the_plain_one(small, monkeypatch, run, digest, table, way, name):
    recipe = small(**{"epochs": 3, **CHOSEN[way][name]})
    ways = {each: getattr(step, each) for each in TABLES}
    for each in TABLES:
        monkeypatch.setattr(step, each, {"plain": ways[each]["plain"]})
    plain = run(recipe)
    monkeypatch.setattr(step, table, {way: ways[table][way], **getattr(step, table)})
    assert getattr(assemble(recipe, "cpu").step, TABLES[table]) == way
    fast = run(recipe)
    assert repr(fast[0]) == repr(plain[0])  # so that NaN equals NaN
    assert digest(fast[1]) == digest(plain[1])
    assert fast[2] == plain[2]


@pytest.mark.parametrize("name", LEFT_TO_AUTOGRAD)
def test_a_gradient_that_is_not_written_out_is_left_to_autograd(small, name):
    assert assemble(small(**LEFT_TO_AUTOGRAD[name]), "cpu").step.gradient_way == "plain"


@pytest.mark.parametrize("name", LEFT_TO_THE_CLASS)
def test_an_update_that_the_kernel_does_not_make_is_left_to_the_optimizer(small, name):
    assert assemble(small(**LEFT_TO_THE_CLASS[name]), "cpu").step.update_way == "plain"


def test_a_batch_in_microbatches_is_left_to_autograd(small, monkeypatch):
    monkeypatch.setattr(step, "MICROBATCH", 31)
    assert assemble(small(batch_size=32), "cpu").step.gradient_way == "plain"
    assert assemble(small(batch_size=31), "cpu").step.gradient_way == "written_out"


WEIGHTED = {
    "cross_entropy": {"class_weight": (9.0, 1.0)},
    "balanced": {"class_weight": "balanced", "label_smoothing": 0.1},
    "a class without weight": {"class_weight": (1.0, 0.0)},
    "bce": {"class_weight": (9.0, 1.0), "loss": "bce"},
}


@pytest.mark.parametrize("name", WEIGHTED)
def test_microbatches_have_the_loss_and_the_gradient_of_the_whole_batch_with_weights_of_classes_too(
    small, monkeypatch, name
):
    """The mean of each part was divided by its own weights, and weighted by its number of examples."""
    recipe, outcomes = small(dataset="breast_cancer", batch_size=80, precision="float64", **WEIGHTED[name]), []
    for size in (80, 7):
        monkeypatch.setattr(step, "MICROBATCH", size)
        parts = assemble(recipe, "cpu")
        rows = parts.data.train.rows[:80]
        targets = parts.data.train.y.index_select(0, rows).sort().values  # whole parts are of one class
        loss, _ = parts.step.gradient(lambda some, parts=parts: inputs(parts, torch.Generator(), some), rows, targets)
        outcomes.append([loss, *(each.grad for each in parts.model.parameters())])
    for whole, in_parts in zip(*outcomes, strict=True):
        torch.testing.assert_close(in_parts, whole)


def test_a_batch_of_nothing_but_classes_without_weight_changes_nothing(small, run):
    """It was 0/0, so that the training had diverged."""
    recipe = small(dataset="breast_cancer", batch_size=1, class_weight=(1.0, 0.0), epochs=1)
    parts = assemble(recipe, "cpu")
    logits = torch.randn(3, 2, requires_grad=True)
    loss = parts.loss(logits, torch.tensor([1, 1, 1]))
    loss.backward()
    assert loss == 0
    assert not logits.grad.any()
    expected = torch.nn.functional.cross_entropy(logits[:1], torch.tensor([0]))
    torch.testing.assert_close(parts.loss(logits, torch.tensor([0, 1, 1])), expected)
    assert all(map(torch.isfinite, map(torch.tensor, run(recipe)[0][0].values())))


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_the_kernel_of_adam_takes_a_network_that_uses_part_of_itself(small, name):
    recipe = small(optimizer=name, weight_decay=0.1)
    outcomes = []
    for make in (optim.adam_kernel, lambda optimizer: optimizer.step):
        weight, unused = torch.nn.Parameter(torch.linspace(-1, 1, 37)), torch.nn.Parameter(torch.ones(3))
        optimizer = optim.build(recipe, [weight, unused])
        update = make(optimizer)
        for number in range(6):
            unused.grad = torch.ones(3) if number in {2, 4, 5} else None
            weight.grad = torch.sin(weight.detach() * number)
            update()
        outcomes.append([weight, unused, *(value for each in optimizer.state.values() for value in each.values())])
    for ours, torchs in zip(*outcomes, strict=True):
        assert torch.equal(torch.as_tensor(ours), torch.as_tensor(torchs))
