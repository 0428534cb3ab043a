"""Lists this machine's devices from its drivers, without torch, for `study doctor`. Trainings ask torch."""

from __future__ import annotations

import ctypes
import platform
import re
from importlib.util import find_spec
from pathlib import Path

from study.errors import DeviceError

NAME = 256  # size of a device name in bytes


def present() -> list[str]:
    """List all devices that torch can use, the fastest kind first, such as `cuda:0 (NVIDIA H100)`.

    Raises:
        DeviceError: the installed torch cannot use the GPU.

    """
    built_for = _built_for()
    if "hip" in built_for:  # AMD's driver has no equally simple call
        from study.engine.device import devices  # noqa: PLC0415 - torch

        return devices()
    gpus = _gpus()
    if gpus and "cuda" not in built_for:
        fix = "Install torch with CUDA: see pytorch.org, Get started."
        raise DeviceError(f"torch is installed without CUDA, and there is {gpus[0]}", fix=fix)
    mps = ["mps"] if platform.system() == "Darwin" and platform.machine() == "arm64" else []
    return [*(f"cuda:{index} ({gpu})" for index, gpu in enumerate(gpus)), *mps, "cpu"]


def _built_for() -> list[str]:
    """Read from torch's version file whether it was built for CUDA or HIP."""
    spec = find_spec("torch")
    file = Path(spec.origin or "").with_name("version.py") if spec else None
    text = file.read_text(encoding="utf-8") if file and file.exists() else ""
    return re.findall(r"""^(cuda|hip)\b[^=\n]*=\s*["']""", text, re.MULTILINE)


def _gpus() -> list[str]:
    """List the GPUs from NVIDIA's driver, which respects CUDA_VISIBLE_DEVICES."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return []
    count, device, name = ctypes.c_int(), ctypes.c_int(), ctypes.create_string_buffer(NAME)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return []
    names: list[str] = []
    for index in range(count.value):
        driver.cuDeviceGet(ctypes.byref(device), index)
        driver.cuDeviceGetName(name, NAME, device)
        names.append(name.value.decode(errors="replace"))
    return names
