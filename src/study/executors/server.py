"""The server that workers are forked from: a process that loads torch, started before all else.

It needs seconds to load, in which the coordinator loads what it needs itself. This module imports nothing heavy.
"""

from __future__ import annotations

import os
import signal
import time
from multiprocessing import forkserver, get_context

from study.processes import signals_held


def start() -> None:
    """Start the server unless it runs; it begins to load torch, and this returns at once."""
    get_context("forkserver").set_forkserver_preload(["study.executors.preload"])
    with signals_held():
        forkserver.ensure_running()


def stop() -> None:
    """End the server, which may still be loading; without one it does nothing."""
    server = forkserver._forkserver  # noqa: SLF001 # pyright: ignore - it has no public way to end it
    pid = getattr(server, "_forkserver_pid", None)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
        server._stop()  # noqa: SLF001 # pyright: ignore - waits for it


def has_been_killed(patience: float) -> bool:
    """Tell whether the server has ended, which it does only if it is killed; wait for that if it may take a moment."""
    until = time.monotonic() + patience
    while is_running():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def is_running() -> bool:
    """Tell whether the server runs; one that has ended was killed."""
    pid = getattr(forkserver._forkserver, "_forkserver_pid", None)  # noqa: SLF001 # pyright: ignore - as in `stop`
    try:
        return pid is not None and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False


def cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
