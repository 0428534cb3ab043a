"""Trials an hour, `study` against peer.py: the same list of recipes, on the same data, in alternation.

Both train every recipe of the list for the same epochs, without pruning, each as a process of its own with a database
of its own. The headline is steady state: from the first trial's start to the last trial's end, taken from what each
side itself records. The whole process, start-up included, is printed beside it.

    python benchmarks/throughput.py cifar --rounds 3 --trials 8 --epochs 1

CIFAR-10 must be imported (`study data import cifar10 ARCHIVE`); MNIST is found in STUDY_DATA. Nothing else may run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from limit import WORKS, flop_of, flop_per_second

from study import Recipe, load
from study.data import packed
from study.executors.server import cores
from study.record.journal import Journal

HERE = Path(__file__).parent
KNOBS = (  # those that peer.py has, too; all others stay as they are in every recipe of the lists
    "optimizer", "lr", "momentum", "weight_decay", "schedule", "gamma", "init", "activation", "normalize",
    "dropout_conv", "dropout_dense",
)  # fmt: skip
QUICK = {"rounds": 1, "trials": 4, "epochs": 1, "train_size": 5000}


@dataclass(frozen=True)
class Timing:
    """One side's run of the list.

    Args:
        steady: seconds from the first trial's start to the last trial's end.
        whole: seconds of the process.
        value: mean validation accuracy of the trials, to see that the work was the same.

    """

    steady: float
    whole: float
    value: float


def recipes(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """List the parameters of the first variants, as peer.py names them."""
    study = load(WORKS[arguments.work])
    complete = [study.recipe_for(overrides) for overrides in list(study.variants.values())[: arguments.trials]]
    changed = {name for recipe in complete for name in KNOBS if getattr(recipe, name) is not None}
    unknown = [name for recipe in complete for name in different(recipe, study.recipe) if name not in KNOBS]
    assert not unknown, f"peer.py does not know {unknown}"
    return [{name: getattr(recipe, name) for name in KNOBS if name in changed} for recipe in complete]


def different(a: Any, b: Any) -> list[str]:
    """Name the knobs in which two recipes differ."""
    return [name for name in Recipe.model_fields if getattr(a, name) != getattr(b, name)]


def run(command: list[str], log: Path) -> tuple[float, str]:
    """Run a command and take its time; what it says goes to a file, its stdout is returned."""
    began = time.perf_counter()
    with log.open("w") as errors:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{log.read_text()[-3000:]}")
    return seconds, done.stdout


def time_peer(arguments: argparse.Namespace, folder: Path, data: Path | None) -> Timing:
    """Run the list with peer.py."""
    params = folder / "params.json"
    params.write_text(json.dumps(recipes(arguments)))
    command = [
        sys.executable, str(HERE / "peer.py"), "--study", arguments.work, "--home", str(folder / "peer"),
        "--params", str(params), "--trials", str(arguments.trials), "--epochs", str(arguments.epochs),
        "--num-workers", str(arguments.num_workers),
    ]  # fmt: skip
    command += ["--data", str(data)] if data else []
    command += ["--train-size", str(arguments.train_size)] if arguments.train_size else []
    whole, output = run(command, folder / "peer.log")
    told = json.loads(output.splitlines()[-1])
    assert told["trials"] == arguments.trials, told
    return Timing(told["seconds"], whole, statistics.fmean(told["values"]))


def time_study(arguments: argparse.Namespace, folder: Path) -> Timing:
    """Run the list with `study run`."""
    home = folder / "study"
    command = [
        sys.executable, "-m", "study", "run", WORKS[arguments.work], "--home", str(home), "--pruner", "none",
        "--trials", str(arguments.trials), "--epochs", str(arguments.epochs),
    ]  # fmt: skip
    command += ["--set", f"train_size={arguments.train_size}"] if arguments.train_size else []
    whole, _ = run(command, folder / "study.log")
    (studied,) = (home / "studies").iterdir()
    trials = Journal(studied).trials()
    starts = [next(record["time"] for record in trial.records() if record["kind"] == "started") for trial in trials]
    ends = [trial.history().ended for trial in trials]
    assert len(ends) == arguments.trials
    values = [end.value for end in ends if end and end.state == "complete" and end.value is not None]
    assert len(values) == arguments.trials
    return Timing(max(end.time for end in ends if end) - min(starts), whole, statistics.fmean(values))


def cifar_as_arrays(folder: Path) -> Path:
    """Write the imported CIFAR-10's training split for peer.py: the same pixels, held in memory as torchvision does."""
    pack = packed.find("cifar10")
    if pack is None:
        sys.exit("CIFAR-10 is not imported: study data import cifar10 ARCHIVE")
    arrays = packed.read(pack)
    np.savez(folder / "cifar10.npz", images=arrays["train_x"], labels=arrays["train_y"])
    return folder / "cifar10.npz"


def machine() -> str:
    """Name the processor, its cores, and the versions that matter."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "optuna", "mlflow"))
    return f"{model}, {cores()} cores, Python {platform.python_version()}, {versions}"


def measure(arguments: argparse.Namespace) -> list[tuple[Timing, Timing]]:
    """Run both sides in turn, each round in the other order; peer first, study second in each pair returned."""
    pairs: list[tuple[Timing, Timing]] = []
    with tempfile.TemporaryDirectory() as place:
        data = cifar_as_arrays(Path(place)) if arguments.work == "cifar" else None
        for number in range(arguments.rounds):
            folder = Path(place) / str(number)
            folder.mkdir()
            if number % 2:
                ours, peer = time_study(arguments, folder), time_peer(arguments, folder, data)
            else:
                peer, ours = time_peer(arguments, folder, data), time_study(arguments, folder)
            pairs.append((peer, ours))
            print(f"round {number + 1}: {compared(peer, ours)}", file=sys.stderr)
    return pairs


def compared(peer: Timing, ours: Timing) -> str:
    """Write one round as a line."""
    return (
        f"steady {peer.steady:.1f} s / {ours.steady:.1f} s = {peer.steady / ours.steady:.2f}, "
        f"whole {peer.whole:.1f} s / {ours.whole:.1f} s = {peer.whole / ours.whole:.2f}, "
        f"mean val_accuracy {peer.value:.4f} / {ours.value:.4f}"
    )


def row(arguments: argparse.Namespace, pairs: list[tuple[Timing, Timing]], flop: float, limit: float) -> str:
    """Write the Markdown row for docs/benchmarks.md: medians over the rounds, and the range of the ratios.

    Args:
        arguments: what was run.
        pairs: both sides' timings, a pair a round.
        flop: that all trainings need.
        limit: FLOP/s of this machine.

    """
    steady = sorted(peer.steady / ours.steady for peer, ours in pairs)
    whole = sorted(peer.whole / ours.whole for peer, ours in pairs)
    hourly = [statistics.median(arguments.trials * 3600 / pair[side].steady for pair in pairs) for side in (0, 1)]
    size = f"{arguments.train_size or 'all'} images"
    seconds = statistics.median(ours.steady for _, ours in pairs)
    cells = [
        f"{arguments.work}, {arguments.trials} trials x {arguments.epochs} epochs, {size}",
        f"{hourly[0]:.0f}",
        f"{hourly[1]:.0f}",
        f"**{statistics.median(steady):.1f}** ({steady[0]:.1f} to {steady[-1]:.1f})",
        f"{statistics.median(whole):.1f} ({whole[0]:.1f} to {whole[-1]:.1f})",
        f"{100 * flop / seconds / limit:.0f} % of {limit / 1e9:.0f} GFLOP/s",
        str(len(pairs)),
        machine(),
    ]
    return f"| {' | '.join(cells)} |"


def flop_needed(arguments: argparse.Namespace) -> float:
    """Count the FLOP of all trainings of the list."""
    study = load(WORKS[arguments.work])
    knobs = {"epochs": arguments.epochs} | ({"train_size": arguments.train_size} if arguments.train_size else {})
    recipes = [study.recipe_for({**each, **knobs}) for each in list(study.variants.values())[: arguments.trials]]
    return sum(flop_of(recipe) for recipe in recipes if isinstance(recipe, Recipe))


def main() -> None:
    """Measure one work and print its row."""
    parser = argparse.ArgumentParser(description="Trials an hour, study against peer.py.")
    parser.add_argument("work", choices=sorted(WORKS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=8, help="recipes of the list, from its start")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--train-size", type=int, help="train on so many images only")
    parser.add_argument("--num-workers", type=int, default=0, help="of the peer's DataLoader")
    parser.add_argument("--quick", action="store_true", help="a look: one round of four short trainings")
    arguments = parser.parse_args()
    vars(arguments).update(QUICK if arguments.quick else {})
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    limits = [flop_per_second()]
    pairs = measure(arguments)
    limits.append(flop_per_second())
    print(row(arguments, pairs, flop_needed(arguments), max(limits)))


if __name__ == "__main__":
    main()
