"""Checkpoints are whole or not there."""

from __future__ import annotations

import errno
from dataclasses import dataclass

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


def test_a_state_that_cannot_be_loaded_safely_says_so(file):
    checkpoint.save(file, {"a": Strange(1)})
    with pytest.raises(StudyError, match="tensors, numbers, strings, lists and dicts only"):
        checkpoint.load(file)


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
