"""The share of this machine's limit that the engine alone reaches: one training on each core at once, nothing recorded.

    STUDY_DATA=FOLDER python -m benchmarks.engine               # cnn3, cnn2 and the perceptron; three rounds
    STUDY_DATA=FOLDER python -m benchmarks.engine mnist --rounds 7

A round trains every work once, each process with one thread, as a worker does; an epoch before it warms up. The share
is the FLOP of the training over its seconds and over one core's part of the limit (limit.py), before and after the
rounds. CIFAR-10 must be imported (`study data import cifar10 ARCHIVE`).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys

from benchmarks.limit import flop_of, flop_per_second, on_each_core
from study import Recipe
from study.executors.server import cores

WORKS = {
    "cifar": Recipe(dataset="cifar10", model="cnn3", batch_size=64, train_size=10_000, epochs=3),
    "cnn2": Recipe(dataset="mnist", model="cnn2", batch_size=100, train_size=10_000, epochs=3),
    "mnist": Recipe(dataset="mnist", model="mlp", hidden=(100,), batch_size=100, epochs=5),
}
TRAIN = """
import json, sys, time
import study.executors.preload
from study import Recipe
from study.engine.train import train
recipe = Recipe.model_validate(json.loads(sys.argv[1]))
epochs = train(recipe)
next(epochs)
print("ready", flush=True)
sys.stdin.readline()
began = time.perf_counter()
for _ in epochs:
    pass
print(time.perf_counter() - began)
"""
QUICK = {"rounds": 1}


def seconds(recipe: Recipe) -> float:
    """Train the recipe's epochs but the first on each core at once; mean seconds of a process."""
    command = [sys.executable, "-c", TRAIN, json.dumps(recipe.model_dump(mode="json"))]
    return statistics.mean(on_each_core(command))


def main() -> None:
    """Parse the command and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("works", nargs="*", choices=[*WORKS, []], metavar="WORK", help=", ".join(WORKS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round")
    asked = parser.parse_args()
    vars(asked).update(QUICK if asked.quick else {})
    names = asked.works or list(WORKS)
    limits, found = [flop_per_second()], {name: list[float]() for name in names}
    for _ in range(asked.rounds):
        for name in names:
            found[name].append(seconds(WORKS[name]))
    limits.append(flop_per_second())
    limit = statistics.mean(limits)
    print(f"limit: {limit / 1e9:.0f} GFLOP/s on {cores()} cores ({', '.join(f'{each / 1e9:.0f}' for each in limits)})")
    print("| work | seconds an epoch | of the limit | n |\n|---|---:|---:|---:|")
    for name, took in found.items():
        recipe = WORKS[name]
        later = recipe.epochs - 1
        shares = [flop_of(recipe) * later / recipe.epochs / each / (limit / cores()) for each in took]
        spread = f"{statistics.median(shares):.0%} ({min(shares):.0%} to {max(shares):.0%})"
        print(f"| {name}, {recipe.model} | {statistics.median(took) / later:.2f} | {spread} | {asked.rounds} |")


if __name__ == "__main__":
    main()
