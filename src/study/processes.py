"""How processes of ours are started and ended: they leave signals to the coordinator, and never run its script again.

A terminal, `timeout`, systemd and Slurm send a signal to all processes at once. The coordinator alone acts on it: it
saves, and ends the others. These ignore it, but with SIGKILL they end, with all processes of their own.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import types
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING

from study.stopping import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess


@contextmanager
def signals_held() -> Generator[None]:
    """Start processes from which the `SIGNALS` are held back: they inherit it, until `ignore_signals` if ever."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        resource_tracker.ensure_running()  # its start unblocks two of them
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def started_apart(main: Callable[..., object], *arguments: object, name: str) -> tuple[Connection, BaseProcess]:
    """Start a function in a process of its own, of a new interpreter; give our end of its pipe, and the process.

    Args:
        main: its first argument is the other end of the pipe.
        arguments: the others, which are pickled.
        name: of the process.

    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=main, args=(theirs, *arguments), name=name, daemon=True)
    with signals_held(), no_main_module():
        process.start()
    theirs.close()
    return ours, process


def ignore_signals() -> None:
    """Ignore the `SIGNALS` in this process, of which they were held back; what it executes gets them again."""
    for number in SIGNALS:
        signal.signal(number, _ignore)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def lead_group() -> None:
    """Make this process the first of a group, which `end` and `end_own_group` end as a whole.

    Processes that it forks, such as those of a DataLoader, get the signals again: by them it ends them.
    """
    os.setpgid(0, 0)
    ignore_signals()
    os.register_at_fork(after_in_child=_restore_signals)


def end(pid: int) -> None:
    """Kill a process and, if it leads one, its group."""
    for kill in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def end_own_group() -> None:
    """Kill the group that this process leads, and thereby itself."""
    os.killpg(0, signal.SIGKILL)


def end_children() -> None:
    """Kill all processes that this one has started with multiprocessing, and their groups."""
    for child in multiprocessing.active_children():
        if child.pid is not None:
            end(child.pid)


@contextmanager
def no_main_module() -> Generator[None]:
    """Keep a child from running the caller's script again; import paths name all that it needs."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _ignore(number: int, frame: object) -> None:
    """Do nothing; unlike SIG_IGN, programs that this process executes do not inherit it."""


def _restore_signals() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
