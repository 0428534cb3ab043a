"""Who runs a study: a process by its machine, number and start, so that a dead one is known at once."""

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
        command: that started it, for people.

    """
    return {"host": socket.gethostname(), "since": time.time(), "command": command, **known(os.getpid())}


def known(pid: int) -> dict[str, Any]:
    """Describe a process of this machine, as far as `is_dead` needs it: its machine, number and start."""
    return {"pid": pid, "machine": _machine(), "started": _stat(pid)[1]}


def is_here(who: Mapping[str, Any]) -> bool:
    """Tell whether a process is one of this machine since its last start, and of this container."""
    return who.get("machine") == _machine()


def is_dead(who: Mapping[str, Any]) -> bool:
    """Tell whether a process is known to have ended; False for one of another machine or container."""
    if not is_here(who) or not isinstance(who.get("pid"), int):
        return False
    try:
        os.kill(who["pid"], 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    state, started = _stat(who["pid"])
    return state == "Z" or started != who.get("started")  # its number may be another's by now


def is_this(who: Mapping[str, Any]) -> bool:
    """Tell whether it is this very process."""
    return (who.get("machine"), who.get("pid"), who.get("started")) == (_machine(), os.getpid(), _stat(os.getpid())[1])


def describe(who: Mapping[str, Any]) -> str:
    """Name a process, its machine, since when it runs the study, and by which command.

    Raises:
        KeyError, TypeError: not the description of a process.

    """
    since = datetime.fromtimestamp(who["since"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    suspended = is_here(who) and _stat(who["pid"])[0] == "T"
    but = f", but is suspended: `kill -CONT {who['pid']}` lets it go on" if suspended else ""
    return f"process {who['pid']} on {who['host']} runs it since {since} ({who['command']}){but}"


def _machine() -> str:
    """Identify the machine since its last start, and the container: elsewhere a process's number means nothing."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not Linux
        return f"{socket.gethostname()} {uuid.getnode()}"


def _stat(pid: int) -> tuple[str, str]:
    """Give a process's state, such as Z of a zombie and T of a suspended one, and its start; empty if unknown."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return "", ""
    return fields[0], fields[19]
