"""Seconds until a command answers, and until a search takes its first training step, as ratios in one run.

    python benchmarks/startup.py --rounds 7        # --quick: 3 rounds, 20 trials

Each round starts every command once, in turn, so that a machine that slows down slows all of them; one round before
the first fills the disk's cache. A row gives the median, least and most, and the median over its reference's, which is
one of: bare Python, `import torch`, or MLflow opening the same database. A goal beside it that is not met is marked.

The first step is that of a search of two trials with recipes of one step, on scikit-learn's digits: from the start of
the process to the first epoch in a trial's folder, which is that step, its evaluation and its checkpoint.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

STUDY = [sys.executable, "-m", "study"]
FILE = """
from study import Recipe, Study

study = Study(
    name="many",
    recipe=Recipe(dataset="digits", model="mlp", hidden=(8,), steps=1),
    space=lambda trial: {"lr": trial.suggest_float("lr", 1e-4, 1e-1, log=True)},
    variants={"baseline": {}},
)
"""
TABLE = FILE.replace('"many"', '"table"').replace('"digits"', '"breast_cancer"')
MODELS = "import sys; from mlflow import MlflowClient; MlflowClient(sys.argv[1]).search_registered_models()"
PATIENCE = 300.0  # seconds


@dataclass(frozen=True)
class Row:
    """A command, what it is compared with, and the largest ratio that is wished for.

    Args:
        name: as it is shown.
        run: starts the command and gives its seconds.
        reference: name of another row.
        goal: ratio; None if none is set.

    """

    name: str
    run: Callable[[], float]
    reference: str
    goal: float | None = None
    seconds: list[float] = field(default_factory=list)


def to_the_end(*command: str) -> Callable[[], float]:
    """Time a command until it ends."""

    def run() -> float:
        began = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        return time.perf_counter() - began

    return run


def search(until: Callable[[subprocess.Popen[str], Path], None]) -> Callable[[], float]:
    """Time a new search until something is seen of it; then end it."""

    def run() -> float:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
            began = time.perf_counter()
            command = [*STUDY, "run", "many.py", "--trials", "2", "--home", home]
            process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
            until(process, Path(home))
            seconds = time.perf_counter() - began
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return seconds

    return run


def first_line(process: subprocess.Popen[str], _home: Path) -> None:
    """Wait for the first line."""
    assert process.stderr is not None
    assert process.stderr.readline()


def first_step(process: subprocess.Popen[str], home: Path) -> None:
    """Wait for the first epoch in a trial's folder."""
    deadline = time.monotonic() + PATIENCE
    while not any('"epoch"' in log.read_text() for log in home.glob("studies/many/trials/*/log.jsonl")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)


def rows(home: Path) -> list[Row]:
    """List what is timed: references first."""
    database = f"sqlite:///{home / 'mlflow.db'}"
    here = ("--home", str(home))
    return [
        Row("python -c pass", to_the_end(sys.executable, "-c", "pass"), "python -c pass"),
        Row("import torch", to_the_end(sys.executable, "-c", "import torch"), "import torch"),
        Row("MLflow lists models", to_the_end(sys.executable, "-c", MODELS, database), "MLflow lists models"),
        Row("study --help", to_the_end(*STUDY, "--help"), "python -c pass", 12),
        Row("study run: first line", search(first_line), "import torch"),
        Row("study run: first training step", search(first_step), "import torch", 1.3),
        Row("study show", to_the_end(*STUDY, "show", "many", *here), "import torch", 1 / 3),
        Row("study list", to_the_end(*STUDY, "list", *here), "import torch", 1 / 3),
        Row("study doctor", to_the_end(*STUDY, "doctor", *here), "import torch", 1 / 3),
        Row("study report, table", to_the_end(*STUDY, "report", "table", "-o", "t.html", *here), "import torch", 1 / 3),
        Row("study report, images", to_the_end(*STUDY, "report", "many", "-o", "m.html", *here), "import torch"),
        Row("study models", to_the_end(*STUDY, "models", *here), "MLflow lists models", 1),
    ]


def prepare(home: Path, trials: int) -> None:
    """Make data, results of two studies, and MLflow's database, in the working folder."""
    Path("many.py").write_text(FILE)
    Path("table.py").write_text(TABLE)
    for name in ("many", "table"):
        words = ["run", f"{name}.py", "--trials", str(trials), "--home", str(home)]
        subprocess.run([*STUDY, *words], check=True, capture_output=True)


def main() -> None:
    """Time all rows in turn; print them, and as JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="3 rounds, studies of 20 trials instead of 100")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    rounds, trials = (3, 20) if asked.quick else (asked.rounds, 100)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["STUDY_CACHE"] = folder  # nothing is found that was made before
        home = Path(folder) / "mlruns"
        prepare(home, trials)
        timed = rows(home)
        for turn in range(rounds + 1):
            for row in timed:
                seconds = row.run()
                if turn:
                    row.seconds.append(seconds)
        os.chdir("/")
    medians = {row.name: statistics.median(row.seconds) for row in timed}
    if asked.json:
        print(json.dumps({row.name: row.seconds for row in timed}, indent=2))
        return
    print(f"medians of n={rounds}, commands in turn; {trials} trials in `show`, `list`, `doctor`, `report`")
    for row in timed:
        ratio = medians[row.name] / medians[row.reference]
        goal = "" if row.goal is None else f"goal {row.goal:.2f}" + ("" if ratio <= row.goal else ", not met")
        spread = f"({min(row.seconds):.2f} to {max(row.seconds):.2f})"
        print(f"{row.name:31} {medians[row.name]:6.2f} s {spread:18} {ratio:6.2f} x {row.reference:20} {goal}".rstrip())


if __name__ == "__main__":
    main()
