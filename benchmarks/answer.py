"""Seconds from the command to the answer: the best configuration that a usual script's full trials find.

Four sides search the same space, on the same split, with the same number of trials and epochs, each as a process of its
own with storage of its own: `study run` as it is by default, and by answer_peer.py the usual script (Optuna, no
pruning), Optuna with its MedianPruner, and Ray Tune with OptunaSearch and ASHA.

The target of a round is the mean validation accuracy of the script's best configuration on fresh seeds, less the
standard deviation between these seeds. (Its accuracy in the search is the largest of many noisy ones, which the same
configuration seldom reaches again.) A side has the answer when the configuration that is best so far among its finished
trials reaches the target with its mean on the same number of fresh seeds. These trainings are our engine's for all
sides, which is the fastest here, and are not timed. The script's own time is taken in the same way.

    python benchmarks/answer.py --quick                              # digits and MNIST, small, under five minutes
    python benchmarks/answer.py cifar --quick                        # CIFAR-10 likewise
    python benchmarks/answer.py cifar --trials 32 --epochs 4 --train-size 11250
    python benchmarks/answer.py digits mnist cifar --rounds 3        # hours; nothing else may run
    python benchmarks/answer.py --quick --start                      # all sides begin with the recipe as it is
    python benchmarks/answer.py digits --also "--pruner promotion"   # a fifth side: study with these options

CIFAR-10 must be imported (`study data import cifar10 ARCHIVE`); MNIST is found in STUDY_DATA. Ray Tune's own
dependencies come with `uv pip install 'ray[tune]'`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from itertools import starmap
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from answer_sides import Round, Side, Trial
from answer_space import WORKS, Size
from throughput import machine

from study import Recipe
from study.errors import DataError
from study.executors.server import cores
from study.record.journal import Journal

HERE = Path(__file__).parent
PEERS = {"script": "script", "median": "MedianPruner", "tune": "Ray Tune, ASHA"}  # as answer_peer.py knows them
FRESH = 10_000  # the first of the seeds that no search has used


def recipe_of(work: str, size: Size, params: dict[str, Any], seed: int = 0) -> Recipe:
    """Make the recipe of a configuration."""
    start = {"dataset": WORKS[work].dataset, **WORKS[work].knobs}
    return Recipe(**{**start, **params, "epochs": size.epochs, "train_size": size.train_size, "seed": seed})


def retrain(work: str, size: Size, params: dict[str, Any], seed: int) -> float:
    """Train a configuration on a seed; its validation accuracy at the end, 0 if it diverges."""
    import torch

    from study.engine import train

    torch.set_num_threads(1)
    value = math.nan
    for epoch in train(recipe_of(work, size, params, seed)):
        value = epoch.metrics["val_accuracy"]
    return value if math.isfinite(value) else 0.0


def split(work: str, size: Size, folder: Path) -> Path:
    """Write the images that `study` trains on and validates on, for the other sides."""
    from study.engine.data import open_data

    try:
        data = open_data(recipe_of(work, size, {"optimizer": "adam", "lr": 1e-3}), "cpu")
    except DataError as error:
        sys.exit(f"{work}: {error}")
    arrays = {}
    for name, part in (("train", data.train), ("val", data.val)):
        arrays[f"{name}_x"], arrays[f"{name}_y"] = part.x[part.rows].numpy(), part.y[part.rows].numpy()
    np.savez(folder / "split.npz", **arrays)
    return folder / "split.npz"


def run(command: list[str], log: Path, **variables: str) -> tuple[float, float]:
    """Run a command; when it began, in seconds since 1970, and how long it took."""
    at, began = time.time(), time.perf_counter()
    with log.open("w") as told:
        environ = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", **variables}
        done = subprocess.run(command, stdout=told, stderr=told, env=environ, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{log.read_text()[-3000:]}")
    return at, time.perf_counter() - began


def search_peer(side: str, work: str, size: Size, seed: int, home: Path, data: Path, *, start: bool) -> Side:
    """Search by answer_peer.py."""
    command = [
        sys.executable, str(HERE / "answer_peer.py"), side, "--work", work, "--data", str(data), "--seed", str(seed),
        "--trials", str(size.trials), "--epochs", str(size.epochs), "--home", str(home),
        *(["--start"] if start else []),
    ]  # fmt: skip
    began, whole = run(command, home.with_suffix(".log"))
    told = [json.loads(line) for line in (home / "trials.jsonl").read_text().splitlines()]
    trials = [
        Trial(each["params"], len(values), values[-1], each["at"] - began, len(values) == size.epochs)
        for each in told
        if (values := each["values"])
    ]
    return Side(whole, sorted(trials, key=lambda trial: trial.at))


def search_study(work: str, size: Size, seed: int, home: Path, words: list[str], *, start: bool) -> Side:
    """Search by `study run`."""
    command = [
        sys.executable, "-m", "study", "run", str(HERE / "answer_study.py"), "--home", str(home),
        "--trials", str(size.trials), "--epochs", str(size.epochs), "--seed", str(seed), *words,
    ]  # fmt: skip
    command += ["--set", f"train_size={size.train_size}"] if size.train_size else []
    began, whole = run(command, home.with_suffix(".log"), ANSWER_WORK=work, ANSWER_START="1" if start else "")
    trials: list[Trial] = []
    for folder in Journal(home / "studies" / f"answer_{work}").trials():
        history = folder.history()
        if history.ended is None or history.ended.value is None:
            continue
        params = dict(folder.about()["params"])
        full = history.ended.state == "complete"
        trials.append(
            Trial(params, len(history.epochs), history.ended.value, history.ended.time - began, full)
        )  # fmt: skip
    return Side(whole, sorted(trials, key=lambda trial: trial.at))


class Judge:
    """Retrains configurations on fresh seeds, each of them once."""

    def __init__(self, work: str, size: Size, seeds: int, pool: ProcessPoolExecutor) -> None:
        """Judge one work's configurations by the mean over so many seeds."""
        self._work, self._size, self._seeds, self._pool = work, size, range(FRESH, FRESH + seeds), pool
        self._known: dict[str, list[float]] = {}

    def values(self, params: dict[str, Any]) -> list[float]:
        """Give the validation accuracy on each seed."""
        key = json.dumps(params, sort_keys=True)
        if key not in self._known:
            jobs = [self._pool.submit(retrain, self._work, self._size, params, seed) for seed in self._seeds]
            self._known[key] = [job.result() for job in jobs]
        return self._known[key]

    def judge(self, found: Round) -> None:
        """Find the target, and when each side reached it.

        A configuration whose accuracy in the search is more than four standard deviations below the target is not
        retrained: it would not reach it.
        """
        script = found.sides["script"]
        best = script.trials[script.leaders()[-1]]
        values = self.values(best.params)
        found.best, found.mean, found.noise = best.value, statistics.fmean(values), statistics.stdev(values)
        for side in found.sides.values():
            leaders = side.leaders()
            for place in leaders:
                trial = side.trials[place]
                is_hopeless = trial.value < found.target - 4 * found.noise
                if place != leaders[-1] and (is_hopeless or side.reached is not None):
                    continue
                side.fresh[place] = statistics.fmean(self.values(trial.params))
                if side.reached is None and side.fresh[place] >= found.target:
                    side.reached = trial.at


def measure(arguments: argparse.Namespace, work: str, size: Size, place: Path) -> list[Round]:
    """Run all rounds of a work, each in another order and with another seed, then judge them."""
    data, rounds = split(work, size, place), list[Round]()
    for number in range(arguments.seed, arguments.seed + arguments.rounds):
        names = [*arguments.peers, "study", *(f"study {words}" for words in arguments.also)]
        turn = number % len(names)
        sides: dict[str, Side] = {}
        for name in (*names[turn:], *names[:turn]):
            home = place / f"{number}-{names.index(name)}"
            if name in PEERS:
                sides[name] = search_peer(name, work, size, number, home, data, start=arguments.start)
            else:
                sides[name] = search_study(work, size, number, home, name.split()[1:], start=arguments.start)
            print(f"{work}, seed {number}, {name}: {sides[name].whole:.1f} s", file=sys.stderr)
        rounds.append(Round(sides))
    with ProcessPoolExecutor(cores(), get_context("spawn")) as pool:
        judge = Judge(work, size, arguments.seeds, pool)
        for each in rounds:
            judge.judge(each)
    return rounds


def seconds_until(side: Side) -> float:
    """Give the seconds until the answer, infinity if it was not found."""
    return math.inf if side.reached is None else side.reached


def written(seconds: float) -> str:
    """Write a time."""
    return f"{seconds:.1f} s" if math.isfinite(seconds) else "not reached"


def table(work: str, size: Size, rounds: list[Round]) -> str:
    """Write a work's Markdown table: medians over the rounds."""
    images = f"{size.train_size or 'all'} images"
    target = statistics.median(each.target for each in rounds)
    noise = statistics.median(each.noise for each in rounds)
    title = (
        f"{work}, {size.trials} trials x {size.epochs} epochs, {images}; n={len(rounds)}; "
        f"target {100 * target:.2f} %, noise {100 * noise:.2f}"
    )
    lines = [
        title,
        "",
        "| side | until the answer | script's / this | reached | whole search | epochs | best, fresh seeds |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name in rounds[0].sides:
        sides = [each.sides[name] for each in rounds]
        pairs = [(seconds_until(each.sides["script"]), seconds_until(each.sides[name])) for each in rounds]
        ratios = list(starmap(ratio, pairs))
        last = statistics.median(side.fresh[side.leaders()[-1]] for side in sides)
        cells = [
            PEERS.get(name, name), written(statistics.median(map(seconds_until, sides))),
            f"{statistics.median(ratios):.1f}",
            f"{sum(side.reached is not None for side in sides)} of {len(sides)}",
            written(statistics.median(side.whole for side in sides)),
            f"{statistics.median(side.epochs for side in sides):.0f}", f"{100 * last:.2f} %",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def ratio(script: float, other: float) -> float:
    """Divide two times; 0 if the other was never there."""
    return script / other if math.isfinite(other) else 0.0


def main() -> None:
    """Measure the works, print their tables, and write everything as JSON."""
    parser = argparse.ArgumentParser(description="Seconds from the command to the answer.")
    parser.add_argument("works", nargs="*", metavar="WORK", help="digits, mnist, cifar; default: digits and mnist")
    parser.add_argument("--quick", action="store_true", help="fewer trials, epochs and images, one round")
    parser.add_argument("--rounds", type=int, help="default: 3, or 1 with --quick")
    parser.add_argument(
        "--start", action="store_true", help="all sides begin with the recipe as it is: a variant, an enqueued trial"
    )
    parser.add_argument("--trials", type=int, help="of each side, instead of the work's own number")
    parser.add_argument("--epochs", type=int, help="of a full trial, instead of the work's own number")
    parser.add_argument("--train-size", type=int, help="images to train on, instead of the work's own number")
    parser.add_argument("--seed", type=int, default=0, help="of the first round's searches; default: 0")
    parser.add_argument("--seeds", type=int, help="fresh ones, for each configuration; default: 5, or 3 with --quick")
    parser.add_argument("--json", type=Path, default=Path("answer.json"), help="where everything is written")
    parser.add_argument(
        "--peers", nargs="+", choices=PEERS, default=list(PEERS), help="default: all; script is always among them"
    )
    parser.add_argument(
        "--also", action="append", default=[], metavar="OPTIONS", help='a further side of ours, as "--pruner promotion"'
    )
    arguments = parser.parse_args()
    arguments.peers = list(dict.fromkeys(["script", *arguments.peers]))
    arguments.seeds = arguments.seeds or (3 if arguments.quick else 5)
    arguments.rounds = arguments.rounds or (1 if arguments.quick else 3)
    works = arguments.works or ["digits", "mnist"]
    if unknown := set(works) - set(WORKS):
        parser.error(f"no such work: {', '.join(sorted(unknown))}; there are {', '.join(WORKS)}")
    kept: dict[str, Any] = {"machine": machine()}
    print(kept["machine"])
    for work in works:
        size = WORKS[work].quick if arguments.quick else WORKS[work].full
        size = Size(
            arguments.trials or size.trials, arguments.epochs or size.epochs, arguments.train_size or size.train_size
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as place:
            rounds = measure(arguments, work, size, Path(place))
        kept[work] = {"size": asdict(size), "rounds": [asdict(each) for each in rounds]}
        arguments.json.write_text(json.dumps(kept, indent=1))
        print(f"\n{table(work, size, rounds)}", flush=True)


if __name__ == "__main__":
    main()
