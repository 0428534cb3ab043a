"""Checkpoints: whole or not at all, whatever is killed when; each file holds its own sha256.

The one before the last is kept, too: if the last one is damaged, a training goes on from there, to the same bits.
"""

from __future__ import annotations

import io
import pickle
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load as from_safetensors
from safetensors.torch import save as to_safetensors

from study.engine import stored_types
from study.errors import StudyError
from study.record import atomic_files, weights

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HEAD, DIGEST = weights.CHECKPOINT, weights.DIGEST


def save(path: Path, state: Mapping[str, Any], *, is_tried: bool = False) -> None:
    """Replace a checkpoint.

    Args:
        path: of the file.
        state: tensors, and what `study.engine.stored_types` lists.
        is_tried: whether it is also loaded, which finds what cannot be, however it comes about.

    Raises:
        StudyError: it holds an object of another type, which could not be loaded; the old checkpoint is as it was.
        PlaceError: the disk is full or cannot be written; the old checkpoint is as it was.

    """
    buffer = io.BytesIO()
    try:
        torch.save(state, buffer, pickle_module=stored_types.WRITER)
    except (pickle.PicklingError, AttributeError, TypeError) as error:  # such as a lambda, a lock, an open file
        raise StudyError(f"the training's state cannot be saved: {error}", fix=f"{stored_types.HINT}.") from error
    with torch.serialization.safe_globals(stored_types.loadable()):
        buffer.seek(0)
        foreign = torch.serialization.get_unsafe_globals_in_checkpoint(buffer)
    if foreign:
        raise _refusal(f"{', '.join(sorted(foreign))}")
    content = buffer.getbuffer()
    if is_tried:
        _load(content)
    atomic_files.replace(path, (HEAD + sha256(content).digest(), content), before=atomic_files.before(path))


def load(path: Path) -> dict[str, Any] | None:
    """Read the last checkpoint that is whole, as `recover`, without what is said of damaged ones."""
    return recover(path)[0]


def recover(path: Path) -> tuple[dict[str, Any] | None, str]:
    """Read the last checkpoint that is whole; a damaged one is moved aside.

    Returns:
        What was saved, its tensors on the CPU; None if there is none. A line about each file that is damaged.

    Raises:
        StudyError: it is whole, but holds objects of other types than `save` takes.

    """
    damaged: list[str] = []
    for each in (path, atomic_files.before(path)):
        try:
            content = each.read_bytes()
        except FileNotFoundError:
            continue
        if weights.is_whole_checkpoint(content):
            return _load(memoryview(content)[len(HEAD) + DIGEST :], str(each)), "; ".join(damaged)
        each.replace(each.with_name(f"{each.name}.damaged"))
        damaged.append(f"{each.name} is damaged")
    return None, "; ".join(damaged)


def _load(content: memoryview, where: str = "") -> dict[str, Any]:
    try:
        with torch.serialization.safe_globals(stored_types.loadable()):
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # of many kinds, as the bytes lead torch: UnpicklingError, EOFError, IndexError
        raise _refusal("an object", where) from error


def _refusal(what: str, where: str = "") -> StudyError:
    return StudyError(
        f"the training's state contains {what}, which cannot be loaded safely", where=where, fix=f"{stored_types.HINT}."
    )


def save_weights(path: Path, state: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    """Replace a safetensors file of weights, of which a state dict's entries without a tensor are left out.

    Raises:
        PlaceError: the disk is full or cannot be written; the old file is as it was.

    """
    tensors = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    plain = {name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in tensors.items()}
    atomic_files.replace(path, weights.sealed(to_safetensors(plain, {**metadata, **weights.MARKS})))


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read a safetensors file of weights onto the CPU.

    Raises:
        Damaged: it is missing, or not as it was written.

    """
    return from_safetensors(weights.read(path))
