"""How long TPE takes to propose a trial after many, and what it loses by seeing only the best and the newest of them.

    python -m benchmarks.asks                    milliseconds an ask after 100, 1,000, 2,000 and 10,000 trials
    python -m benchmarks.asks --lost --seeds 20  the best value after 1,000 trials, with all or the newest 200 seen

The second is the question at a tenth of its size: 2,000 of 10,000 are seen, 200 of 1,000. The function is Hartmann's in
six dimensions, smallest value -3.32237 (https://www.sfu.ca/~ssurjano/hart6.html).
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from contextlib import ExitStack

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

from study.sampling import memory, samplers
from study.sampling.memory import Memory

A = np.array([
    [10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14],
])  # fmt: skip
P = 1e-4 * np.array([
    [1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991], [2348, 1451, 3522, 2883, 3047, 6650],
    [4047, 8828, 8732, 5743, 1091, 381],
])  # fmt: skip
ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
NAMES = [f"x{index}" for index in range(6)]


def hartmann(x: list[float]) -> float:
    """Give the function's value; x is in [0, 1]."""
    return -float(ALPHA @ np.exp(-(A * (np.array(x) - P) ** 2).sum(axis=1)))


def milliseconds(trials: int, asks: int, *, bounded: bool) -> float:
    """Time an ask after so many finished trials, the median of some."""
    storage, chance = Memory(), np.random.default_rng(0)
    study = optuna.create_study(storage=storage, sampler=samplers.tpe(0))
    space = {name: FloatDistribution(0, 1) for name in NAMES}
    for x in chance.random((trials, 6)):
        study.add_trial(create_trial(value=hartmann(x), params=dict(zip(NAMES, x, strict=True)), distributions=space))
    taken = []
    for _ in range(asks):
        began = time.perf_counter()
        ask(study, storage, bounded=bounded)
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken)


def ask(study: optuna.Study, storage: Memory, *, bounded: bool) -> optuna.Trial:
    """Propose a trial."""
    with ExitStack() as stack:
        if bounded:
            stack.enter_context(storage.bounded(storage.get_study_id_from_name(study.study_name)))
        trial = study.ask()
        for name in NAMES:
            trial.suggest_float(name, 0, 1)
    return trial


def best(seed: int, trials: int, *, bounded: bool) -> float:
    """Search, and give the best value."""
    storage = Memory()
    study = optuna.create_study(storage=storage, sampler=samplers.tpe(seed))
    for _ in range(trials):
        trial = ask(study, storage, bounded=bounded)
        study.tell(trial, hartmann([trial.params[name] for name in NAMES]))
    return study.best_value


def lost(seeds: int, trials: int) -> None:
    """Print what is lost when a fifth of the trials is seen, paired by seed."""
    memory.NEWEST, memory.BEST = trials // 5, 100
    pairs = [(best(seed, trials, bounded=False), best(seed, trials, bounded=True)) for seed in range(seeds)]
    differences = [some - every for every, some in pairs]
    error = statistics.stdev(differences) / math.sqrt(seeds)
    print(f"after {trials} trials, n={seeds}: all seen {statistics.mean(every for every, _ in pairs):.4f}, "
          f"the newest {memory.NEWEST} and the best 100 {statistics.mean(some for _, some in pairs):.4f}, "
          f"difference {statistics.mean(differences):+.4f} with standard error {error:.4f}")  # fmt: skip


def main() -> None:
    """Parse the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lost", action="store_true")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--quick", action="store_true", help="with fewer trials before")
    asked = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if asked.lost:
        lost(asked.seeds, asked.trials)
        return
    print("| trials before | all seen | the best and the newest |\n|---:|---:|---:|")
    for trials in (100, 1000) if asked.quick else (100, 1000, 2000, 10_000):
        every, some = (milliseconds(trials, 9, bounded=bounded) for bounded in (False, True))
        print(f"| {trials:,} | {every:.1f} ms | {some:.1f} ms |")


if __name__ == "__main__":
    main()
