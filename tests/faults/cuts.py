"""Every durable operation of a small search as the moment of a kill, and of a power cut.

python -m tests.faults.cuts kill|power [--mlflow] [--share N] [--seed S]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults import disk, records
from tests.faults.shim import Shim

if TYPE_CHECKING:
    from collections.abc import Iterator

WARM = Path(__file__).with_name("warm.py")
TRIALS = 3
KILLED = -9


class Warm:
    """A process that forks a search for each order; see warm.py."""

    def __init__(self, shim: Shim, *, track: bool) -> None:
        """Start it; it takes seconds to load everything."""
        self.shim, self.track = shim, track
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        command = [sys.executable, str(WARM), *([str(shim.folder / "mlflow.db")] if track else [])]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True, env=shim.environment,
            cwd=shim.root,
        )  # fmt: skip
        assert self.process.stdout.readline() == "ready\n", self.said()

    def search(self, home: Path, trials: int = TRIALS) -> int:
        """Run the small study to its end; give the exit code."""
        self.errors.seek(0)
        self.errors.truncate()
        order = {"home": str(home), "trials": trials, "track": self.track}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def said(self) -> str:
        """Give what the last search wrote to stderr."""
        self.errors.seek(0)
        return self.errors.read()

    def close(self) -> None:
        """End it."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()


@contextmanager
def ready(folder: Path, *, track: bool) -> Iterator[tuple[Shim, Warm, Path]]:
    """Give the library, the process, and a home that an undisturbed search has made."""
    root = folder / "homes"
    root.mkdir(parents=True)
    shim = Shim(folder / "shim", root)
    warm = Warm(shim, track=track)
    try:
        home = fresh(shim, "whole", track=track)
        assert warm.search(home) == 0, warm.said()
        assert records.differences(home, TRIALS, track=track) == []
        yield shim, warm, home
    finally:
        warm.close()


def fresh(shim: Shim, name: str, *, track: bool) -> Path:
    """Make the place of a home, with MLflow's empty tables if it is told."""
    home = shim.root / name
    if track:
        home.mkdir()
        shutil.copy(shim.folder / "mlflow.db", home / "mlflow.db")
    return home


def verdict(warm: Warm, home: Path, whole: str) -> list[str]:
    """Search on, and list what is not as it would be without the fault."""
    if (code := warm.search(home)) != 0:
        return [f"the next search ends with {code}: {warm.said()[-600:]}"]
    found = records.differences(home, TRIALS, track=warm.track)
    return found if records.computed(home) == whole else [*found, "other epochs than undisturbed"]


def kill_points(shim: Shim, warm: Warm, whole: Path, *, share: int, seed: int) -> tuple[Counter, list[str]]:
    """Kill a search before and after each durable operation, of which `share` takes every so-many-th."""
    count, violations = Counter(), []
    computed, number = records.computed(whole), 1 + seed % share
    while True:
        ended = 0
        for after in (0, 1):
            home = fresh(shim, "killed", track=warm.track)
            shim.set(kill_at=number, after=after)
            code = warm.search(home)
            shim.off()
            ended += code != KILLED
            count["kills"] += code == KILLED
            found = verdict(warm, home, computed)
            violations += [f"{each} (killed {'after' if after else 'before'} {number})" for each in found]
            shutil.rmtree(home)
        if ended == 2:
            count["operations"] = number - 1
            return count, violations
        number += share


def power_cuts(shim: Shim, warm: Warm, whole: Path, *, share: int, seed: int) -> tuple[Counter, list[str]]:
    """Record a search, and go on from what a power cut after each operation leaves, in each of the four ways."""
    count, violations, seen = Counter(), [], set()
    computed = records.computed(whole)
    home = fresh(shim, "cut", track=warm.track)
    place = disk.Disk(shim.root)
    shim.set(record=1)
    assert warm.search(home) == 0, warm.said()
    shim.off()
    for number, operation in enumerate(shim.operations(), 1):
        place.take(operation)
        count["operations"] += 1
        for way, (names, contents) in disk.ways(seed + number).items():
            left = place.after_a_cut(names, contents)
            left = {path: data for path, data in left.items() if path.partition("/")[0] == "cut"}
            mark = disk.fingerprint(left)
            if mark in seen or (number + seed) % share:
                continue
            seen.add(mark)
            count["cuts"] += 1
            shutil.rmtree(home, ignore_errors=True)
            if left:
                made = {path.partition("/")[2]: data for path, data in left.items() if "/" in path}
                disk.write(made, home)
            found = verdict(warm, home, computed)
            what = f"{operation.kind} {os.path.relpath(operation.path, home)}"
            violations += [f"{each} ({way}, after {number}: {what})" for each in found]
    return count, violations


def main() -> None:
    """Print what was done and what does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["kill", "power"])
    parser.add_argument("--mlflow", action="store_true")
    parser.add_argument("--share", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    asked, began = parser.parse_args(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="study-cuts-") as folder:
        run = kill_points if asked.what == "kill" else power_cuts
        with ready(Path(folder), track=asked.mlflow) as (shim, warm, whole):
            count, violations = run(shim, warm, whole, share=asked.share, seed=asked.seed)
    print(*violations, sep="\n")
    print(f"{dict(count)}, {len(violations)} violations, {time.monotonic() - began:.0f} s")
    sys.exit(bool(violations))


if __name__ == "__main__":
    main()
