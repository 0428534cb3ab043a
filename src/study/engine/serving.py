"""A registered model at work: raw examples in, labels or numbers out, to the bits of the training's evaluation.

A registered model carries this file, layers.py and inputs.py away, under another package's name, and MLflow calls
`_load_pyfunc`. So the three import nothing but each other, torch, safetensors, numpy and pandas.
"""

from __future__ import annotations

import importlib
import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from study.engine import layers
from study.engine.inputs import Columns, Pixels

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

DESCRIPTION, WEIGHTS, INPUTS = "network.json", "weights.safetensors", "inputs.safetensors"
AT_ONCE = 16  # batches whose inputs are made at once: those of a table may be many times as large as its rows


class Served:
    """A trained network with all that is needed to use it."""

    def __init__(self, folder: Path) -> None:
        """Read the three files that `study.engine.export` has written."""
        self.about: dict[str, Any] = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        self.device = device_for(self.about["device"])
        values = {name: value.to(self.device) for name, value in load_file(folder / INPUTS).items()}
        self.dtype = getattr(torch, self.about["dtype"])
        self.image = self.about["kind"] == "image"
        self.prepare: Callable[[Tensor], Tensor] = lambda tokens: tokens
        if values:
            self.prepare = Pixels(**values, upscaling=self.about["upscaling"]) if self.image else Columns(**values)
        self.network = build(self.about["network"]).to(self.device, self.dtype).eval()
        self.network.load_state_dict(load_file(folder / WEIGHTS))
        if self.image:
            self.network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - torch's stub lacks it
        if self.about["dropout_seed"] is not None:
            for module in self.network.modules():
                if isinstance(module, nn.modules.dropout._DropoutNd):  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - the class that all have in common
                    module.train()

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Tell the classes, the labels or the numbers of raw examples.

        Args:
            model_input: uint8 images (N, H, W) or (N, H, W, C); a table's rows, a DataFrame with its raw columns;
                tokens, int64 (N, length); or other tensors, float32 (N, ...).
            params: `threads` to compute with; other numbers than 1, that of the training, may change the last bits.

        Returns:
            A row an example: `label`, the likeliest class, and for every class `probability_NAME`. For several labels
            the latter alone, which do not sum to 1. For numbers `prediction`, in their unit.

        Raises:
            ValueError: examples of another type, shape or without a column; says what is wanted.

        """
        threads = int((params or {}).get("threads", 1))
        parts = [model_input]
        if isinstance(model_input, pd.DataFrame) and self.about["dropout_seed"] is None:
            some = AT_ONCE * self.about["batch"]
            parts = [model_input[at : at + some] for at in range(0, max(1, len(model_input)), some)]
        logits = torch.cat([self.logits(self.examples(part), threads) for part in parts])
        if self.about["task"] == "regression":
            mean, deviation = self.about["scale"]
            return pd.DataFrame({"prediction": (logits[:, 0].double() * deviation + mean).numpy()})
        classes = self.about["classes"]
        if self.about["task"] == "multilabel":
            shares = logits.double().sigmoid().numpy()
            return pd.DataFrame({f"probability_{name}": shares[:, i] for i, name in enumerate(classes)})
        labels = logits.argmax(1) if logits.shape[1] > 1 else (logits[:, 0] > 0).long()
        if logits.shape[1] == 1:
            logits = torch.cat([torch.zeros_like(logits), logits], 1)  # whose softmax is the sigmoid
        shares = logits.double().softmax(1).numpy()
        found = {"label": [classes[label] for label in labels.tolist()]}
        return pd.DataFrame({**found, **{f"probability_{name}": shares[:, i] for i, name in enumerate(classes)}})

    def examples(self, given: Any) -> Tensor:
        """Check raw examples; uint8 (N, H, W, C), float32 (N, F), int64 (N, length) or float32 (N, ...)."""
        if self.about["kind"] == "tokens":
            return torch.from_numpy(self._tokens(given))
        if self.about["kind"] == "tensor":
            return torch.from_numpy(self._tensors(given))
        return torch.from_numpy(self._images(given) if self.image else self._rows(given))

    @torch.inference_mode()
    def logits(self, examples: Tensor, threads: int = 1) -> Tensor:
        """Compute the outputs of the network, (N, classes) or (N, 1), in the batches of the training's evaluation."""
        with self.as_in_training(threads):
            batches = [self._forward(some.to(self.device)).cpu() for some in examples.split(self.about["batch"])]
        return torch.cat(batches)

    def _forward(self, examples: Tensor) -> Tensor:
        inputs = self.prepare(examples)
        inputs = inputs.to(self.dtype) if inputs.is_floating_point() else inputs
        if not self.about["autocast"]:
            return self.network(inputs)
        with torch.autocast(torch.device(self.device).type, torch.bfloat16):
            return self.network(inputs).float()

    def _images(self, given: Any) -> np.ndarray:
        images, shape = np.asarray(given), tuple(self.about["shape"])
        if images.ndim == 3 and shape[2] == 1:
            images = images[..., None]
        if images.dtype != np.uint8 or images.shape[1:] != shape:
            what = f"{images.dtype} {images.shape}"
            raise ValueError(f"expected uint8 images of shape (N, {', '.join(map(str, shape))}), got {what}")
        return np.ascontiguousarray(images)

    def _tokens(self, given: Any) -> np.ndarray:
        tokens, wanted = np.asarray(given), tuple(self.about["shape"])
        if tokens.dtype.kind not in "iu" or tokens.shape[1:] != wanted:
            raise ValueError(f"expected whole numbers of shape (N, {wanted[0]}), got {tokens.dtype} {tokens.shape}")
        if tokens.size and not 0 <= tokens.min() <= tokens.max() < self.about["vocabulary"]:
            raise ValueError(f"expected tokens from 0 to {self.about['vocabulary'] - 1}")
        return np.ascontiguousarray(tokens, np.int64)

    def _tensors(self, given: Any) -> np.ndarray:
        tensors, wanted = np.asarray(given), tuple(self.about["shape"])
        if tensors.dtype.kind not in "iuf" or tensors.shape[1:] != wanted:
            shape = ", ".join(map(str, wanted))
            raise ValueError(f"expected numbers of shape (N, {shape}), got {tensors.dtype} {tensors.shape}")
        return np.ascontiguousarray(tensors, np.float32)

    def _rows(self, given: Any) -> np.ndarray:
        if not isinstance(given, pd.DataFrame):
            raise TypeError(f"expected a DataFrame, got a {type(given).__name__}")
        if lacking := [column["name"] for column in self.about["columns"] if column["name"] not in given]:
            raise ValueError(f"columns are missing: {', '.join(lacking)}")
        parts = [_column(cast("pd.Series", given[column["name"]]), column) for column in self.about["columns"]]
        return np.concatenate(parts, axis=1)

    @contextmanager
    def as_in_training(self, threads: int = 1) -> Generator[None]:
        """Compute as the training did; leave the caller's threads, denormal numbers and random numbers as they were."""
        before, flushed = torch.get_num_threads(), float(torch.tensor(1e-40) * 1) == 0.0
        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        try:
            with torch.random.fork_rng([self.device] if self.device.startswith("cuda") else []):
                if self.about["dropout_seed"] is not None:
                    torch.manual_seed(self.about["dropout_seed"])
                yield
        finally:
            torch.set_flush_denormal(flushed)
            torch.set_num_threads(before)


def build(description: Mapping[str, Any]) -> nn.Module:
    """Build a network, its weights not yet those of the training, from what `study.engine.export` says of it."""
    kind = description["type"]
    if "layers" in description:
        return _kind(kind)(*map(build, description["layers"]))
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in description["given"].items()}
    return _kind(kind)(**given)


def _kind(name: str) -> Any:
    """Find a layer by its name, a person's own network by `module:name`."""
    module, _, own = name.rpartition(":")
    if module:
        return getattr(importlib.import_module(module), own)
    return getattr(layers, name) if hasattr(layers, name) else getattr(nn, name)


def device_for(trained: str) -> str:
    """Choose MLflow's own variable, else the kind of device that the training had, else the CPU."""
    wanted = os.environ.get("MLFLOW_DEFAULT_PREDICTION_DEVICE") or trained
    return "cuda:0" if wanted.startswith("cuda") and torch.cuda.is_available() else "cpu"


def _column(values: pd.Series, column: Mapping[str, Any]) -> np.ndarray:
    """Turn a raw column into float32 (N, 1), NaN where missing; of categories (N, categories), all 0 where missing."""
    if "categories" in column:
        codes = _codes(values, column["categories"])
        found = np.zeros((len(values), len(column["categories"])), np.float32)
        found[codes >= 0, codes[codes >= 0]] = 1
        return found
    try:
        with np.errstate(over="ignore"):
            known = values.astype("object").where(values.notna(), np.nan)
            numbers = (known - column.get("offset", 0)).to_numpy(np.float64).astype(np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"column {column['name']!r} contains a value that is not a number: {error}") from error
    if np.isinf(numbers).any():
        raise ValueError(f"column {column['name']!r} has infinite values, or some too large for float32")
    return numbers[:, None]


def _codes(values: pd.Series, categories: list[str]) -> np.ndarray:
    """Number the category of each row, -1 for a missing or a new one, as the import does: 1 and 1.0 are one."""
    known, written = pd.Index(categories), values.astype("str").where(values.notna())
    codes = known.get_indexer(pd.Index(written))
    if len(lost := np.flatnonzero((codes < 0) & written.notna())):
        rest = written.iloc[lost]
        whole = rest.str.removesuffix(".0")
        codes[lost] = known.get_indexer(pd.Index(whole.where(whole != rest, rest + ".0")))
    return codes


def _load_pyfunc(path: str) -> Served:  # pyright: ignore[reportUnusedFunction] - MLflow calls it
    return Served(Path(path))
