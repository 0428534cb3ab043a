"""How processes of ours are started: they leave Ctrl-C to the one that started them, and never run its script again."""

from __future__ import annotations

import signal
import sys
import threading
import types
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def interrupts_held() -> Generator[None]:
    """Start processes that ignore Ctrl-C: a terminal sends it to all of them, and the coordinator handles it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    resource_tracker.ensure_running()  # its start unblocks the signal
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextmanager
def no_main_module() -> Generator[None]:
    """Keep a child from running the caller's script again; import paths name all that it needs."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
