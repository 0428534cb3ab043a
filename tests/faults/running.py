"""One search under faults: its processes, what they print and when, and the means that a fault has."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from tests.faults.shim import Shim

SMALL = Path(__file__).with_name("small.py")
SILENCE = 10.0  # seconds without a line, in which no process of the search had anything to do
LEAVING = 5.0  # the same, from a signal to the end
TICK = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run, and which faults happen when; a seed gives the same one everywhere.

    Args:
        seed: of the plan.
        storage: sqlite or postgresql.
        trials: number of them.
        workers: at a time.
        seconds: that each epoch takes longer.
        faults: name, lines of the logs to wait for before it, and seconds after these; both 0 for "at once".

    """

    seed: int
    storage: str
    trials: int
    workers: int
    seconds: float
    faults: tuple[tuple[str, int, float], ...]

    def kinds(self) -> set[str]:
        """Give the names of its faults."""
        return {name for name, _, _ in self.faults}


@dataclass
class Search:
    """A search that is run until it has ended well, however often it is disturbed."""

    plan: Plan
    home: Path
    storage: str
    shim: Shim
    chance: random.Random
    process: subprocess.Popen | None = None
    lines: list[str] = field(default_factory=list)
    first: int = 0  # of the lines of the present process, or of the last one
    violations: list[str] = field(default_factory=list)
    allowed: set[int] = field(default_factory=set)  # exit codes of the present process, beside 0
    enqueued: list[float] = field(default_factory=list)  # the lr of each
    healing: list[Callable[[], None]] = field(default_factory=list)
    has_spoken: bool = False  # the present process, which before its first line may still be the interpreter alone
    idle: float = 0.0  # seconds since the last line in which no process had anything to do
    longest: float = 0.0
    is_frozen: bool = False
    _news: queue.SimpleQueue = field(default_factory=queue.SimpleQueue)

    def command(self) -> list[str]:
        """Give the command of the plan."""
        return [
            sys.executable, "-m", "study", "run", str(SMALL), "--home", str(self.home),
            "--trials", str(self.plan.trials), "--storage", self.storage,
            "--workers", str(self.plan.workers), "--set", f"seconds={self.plan.seconds}",
        ]  # fmt: skip

    def start(self, *flags: str, shim: dict[str, int] | None = None, stdout: str = "") -> None:
        """Type the command.

        Args:
            flags: more of them.
            shim: switches of the library that counts durable operations; without it if None.
            stdout: a file that takes the place of the pipe.

        """
        environment = dict(os.environ)
        if shim is not None:
            self.shim.set(**shim)
            environment = self.shim.environment
        environment |= {"TMPDIR": str(self.home.with_name("tmp"))}
        self.allowed, self.has_spoken, self.idle, self.first = set(), False, 0.0, len(self.lines)
        pipe = subprocess.PIPE if not stdout else open(stdout, "w")  # noqa: SIM115, PTH123 - the child's
        self.process = subprocess.Popen(
            [*self.command(), *flags], stdout=pipe, env=environment, start_new_session=True,
            stderr=subprocess.PIPE if stdout else subprocess.STDOUT, text=True, errors="replace",
        )  # fmt: skip
        if stdout:
            pipe.close()
        threading.Thread(target=self._read, args=(self.process.stdout or self.process.stderr,), daemon=True).start()

    def _read(self, stream) -> None:
        with suppress(ValueError, OSError), stream:
            for line in stream:
                self._news.put(line)

    def tick(self) -> bool:
        """Look once; give whether the process still runs."""
        time.sleep(TICK)
        while not self._news.empty():
            self.lines.append(self._news.get())
            self.has_spoken, self.idle = True, 0.0
        if not self.is_frozen and not any(state in "RD" for state in self.states().values()):
            self.idle += TICK
        self.longest = max(self.longest, self.idle)
        return self.process is not None and self.process.poll() is None

    def states(self) -> dict[int, str]:
        """Give the state of each thread of the search's processes, as the kernel spells it: D waits for a disk."""
        found = {}
        for pid in self.members():
            with suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    with suppress(OSError):
                        found[int(task.name)] = (task / "stat").read_text().rpartition(")")[2].split()[0]
        return found

    def members(self) -> list[int]:
        """Give the search's processes, the coordinator first."""
        return [] if self.process is None else members(self.process.pid)

    def workers(self) -> list[int]:
        """Give the workers: grandchildren, by way of the server that forks them."""
        parents = {pid: parent_of(pid) for pid in self.members()}
        return [pid for pid, parent in parents.items() if parents.get(parent) == self.process.pid]

    def servers(self) -> list[int]:
        """Give the coordinator's children: the server that forks workers, and what multiprocessing keeps."""
        return [pid for pid in self.members() if parent_of(pid) == self.process.pid]

    def signal(self, number: int, pids: list[int]) -> None:
        """Send a signal to those that are still there."""
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def log_lines(self) -> int:
        """Count the lines of all logs."""
        return sum(path.read_bytes().count(b"\n") for path in self.home.glob("studies/small/trials/*/log.jsonl"))

    def wait_for(self, lines: int, seconds: float) -> None:
        """Wait for more lines in the logs and then some seconds, or for the end."""
        before = self.log_lines()
        while self.log_lines() < before + lines and self.tick():
            pass
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.tick():
            pass

    def ended(self, patience: float = 300.0) -> int | None:
        """Wait for the end, check how it came, and give the exit code; None if nothing was started."""
        if self.process is None:
            return None
        until = time.monotonic() + patience
        while self.tick():
            if time.monotonic() > until:
                self.violations.append(f"no end within {patience:.0f} s")
                self.signal(signal.SIGKILL, self.members())
        code = self.process.wait()
        if code not in self.allowed | {0}:
            self.violations.append(f"exit code {code}: {self.said()}")
        orphans = self.members()
        until = time.monotonic() + 60
        while orphans and time.monotonic() < until:
            time.sleep(TICK)
            orphans = self.members()
        if orphans:
            self.violations.append(f"orphans after exit code {code}: {len(orphans)}")
            self.signal(signal.SIGKILL, orphans)
        self.shim.off()
        self.tick()
        self.process = None
        return code

    def said(self) -> str:
        """Give the last lines."""
        return " / ".join(line.strip() for line in self.lines[-6:])

    def heal(self) -> None:
        """End what faults have left."""
        for each in self.healing:
            each()
        self.healing.clear()
        self.is_frozen = False

    def in_background(self, work: Callable[[], None]) -> None:
        """Run something beside the search; `heal` waits for it."""
        thread = threading.Thread(target=work)
        thread.start()
        self.healing.append(thread.join)


def members(group: int) -> list[int]:
    """List the processes of a session, the leader first; a zombie is none."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):
                parts = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(parts[3]) == group and parts[0] != "Z":
                    found.append(int(folder.name))
    return sorted(found)


def parent_of(pid: int) -> int:
    """Give a process's parent, 0 if it has gone."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0
