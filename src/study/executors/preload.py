"""Imports of the server that forks the workers: each worker has them loaded from its start."""

from __future__ import annotations

import ctypes
import ctypes.util
import gc
import os
import sys

from study.processes import ignore_signals

# glibc's mallopt parameters, from malloc.h
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3


def keep_freed_memory() -> None:
    """Let malloc reuse big buffers instead of returning them to the kernel after every step (x1.3 on CNNs)."""
    name = ctypes.util.find_library("c") if sys.platform == "linux" else None
    mallopt = getattr(ctypes.CDLL(name), "mallopt", None) if name else None
    if mallopt:  # another C library keeps its own settings
        mallopt(M_MMAP_THRESHOLD, 32 << 20)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(M_TOP_PAD, 256 << 20)


ignore_signals()  # before torch is loaded, which takes seconds
keep_freed_memory()
os.environ["OMP_NUM_THREADS"] = "1"  # torch reads it while it loads; a worker has one thread

gc.disable()  # it finds nothing in what is loaded, and takes a fifth of the time

import study.engine  # noqa: E402 # pyright: ignore[reportUnusedImport]
import study.executors.worker  # noqa: E402, F401 # pyright: ignore[reportUnusedImport]

gc.enable()
