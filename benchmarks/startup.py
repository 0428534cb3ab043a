"""Seconds until a command answers: `study --help` and `--version` against `optuna --help` and `mlflow --help`, in turn.

    python benchmarks/startup.py --rounds 10

Bare Python, which all of them pay, is shown beside them. Nothing else may run.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

SCRIPTS = Path(sys.executable).parent
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "study --help": [str(SCRIPTS / "study"), "--help"],
    "study --version": [str(SCRIPTS / "study"), "--version"],
    "optuna --help": [str(SCRIPTS / "optuna"), "--help"],
    "mlflow --help": [str(SCRIPTS / "mlflow"), "--help"],
}


def seconds(command: list[str]) -> float:
    """Run a command to its end and time it."""
    began = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - began


def main() -> None:
    """Time all commands alternately, after one round that fills the disk's cache, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    timed: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(rounds + 1):
        for name, command in COMMANDS.items():
            taken = seconds(command)
            if turn:
                timed[name].append(taken)
    ours = statistics.median(timed["study --help"])
    print(f"median of n={rounds}, least and most; against study --help")
    for name, values in timed.items():
        median = statistics.median(values)
        print(f"{name:16} {median:5.2f} s ({min(values):.2f} to {max(values):.2f})  {median / ours:5.1f}")


if __name__ == "__main__":
    main()
