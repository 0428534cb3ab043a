"""Inputs as people have given them, and nonsense, thrown at the commands: an answer or one line, and never "a bug"."""

from __future__ import annotations

import json
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from study import Recipe
from study.definition import override
from study.engine import check
from study.errors import InputError
from tests.faults.fuzz import NUMBERS, TEXTS, VALUES, fuzzed
from tests.faults.test_fuzz_commands import CHOICES

STUDY = """
from study import Recipe, Study
study = Study(name="own", recipe=Recipe(dataset="digits", model="mlp", hidden=(100,), train_size=100, epochs=1))
"""
NETS = '''
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.layer = nn.Linear(64, num_classes)

    def forward(self, x):
        return self.change(self.layer(x.flatten(1)))


class Pair(Net): change = lambda self, x: (x, x)
class Dict(Net): change = lambda self, x: {"logits": x}
class Whole(Net): change = lambda self, x: x.long()
class Detached(Net): change = lambda self, x: x.detach()
class Complex(Net): change = lambda self, x: x.to(torch.complex64)
class Exits(Net): change = lambda self, x: exit(3)
class Other(Net): change = lambda self, x: x if self.training else (x, 1)


class Late(nn.Module):
    """Some or all of its layers are made by the first forward pass, without a lazy layer."""

    def __init__(self, num_classes, first=True):
        super().__init__()
        self.first, self.last, self.outputs = nn.Linear(64, 64) if first else nn.Identity(), None, num_classes

    def forward(self, x):
        self.last = self.last or nn.Linear(64, self.outputs)
        return self.last(self.first(x.flatten(1)))


def all_late(num_classes): return Late(num_classes, first=False)
def nothing(num_classes): return None
def two_lines(num_classes): raise RuntimeError("no\\nway")
instance = Net(10)
'''
REFUSED = {
    "model=nets.py:Pair": "gives a tuple where a tensor is wanted. Return the outputs alone",
    "model=nets.py:Dict": "gives a dict where a tensor is wanted",
    "model=nets.py:Whole": "gives outputs of torch.int64, from which no gradient leads to its weights",
    "model=nets.py:Detached": "from which no gradient leads to its weights",
    "model=nets.py:Complex": "gives outputs of torch.complex64",
    "model=nets.py:Exits": "cannot take a batch of shape (2, 1, 8, 8): SystemExit: 3",
    "model=nets.py:Other": "must be Tensor, not tuple",
    "model=nets.py:Late": "makes weights in its first forward pass, which the optimizer would not know",
    "model=nets.py:all_late": "has no weights to train. Make its layers in __init__, or use lazy ones",
    "model=nets.py:nothing": "it gave a NoneType, not a torch.nn.Module",
    "model=nets.py:two_lines": "nets.py:two_lines: RuntimeError: no way",
    "model=nets.py:instance": "missing 1 required positional argument",
    "model=nets.py:nosuch": "cannot import 'nets.py:nosuch'",
    "model=torchvision:resnet": "Did you mean 'torchvision:resnet",
    "hidden=64": "a list is wanted. Did you mean [64]?",
    "hidden=[100000000000]": "model=mlp cannot be made with hidden=[100000000000]",
    "hidden=[9223372036854775807]": "Use fewer units.",
    "hidden=[99999999999999999999999]": "Use fewer units.",
    "batch_size=1000000000000000000000": "is more than the 100 training examples",
    "steps=99999999999999999999": "should be less than or equal to 1000000000",
    "epochs=99999999999999999999": "should be less than or equal to 1000000",
    "LR=1": "unknown knob 'LR'. Did you mean 'lr'?",
    "dataset=CIFAR10": "Did you mean 'cifar10'?",
    "dataset=../x": "cannot name a data set",
    "optimizer=Adam": "Did you mean 'adam'?",
    "optimizer=builtins:dict": "it has no signature to call it by",
    "loss=builtins:len": "it must take 2 positional arguments, and takes 1",
    "metric=F1": "Did you mean 'f1'?",
    "metric=f1": "metric=f1 is for two classes, and the data set has 10",
    "loss=mse": "no metric 'val_accuracy'. There are: val_rmse",
    "class_weight=[1,2]": "class_weight has 2 weights, and the data set 10 classes",
    "augment_cutout=8": "leaves nothing of images with 8 pixels",
    "lr=nan": "finite number",
    "val_fraction=1e-9": "leaves a split empty",
    "train_size=2": "batch_size=64 is more than the 2 training examples",
    "model=\0:x": "cannot import",
    "val_fraction=0": "no epoch has the metric 'val_accuracy' with val_fraction=0",
    "dataset=nets.py:nothing": "nets.py:nothing: needs 'num_classes'",
    "dataset=nets.py:nosuch": "cannot import 'nets.py:nosuch'",
    "dataset=builtins:dict": "it has no signature to call it by",
}


@pytest.fixture
def own(tmp_path):
    """A study file and networks of one's own in the working folder."""
    work = tmp_path / "work"
    (work / "studies").mkdir()
    (work / "studies" / "own.py").write_text(STUDY)
    (work / "nets.py").write_text(NETS)
    return work


def test_what_cannot_be_trained_is_refused_in_one_line_before_anything_is_written(study, own):
    found = {}
    for given_knob, said in REFUSED.items():
        answer = study("run", "own", "--trials", "1", "--executor", "inline", "--set", given_knob)
        if answer.code != 2 or said not in answer.complaint or answer.complaint.count("\n") != 1:
            found[given_knob] = answer.code, answer.complaint
    assert found == {}
    assert not (own / "mlruns").exists()


def test_length_of_a_name_and_pythons_none(study, own):
    code, _, said = study("run", "own", "--trials", "1", "--name", "a" * 300)
    assert (code, "has 300 characters. Use 200 at most" in said) == (2, True)
    arguments = ("run", "own", "--trials", "1", "--executor", "inline", "--tracking-uri", "http://127.0.0.1:9")
    assert study(*arguments, "--name", "b" * 60, "--set", "grad_clip=None", "--set", "warmup_epochs=1e300").code == 0


KNOBS = st.dictionaries(
    st.sampled_from(sorted(set(Recipe.model_fields) - {"dataset", "epochs", "steps"})),
    VALUES | NUMBERS | TEXTS | st.sampled_from(CHOICES),
    max_size=3,
)


@fuzzed
@given(KNOBS)
def test_a_recipe_of_any_knobs_is_assembled_or_refused(knobs):
    """The recipe is checked against data and network, as every command that trains does first."""
    with suppress(InputError):
        check(override(Recipe(dataset="digits", model="mlp", train_size=100), json.loads(json.dumps(knobs))))


FILES = {
    "empty.csv": b"",
    "blank.csv": b"\n\n\n",
    "header.csv": b"a,b,y\n",
    "one.csv": b"a,b,y\n1,2,u\n",
    "same.csv": b"a,b,y\n" + b"1,2,u\n" * 30,
    "nul.csv": b"a,b,y\n1,\0,u\n" * 9,
    "wide.csv": b"a,b,y\n" + b"1,2,3,4,5,u\n" * 30,
    "names.csv": b"y,y,y\n" + b"1,2,u\n3,4,v\n" * 30,
    "quote.csv": b'a,b,y\n"1,2,u\n' * 9,
    "file.json": b'{"a": 1}\n',
    "page.html": b"<html><body>404</body></html>",
    "lfs.csv": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n",
    "cut.npz": b"PK\x03\x04",
    "cut.parquet": b"PAR1",
    "cut.zip": b"PK\x05\x06" + b"\0" * 18,
    "cut.csv.gz": b"\x1f\x8b\x08\0",
    "image.png": b"\x89PNG\r\n\x1a\n",
}


@pytest.mark.parametrize("label", ["y", "", "a", "\0"])
def test_files_that_are_no_data_set_are_refused_in_one_line(study, own, label):
    for name, content in FILES.items():
        (own / name).write_bytes(content)
        for arguments in ([name, "--label", label], [name], [name, "--label", label, "--size", "8", "--test", name]):
            code, _, said = study("data", "import", "mine", *arguments)
            assert (code, "a bug" in said) == (2, False), (arguments, said)


@fuzzed
@given(data=st.data())
def test_arrays_of_any_type_and_shape(tmp_path, data):
    from study import import_data

    kinds = st.sampled_from(["x", "y", "x_train", "y_test", "val_labels", "tokens", "images", "a"])
    arrays = {}
    for name in data.draw(st.lists(kinds, max_size=4, unique=True)):
        shape = data.draw(st.lists(st.integers(0, 9), max_size=5))
        dtype = data.draw(st.sampled_from(["uint8", "float32", "float16", "bool", "int64", "U3", "complex64", "M8[s]"]))
        arrays[name] = np.resize(np.arange(9), shape).astype(dtype)
    np.savez(tmp_path / "d.npz", **arrays)
    with suppress(InputError):
        import_data("mine", tmp_path / "d.npz", force=True)
