"""A step of the engine by itself, as it makes it and as a CUDA graph; and what makes the host wait in an epoch."""

from __future__ import annotations

import traceback
import warnings
from collections import Counter
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

from study.engine import step
from study.engine.train import Parts, inputs

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from torch import Tensor

ENGINE = str(Path(step.__file__).parent)
READS = {"item", "__float__", "__bool__", "__int__", "__index__", "cpu", "tolist", "numpy", "nonzero"}  # of a tensor
WARM = 3  # steps before a graph is captured, in which libraries set themselves up


class Plain:
    """Trains on a batch as the engine does, at the learning rate of the recipe.

    Args:
        parts: of the training.
        generator: of the augmentation.
        channels_last: the order of the images' memory, else torch's own.

    """

    def __init__(self, parts: Parts, generator: torch.Generator | None = None, *, channels_last: bool = True) -> None:
        """Take the network as it is."""
        self.parts = parts
        self.generator = generator or torch.Generator(parts.device).manual_seed(0)
        self._inputs: Callable[[Tensor], Tensor] = partial(inputs, parts, self.generator)
        if not channels_last:
            parts.model.to(memory_format=torch.contiguous_format)
            self._inputs = lambda rows: inputs(parts, self.generator, rows).contiguous()
        parts.model.train()
        self._update = parts.step.new_update()

    def __call__(self, rows: Tensor, targets: Tensor) -> Tensor:
        """Train on these rows of the training split, int64 (N,); gives the loss."""
        loss, _ = self.parts.step.gradient(self._inputs, rows, targets)
        self._update()
        return loss


class Captured:
    """The same as one CUDA graph: the first steps are made plainly, then one is captured, and replayed from then on."""

    def __init__(self, plain: Plain) -> None:
        """Take what is to be captured; its optimizer must be a fused Adam."""
        self._plain = plain
        self._steps = 0
        self._graph = torch.cuda.CUDAGraph()

    def __call__(self, rows: Tensor, targets: Tensor) -> Tensor:
        """Train on these rows, always equally many; gives the loss, good until the next step."""
        if self._steps < WARM:
            self._steps += 1
            return self._warm(rows, targets)
        if self._steps == WARM:
            self._steps += 1
            self._rows, self._targets = rows.clone(), targets.clone()
            self._capture()
        self._rows.copy_(rows)
        self._targets.copy_(targets)
        self._graph.replay()
        return self._loss

    def _warm(self, rows: Tensor, targets: Tensor) -> Tensor:
        stream, usual = torch.cuda.Stream(), torch.cuda.current_stream()
        stream.wait_stream(usual)
        with torch.cuda.stream(stream):
            loss = self._plain(rows, targets)
        usual.wait_stream(stream)
        return loss

    def _capture(self) -> None:
        torch.cuda.synchronize()
        self._plain.parts.optimizer.zero_grad()
        self._graph.register_generator_state(self._plain.generator)
        with torch.cuda.graph(self._graph):
            self._loss = self._plain(self._rows, self._targets)


def batches(parts: Parts, steps: int, seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    """Draw rows and targets of full batches, on the device."""
    count = len(parts.data.train)
    generator = torch.Generator().manual_seed(seed)
    places = torch.randint(count, (steps * parts.batch,), generator=generator).to(parts.device)
    rows = parts.data.train.rows.index_select(0, places)
    return list(zip(rows.split(parts.batch), parts.data.train.y.index_select(0, rows).split(parts.batch), strict=True))


class _Reads(TorchFunctionMode):
    """Counts where tensors are read by the host, which waits then if they are on a GPU."""

    def __init__(self, found: Counter[str]) -> None:
        super().__init__()
        self._found = found

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in READS:
            self._found[_place()] += 1
        return func(*args, **(kwargs or {}))


def _place() -> str:
    """Name the innermost line of the engine that is being run, or else of what has called."""
    ours = [each for each in traceback.extract_stack() if each.filename.startswith(ENGINE)]
    here = ours[-1] if ours else traceback.extract_stack()[0]
    return f"{here.filename.rpartition('/')[2]}:{here.lineno} {here.name}"


@contextmanager
def waits(device: str) -> Generator[Counter[str]]:
    """Count where the host waits for the device; on the CPU, where it would, by the tensors that it reads."""
    found: Counter[str] = Counter()
    if not device.startswith("cuda"):
        with _Reads(found):
            yield found
        return

    def note(message: Warning | str, *_: Any) -> None:
        if "synchronizing CUDA operation" in str(message):
            found[_place()] += 1

    with warnings.catch_warnings():
        torch.cuda.set_sync_debug_mode("warn")  # which itself warns
        warnings.simplefilter("always")
        warnings.showwarning = note
        try:
            yield found
        finally:
            torch.cuda.set_sync_debug_mode("default")
