"""How much of a search's processor time is spent on recording: folders, Optuna, MLflow, pictures, and the loop.

    STUDY_DATA=FOLDER python -m benchmarks.recording            # MNIST perceptrons, epochs of about 1, 0.5 and 0.1 s

Each row is one `study run` with its default executor, in an empty home. The processor time of every process is read
from /proc until it ends, and counted from the moment when MLflow has the first news: what loads is left out. What
workers use is training, with the checkpoints that they write; everything else is recording.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from study.record.journal import Journal
from study.settings import studies_folder

POLL = 0.02  # seconds
TICK = os.sysconf("SC_CLK_TCK")
EPOCHS = 10
SIZES = {1.0: (12, 400, 50_000), 0.5: (24, 170, 50_000), 0.1: (80, 100, 10_000)}  # trials, units, images
STUDY = """
from study import Recipe, Study

study = Study(
    name="recording",
    recipe=Recipe(
        dataset="mnist", model="mlp", hidden=({units},), batch_size=100, train_size={images}, epochs={epochs}
    ),
    space=lambda trial: {{"lr": trial.suggest_float("lr", 1e-4, 1e-2, log=True)}},
)
"""
QUICK = {"seconds": [0.1]}


def table() -> dict[int, tuple[int, str, float]]:
    """Read all processes: parent, command and seconds of CPU, by id."""
    found: dict[int, tuple[int, str, float]] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        found[int(folder.name)] = int(fields[1]), command, (int(fields[11]) + int(fields[12])) / TICK
    return found


def kind(pid: int, root: int, known: dict[int, tuple[int, str, float]]) -> str:
    """Say what a process of the search is; empty for one that is none of its."""
    parent, command, _ = known[pid]
    if pid == root:
        return "search"
    if parent == root:
        return "server" if "forkserver" in command else "mlflow" if "spawn_main" in command else "others"
    if parent in known and (above := kind(parent, root, known)):
        return "workers" if above == "server" else above
    return ""


def measured(seconds: float, home: Path) -> tuple[dict[str, float], float]:
    """Run a search; seconds of CPU by kind of process since MLflow's first news, and the mean seconds of an epoch."""
    trials, units, images = SIZES[seconds]
    file = home / "recording.py"
    file.write_text(STUDY.format(units=units, images=images, epochs=EPOCHS))
    words = ["run", str(file), "--trials", str(trials), "--pruner", "none", "--home", str(home), "--no-progress"]
    with (home / "said.txt").open("wb") as said:
        process = subprocess.Popen([sys.executable, "-m", "study", *words], stdout=said, stderr=said)
    used, before = dict[int, tuple[str, float]](), dict[str, float]()
    folder = studies_folder(home) / "recording"
    while process.poll() is None:
        known = table()
        for pid, (_, _, cpu) in known.items():
            if process.pid in known and (name := kind(pid, process.pid, known)):
                used[pid] = used.get(pid, (name,))[0], cpu  # one that has ended has no command any more
        if not before and (folder / "mirror.json").exists():
            before = by_kind(used)
        time.sleep(POLL)
    assert process.returncode == 0, (home / "said.txt").read_text()
    epochs = [each.seconds for trial in Journal(folder).trials() for each in trial.history().epochs]
    return {name: value - before.get(name, 0.0) for name, value in by_kind(used).items()}, sum(epochs) / len(epochs)


def by_kind(used: dict[int, tuple[str, float]]) -> dict[str, float]:
    """Add the seconds of the processes of a kind."""
    found: dict[str, float] = {}
    for name, cpu in used.values():
        found[name] = found.get(name, 0.0) + cpu
    return found


def main() -> None:
    """Parse the command and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="the shortest epochs alone")
    asked = parser.parse_args()
    vars(asked).update(QUICK if asked.quick else {})
    print("| seconds an epoch | training | loop and Optuna | MLflow | server | recording / all |\n" + 6 * "|---:" + "|")
    for seconds in asked.seconds:
        for _ in range(asked.rounds):
            with tempfile.TemporaryDirectory() as home:
                used, took = measured(seconds, Path(home))
            share = 1 - used["workers"] / sum(used.values())
            each = [f"{used.get(name, 0.0):.1f} s" for name in ("workers", "search", "mlflow", "server")]
            print(f"| {took:.2f} | {' | '.join(each)} | {share:.1%} |", flush=True)


if __name__ == "__main__":
    main()
