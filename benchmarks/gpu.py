"""Every figure that needs a GPU, and the tests that do, in less than eight minutes on one with 16 cores.

    python -m benchmarks.gpu                     the table, and gpu.json
    python -m benchmarks.gpu --quick             less of everything
    python -m benchmarks.gpu --cpu               all of the code at a tiny size: the figures say nothing

Run it at the root of the repository. It needs torch, numpy, pydantic, optuna and safetensors; `study` is not installed.
CIFAR-10 and MNIST are taken from the cache folder if both are there, else random images of their shapes. Each part is a
process of its own (gpu_checks.py, gpu_epoch.py, gpu_lanes.py, gpu_search.py): one that fails is a row that says why.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import gpu_rows
from benchmarks.gpu_rows import ROOT

if TYPE_CHECKING:
    import argparse

PARTS = {"checks": 100, "epoch": 90, "lanes": 90, "search": 460}  # seconds at most; the last has what is left
WHOLE = 460.0  # seconds


@dataclass
class Table:
    """The rows, printed as they come and written to a file each time.

    Args:
        file: for the rows as JSON.
        about: device and versions.
        rows: that were found.
        lock: of the parts that run at the same time, which they do on a CPU, where figures say nothing.

    """

    file: Path
    about: dict[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def take(self, line: str) -> None:
        """Take a line of a part: about the device, or a row; what else a library prints is passed on."""
        try:
            told = json.loads(line)
        except ValueError:
            print(line, end="", file=sys.stderr)
            return
        with self.lock:
            if "about" in told:
                self.about.update(told["about"])
            else:
                self.add(told)

    def add(self, row: dict[str, Any]) -> None:
        """Print a row, the head of the table before the first."""
        if not self.rows:
            print(", ".join(f"{name} {value}" for name, value in self.about.items()))
            print("\n| what | found | goal | n | note |\n|---|---:|---:|---:|---|")
        self.rows.append(row)
        cells = [str(row.get(name, "")).replace("|", "/") for name in ("what", "found", "goal", "n", "note")]
        print(f"| {' | '.join(cells)} |", flush=True)
        self.file.write_text(json.dumps({"about": self.about, "rows": self.rows}, indent=1) + "\n")


def run(
    part: str, table: Table, asked: argparse.Namespace, limit: float, end_of_all: float, environment: dict[str, str]
) -> bool:
    """Run a part; one that fails or takes too long is a row. Tell whether it ended well."""
    until = min(time.time() + limit, end_of_all)
    command = [sys.executable, "-m", f"benchmarks.gpu_{part}", *asked.flags]
    command += ["--until", str(until - 10), "--folder", str(asked.folder)]
    with (asked.folder / f"{part}.log").open("w+") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT, env=environment, start_new_session=True
        )
        late = threading.Event()

        def end() -> None:
            late.set()
            os.killpg(process.pid, signal.SIGKILL)

        clock = threading.Timer(max(1.0, until - time.time()), end)
        clock.start()
        assert process.stdout is not None
        for line in process.stdout:
            table.take(line)
        code = process.wait()
        clock.cancel()
        errors.seek(0)
        said = [line.strip() for line in errors if line.strip()]
    if code:
        why = "took too long and was ended" if late.is_set() else (said or [f"ended with {code}"])[-1]
        with table.lock:
            table.add({"what": part, "found": "error", "note": why[:300]})
    return not code


def main() -> None:
    """Run all parts and print the table; the exit code is 1 if one failed."""
    asked, began = gpu_rows.arguments(__doc__), time.time()
    with tempfile.TemporaryDirectory(prefix="gpu-") as folder:
        asked.folder, environment = Path(folder), dict(os.environ)
        environment["OMP_NUM_THREADS"] = "1"  # as a worker of a search has it
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
        data = "CIFAR-10 and MNIST"
        if asked.cpu or not gpu_rows.has_images():
            data = "random images of the shapes of CIFAR-10 and MNIST"
            environment["STUDY_CACHE"] = os.environ["STUDY_CACHE"] = str(asked.folder / "cache")
            gpu_rows.make_images(asked.size.images)
        table = Table(asked.json, {"data": data, "cores": len(os.sched_getaffinity(0))})
        try:
            with ThreadPoolExecutor(len(PARTS) if asked.cpu else 1) as pool:
                started = [
                    pool.submit(run, part, table, asked, limit, began + WHOLE, environment)
                    for part, limit in PARTS.items()
                ]
            well = [each.result() for each in started]
        finally:
            from benchmarks.gpu_search import end_mps

            end_mps(asked.folder)
    print(f"\n{time.time() - began:.0f} s; {len(table.rows)} rows in {asked.json}")
    sys.exit(not all(well))


if __name__ == "__main__":
    main()
