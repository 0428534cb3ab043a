"""Which device to train on, by torch's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from study.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

CONTEXT = 600 << 20  # bytes that CUDA and its libraries take of a GPU for a process, beside torch's allocator
FAILURES = (  # what torch says where a device, not a size or a type, is the trouble
    "CUDA error", "HIP error", "CUBLAS_STATUS_", "CUDNN_STATUS_", "cuDNN error", "cuFFT error", "NCCL error",
    "device-side assert", "MPS error", "command buffer exited",
)  # fmt: skip


def pick(name: str) -> str:
    """Name the device to use: `auto` is cuda, else mps, else cpu; any other name must be there.

    Raises:
        DeviceError: this machine has no such device; lists those that it has.

    """
    there = devices()
    if name == "auto":
        return there[0]
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in there:
        raise DeviceError(f"no device {name!r} on this machine", fix=f"There are: {', '.join(there)}.")
    return name


def usable(name: str) -> list[str]:
    """List the devices to train on: all of a kind for `auto` and `cuda`, else the one that was named.

    Raises:
        DeviceError: as `pick`.

    """
    picked = pick(name)
    if name not in {"auto", "cuda"}:
        return [picked]
    return [each for each in devices() if each.startswith(picked.removesuffix(":0"))]


def has_failed(error: BaseException) -> bool:
    """Tell whether an error means that this process can use its device no more: CUDA remembers the first failure.

    A device that is out of memory has not failed.
    """
    chain: list[BaseException] = []
    step: BaseException | None = error
    while step is not None and step not in chain:
        chain.append(step)
        step = step.__cause__ or step.__context__
    return any(map(_is_failure, chain))


def _is_failure(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError):
        return False
    return isinstance(error, torch.AcceleratorError) or (
        isinstance(error, RuntimeError) and any(sign in str(error) for sign in FAILURES)
    )


def losses_read(name: str) -> Callable[[Tensor], float]:
    """Make the function that reads a loss of a training now and then.

    On a GPU of CUDA's it gives the loss that it was given the time before, 0 at first: that one has been copied, and
    nothing waits until the GPU has done what was asked of it since.
    """
    if not name.startswith("cuda"):
        return lambda loss: loss.item()
    before: list[tuple[Tensor, torch.cuda.Event]] = []

    def read(loss: Tensor) -> float:
        copy = torch.empty((), dtype=loss.dtype, pin_memory=True).copy_(loss, non_blocking=True)
        copied = torch.cuda.Event()
        copied.record()
        before.append((copy, copied))
        if len(before) == 1:
            return 0.0
        earlier, is_there = before.pop(0)
        is_there.synchronize()
        return earlier.item()

    return read


def memory_share(name: str) -> float:
    """Give the share of a GPU's memory that this process has needed since `forget_memory`; 0 without a GPU of CUDA's.

    It is the most that torch's allocator had reserved, and `CONTEXT` for CUDA itself.
    """
    if not name.startswith("cuda"):
        return 0.0
    return (torch.cuda.max_memory_reserved(name) + CONTEXT) / torch.cuda.get_device_properties(name).total_memory


def forget_memory(name: str) -> None:
    """Give back what torch's allocator keeps of earlier trainings, and measure anew."""
    if name.startswith("cuda"):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(name)


def devices() -> list[str]:
    """Every device of this machine, the fastest kind first."""
    found = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return [*found, *(["mps"] if torch.backends.mps.is_available() else []), "cpu"]
