"""Checkpoints are whole or not there."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import errno
import fractions
import io
import random
import uuid
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from study.engine import checkpoint
from study.errors import PlaceError, StudyError


@pytest.fixture
def file(tmp_path):
    return tmp_path / "checkpoint.pt"


def test_what_is_saved_is_loaded(file):
    state = {"a": torch.arange(3.0), "b": [1, 2.5, "x", None, {"c": (True, float("inf"))}]}
    checkpoint.save(file, state)
    loaded = checkpoint.load(file)
    assert torch.equal(loaded["a"], state["a"])
    assert loaded["b"] == state["b"]


def test_a_missing_checkpoint_is_none(file):
    assert checkpoint.load(file) is None


@pytest.mark.parametrize("damage", [b"", b"study", 40, 60, -1])
def test_a_damaged_checkpoint_is_none_and_moved_aside(file, damage):
    checkpoint.save(file, {"a": torch.arange(300.0)})
    content = file.read_bytes()
    if isinstance(damage, int):
        content = content[:damage] + bytes([content[damage] ^ 1]) + content[damage:][1:]
    else:
        content = damage
    file.write_bytes(content)
    assert checkpoint.load(file) is None
    assert not file.exists()
    assert file.with_name("checkpoint.pt.damaged").read_bytes() == content


def test_a_cut_checkpoint_is_none_wherever_it_is_cut(file):
    checkpoint.save(file, {"a": torch.arange(10.0)})
    content = file.read_bytes()
    for length in range(0, len(content), 37):
        file.write_bytes(content[:length])
        assert checkpoint.load(file) is None


@pytest.mark.parametrize("saved", [1, 2, 3])
def test_the_checkpoint_before_a_damaged_one_is_taken_and_the_damage_is_said(file, saved):
    for number in range(1, saved + 1):
        checkpoint.save(file, {"number": number})
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    found, said = checkpoint.recover(file)
    assert found == (None if saved == 1 else {"number": saved - 1})
    assert said == "checkpoint.pt is damaged"
    checkpoint.save(file, {"number": 9})
    assert checkpoint.recover(file) == ({"number": 9}, "")


@dataclass
class Strange:
    value: int


def test_a_state_that_could_not_be_loaded_safely_is_refused_before_the_old_one_is_replaced(file):
    checkpoint.save(file, {"a": 1})
    with pytest.raises(StudyError, match=r"state contains \S*test_checkpoint.Strange, which cannot be loaded safely"):
        checkpoint.save(file, {"a": [Strange(1)]})
    assert checkpoint.load(file) == {"a": 1}


def test_a_checkpoint_of_another_program_is_not_loaded_by_running_its_code(file):
    class Evil:
        def __reduce__(self):
            return print, ("run",)

    buffer = io.BytesIO()
    torch.save({"a": Evil()}, buffer)
    content = buffer.getvalue()
    file.write_bytes(checkpoint.HEAD + sha256(content).digest() + content)
    with pytest.raises(StudyError, match="cannot be loaded safely"):
        checkpoint.load(file)


def seeded(kind):
    return np.random.Generator(kind(3))


KEPT = [
    np.float32(1.5), np.int64(3), np.bool_(1), np.str_("a"), np.datetime64("2026-01-02"), 1j, b"bytes", {1, 2},
    frozenset({1}), Path("a/b"), dt.date(2026, 1, 2), dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC), dt.timedelta(hours=2),
    dt.time(3, 4), decimal.Decimal("1.50"), fractions.Fraction(1, 3), uuid.UUID(int=7), random.Random(3).getstate(),
    collections.defaultdict(list, {"a": [1.0]}), collections.defaultdict(int), collections.OrderedDict(a=1),
    collections.Counter("aab"), collections.deque([1, 2], maxlen=3), range(3), slice(1, 2),
]  # fmt: skip


@pytest.mark.parametrize("value", KEPT, ids=lambda each: type(each).__name__)
def test_what_ordinary_trainings_keep_is_loaded_as_it_was(file, value):
    checkpoint.save(file, {"a": value, "deep": [{"b": (value,)}]}, is_tried=True)
    loaded = checkpoint.load(file)
    assert loaded == {"a": value, "deep": [{"b": (value,)}]}
    assert type(loaded["a"]) is type(value)
    assert repr(loaded["a"]) == repr(value)


@pytest.mark.parametrize("value", [np.arange(3.0), np.array([1, "a"], dtype=object), np.zeros(2, dtype=[("a", "f4")])])
def test_arrays_of_numpy_are_loaded_as_they_were(file, value):
    checkpoint.save(file, {"a": value}, is_tried=True)
    loaded = checkpoint.load(file)["a"]
    assert (loaded.dtype, loaded.tolist()) == (value.dtype, value.tolist())


@pytest.mark.parametrize("make", [
    *(lambda kind=kind: seeded(kind) for kind in (np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937,
                                                 np.random.Philox, np.random.SFC64)),
    lambda: np.random.RandomState(3), lambda: random.Random(3),
])  # fmt: skip
def test_random_generators_go_on_where_they_were(file, make):
    generator = make()
    generator.random()
    checkpoint.save(file, {"a": generator}, is_tried=True)
    loaded = checkpoint.load(file)["a"]
    assert [loaded.random() for _ in range(3)] == [generator.random() for _ in range(3)]


def test_a_full_disk_leaves_the_old_checkpoint(file, monkeypatch):
    checkpoint.save(file, {"a": 1})

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(PlaceError, match="the disk is full"):
        checkpoint.save(file, {"a": 2})
    monkeypatch.undo()
    assert checkpoint.load(file) == {"a": 1}
    assert [each.name for each in file.parent.iterdir() if each.is_file()] == ["checkpoint.pt"]


def test_the_best_weights_are_safetensors_with_what_is_known_of_them(tmp_path):
    file = tmp_path / "best.safetensors"
    tied = torch.rand(2, 3)
    images = torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last)
    checkpoint.save_weights(file, {"a": tied, "b": tied, "c": images, "d": "no tensor"}, {"epoch": "3"})
    with safe_open(file, "pt") as content:
        assert content.metadata()["epoch"] == "3"
        assert set(content.keys()) == {"a", "b", "c"}
        assert torch.equal(content.get_tensor("b"), tied)
        assert torch.equal(content.get_tensor("c"), images)
