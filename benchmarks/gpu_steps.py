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
    from collections.abc import Callable, Generator, Sequence

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
    """A function of tensors as one CUDA graph: it is called plainly a few times, captured, and replayed from then on.

    Args:
        function: from tensors, always of the same shapes, to a tensor; what else it changes, it changes in place.
        device: as torch spells it; without a GPU `Repeated` stands for the graph.
        generators: from which it draws, beside torch's own.

    """

    def __init__(
        self, function: Callable[..., Tensor], device: str, generators: Sequence[torch.Generator] = ()
    ) -> None:
        """Capture nothing yet."""
        self._function, self._calls = function, 0
        self._graph = Graph(generators) if device.startswith("cuda") else Repeated()

    def __call__(self, *given: Tensor) -> Tensor:
        """Call the function; what it gives is good until the next call."""
        self._calls += 1
        if self._calls <= WARM:
            return self._graph.warm(lambda: self._function(*given))
        if self._calls == WARM + 1:
            self._given = [each.clone() for each in given]
            self._found = self._graph.capture(lambda: self._function(*self._given))
        for ours, each in zip(self._given, given, strict=True):
            ours.copy_(each)
        self._graph.replay()
        return self._found


class Graph:
    """A CUDA graph."""

    def __init__(self, generators: Sequence[torch.Generator]) -> None:
        """Make an empty one, for a function that draws from these generators beside torch's own."""
        self._graph, self._generators = torch.cuda.CUDAGraph(), generators

    def warm(self, call: Callable[[], Tensor]) -> Tensor:
        """Call a function on another stream, as it is captured, so that libraries set themselves up."""
        stream, usual = torch.cuda.Stream(), torch.cuda.current_stream()
        stream.wait_stream(usual)
        with torch.cuda.stream(stream):
            found = call()
        usual.wait_stream(stream)
        return found

    def capture(self, call: Callable[[], Tensor]) -> Tensor:
        """Capture a call, of which nothing is computed yet; gives the memory of what it will give."""
        torch.cuda.synchronize()
        for each in self._generators:
            self._graph.register_generator_state(each)
        with torch.cuda.graph(self._graph):
            return call()

    def replay(self) -> None:
        """Compute it."""
        self._graph.replay()


class Repeated:
    """What stands for a graph where there is no GPU: the same call again, on the same memory."""

    def warm(self, call: Callable[[], Tensor]) -> Tensor:
        """Call a function."""
        return call()

    def capture(self, call: Callable[[], Tensor]) -> Tensor:
        """Keep a call, of which nothing is computed yet; gives the memory of what it will give."""
        self._call, self._found = call, torch.empty(0)
        return self._found

    def replay(self) -> None:
        """Compute it."""
        found = self._call()
        self._found.resize_(found.shape).copy_(found)


def captured(plain: Plain) -> Captured:
    """Capture a step; its optimizer must be a fused Adam."""
    return Captured(plain, plain.parts.device, [plain.generator])


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
