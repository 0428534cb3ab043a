"""Identifies the process that runs a study by machine, PID and start time, so that a dead one is detected at once."""

from __future__ import annotations

import os
import socket
import time
import uuid
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def this_process(command: str) -> dict[str, Any]:
    """Describe this process as the one that runs a study from now on.

    Args:
        command: command that started it, for display.

    """
    return {"host": socket.gethostname(), "since": time.time(), "command": command, **known(os.getpid())}


def known(pid: int) -> dict[str, Any]:
    """Describe a process of this machine for `is_dead`: machine, PID and start time."""
    return {"pid": pid, "machine": _machine(), "started": _stat(pid)[1]}


def is_here(who: Mapping[str, Any]) -> bool:
    """Tell whether a process belongs to this machine since its latest boot, and to this container."""
    return who.get("machine") == _machine()


def is_dead(who: Mapping[str, Any]) -> bool:
    """Tell whether a process is known to have ended; False for another machine or container."""
    if not is_here(who) or not isinstance(who.get("pid"), int):
        return False
    try:
        os.kill(who["pid"], 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    state, started = _stat(who["pid"])
    return state == "Z" or started != who.get("started")  # the PID may have been reused


def is_this(who: Mapping[str, Any]) -> bool:
    """Tell whether it is this process."""
    return (who.get("machine"), who.get("pid"), who.get("started")) == (_machine(), os.getpid(), _stat(os.getpid())[1])


def describe(who: Mapping[str, Any]) -> str:
    """Describe a process: PID, machine, since when it has run the study, and its command.

    Raises:
        KeyError, TypeError: `who` does not describe a process.

    """
    since = datetime.fromtimestamp(who["since"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    suspended = is_here(who) and _stat(who["pid"])[0] == "T"
    but = f", but is suspended: `kill -CONT {who['pid']}` lets it go on" if suspended else ""
    return f"process {who['pid']} on {who['host']} runs it since {since} ({who['command']}){but}"


def _machine() -> str:
    """Identify the machine since its latest boot, and the container: a PID is only valid within them."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not Linux
        return f"{socket.gethostname()} {uuid.getnode()}"


def _stat(pid: int) -> tuple[str, str]:
    """Return a process's state, such as Z for zombie and T for suspended, and its start time; empty if unknown."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return "", ""
    return fields[0], fields[19]
