"""Perceptrons: the gradient written out, and Adam's step without its class, give autograd's and torch's bits."""

from __future__ import annotations

import sys

import pytest
import torch

from study.engine import optim, train
from study.engine.train import assemble

TRAIN = sys.modules[train.__module__]  # the name itself is the function's

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
LEFT_TO_AUTOGRAD = {
    "another network": {"model": "cnn2"},
    "batch norm": {"batch_norm": True},
    "an activation that is not known": {"activation": "softmax"},
    "another loss": {"loss": "bce", "dataset": "breast_cancer"},
    "smoothed labels": {"label_smoothing": 0.1},
    "autocast": {"precision": "bfloat16"},
    "a dropout too small for its levels": {"dropout_dense": 1e-6},
}


@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_the_gradient_written_out_equals_autograds_to_the_bit(small, monkeypatch, run, digest, name):
    recipe = small(**{"epochs": 3, **WRITTEN_OUT[name]})
    assert assemble(recipe, "cpu").gradient
    written_out = run(recipe)
    monkeypatch.setattr(TRAIN, "gradient_of", lambda *_: None)
    monkeypatch.setattr(optim, "step_of", lambda optimizer: optimizer.step)
    plain = run(recipe)
    assert repr(written_out[0]) == repr(plain[0])  # so that NaN equals NaN
    assert digest(written_out[1]) == digest(plain[1])
    assert written_out[2] == plain[2]


@pytest.mark.parametrize("name", LEFT_TO_AUTOGRAD)
def test_what_is_not_known_is_left_to_autograd(small, name):
    assert assemble(small(**LEFT_TO_AUTOGRAD[name]), "cpu").gradient is None


def test_a_batch_that_is_taken_in_pieces_is_left_to_autograd(small, monkeypatch):
    monkeypatch.setattr(TRAIN, "PIECE", 31)
    assert assemble(small(batch_size=32), "cpu").gradient is None
    assert assemble(small(batch_size=31), "cpu").gradient


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "rmsprop"])
def test_a_step_without_its_class_equals_torchs(small, name):
    recipe = small(optimizer=name, weight_decay=0.1)
    outcomes = []
    for make in (optim.step_of, lambda optimizer: optimizer.step):
        weight, unused = torch.nn.Parameter(torch.linspace(-1, 1, 37)), torch.nn.Parameter(torch.ones(3))
        optimizer = optim.build(recipe, [weight, unused])
        step = make(optimizer)
        for number in range(6):
            unused.grad = torch.ones(3) if number in {2, 4, 5} else None  # a network may use a part of itself
            weight.grad = torch.sin(weight.detach() * number)
            step()
        outcomes.append([weight, unused, *(value for each in optimizer.state.values() for value in each.values())])
    for ours, torchs in zip(*outcomes, strict=True):
        assert torch.equal(torch.as_tensor(ours), torch.as_tensor(torchs))
