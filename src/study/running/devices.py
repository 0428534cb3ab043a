"""This machine's devices as its drivers tell, without torch: for `study doctor`. A training asks torch itself."""

from __future__ import annotations

import ctypes
import platform
import re
from importlib.util import find_spec
from pathlib import Path

from study.errors import DeviceError

NAME = 256  # bytes of a device's name


def present() -> list[str]:
    """Name every device that torch can use, with what it is, the fastest kind first, such as `cuda:0 (NVIDIA H100)`.

    Raises:
        DeviceError: there is a GPU, and the torch that is installed cannot use it.

    """
    built_for = _built_for()
    if "hip" in built_for:  # AMD's driver has no call as simple
        from study.engine.device import devices  # noqa: PLC0415 - torch

        return devices()
    gpus = _gpus()
    if gpus and "cuda" not in built_for:
        fix = "Install torch with CUDA: see pytorch.org, Get started."
        raise DeviceError(f"torch is installed without CUDA, and there is {gpus[0]}", fix=fix)
    mps = ["mps"] if platform.system() == "Darwin" and platform.machine() == "arm64" else []
    return [*(f"cuda:{index} ({gpu})" for index, gpu in enumerate(gpus)), *mps, "cpu"]


def _built_for() -> list[str]:
    """Tell whether the torch that is installed was built for cuda or hip, by its file of versions."""
    spec = find_spec("torch")
    file = Path(spec.origin or "").with_name("version.py") if spec else None
    text = file.read_text(encoding="utf-8") if file and file.exists() else ""
    return re.findall(r"""^(cuda|hip)\b[^=\n]*=\s*["']""", text, re.MULTILINE)


def _gpus() -> list[str]:
    """Ask NVIDIA's driver; it keeps to CUDA_VISIBLE_DEVICES."""
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
