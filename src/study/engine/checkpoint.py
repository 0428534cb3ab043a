"""Checkpoints: whole or not at all, whatever is killed when; each file holds its own sha256."""

from __future__ import annotations

import io
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save as to_safetensors

from study.errors import StudyError
from study.record import atomic_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HEAD = b"study checkpoint 1\n"  # then the sha256 of the rest, 32 bytes, then what torch.save wrote
DIGEST = 32


def save(path: Path, state: Mapping[str, Any]) -> None:
    """Replace a checkpoint.

    Args:
        path: of the file.
        state: dicts, lists, tuples, tensors, numbers and strings.

    Raises:
        PlaceError: the disk is full or cannot be written; the old checkpoint is as it was.

    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getbuffer()
    atomic_files.replace(path, (HEAD + sha256(content).digest(), content))


def load(path: Path) -> dict[str, Any] | None:
    """Read a checkpoint, its tensors onto the CPU; None if there is none, or one that is damaged and now moved aside.

    Raises:
        StudyError: it is whole, but holds objects of other types than `save` takes.

    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    digest, body = content[len(HEAD) : len(HEAD) + DIGEST], memoryview(content)[len(HEAD) + DIGEST :]
    if not content.startswith(HEAD) or sha256(body).digest() != digest:
        path.replace(path.with_name(f"{path.name}.damaged"))
        return None
    try:
        return torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    except (
        Exception
    ) as error:  # torch raises of many kinds, as the bytes lead it: UnpicklingError, EOFError, IndexError
        raise StudyError(
            "the training's state contains an object that cannot be loaded safely",
            where=str(path),
            fix="It may contain tensors, numbers, strings, lists and dicts only.",
        ) from error


def save_weights(path: Path, weights: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    """Replace a safetensors file of weights, of which a state dict's entries without a tensor are left out.

    Raises:
        PlaceError: the disk is full or cannot be written; the old file is as it was.

    """
    tensors = {name: value for name, value in weights.items() if isinstance(value, torch.Tensor)}
    plain = {name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in tensors.items()}
    atomic_files.replace(path, (to_safetensors(plain, dict(metadata)),))
