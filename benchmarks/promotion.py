"""Pruning rules against pause and promotion, by replay of recorded full curves.

Trains configurations drawn from the space of answer.py to their full length, once, and keeps their curves. Then each
rule is given these configurations in random orders, with as many workers as asked for, each epoch taking the same time;
it sees the same values as it would in a search. A rule that stops ends a trial for good; one that promotes pauses it,
and may let it go on later from where it was.

    python benchmarks/promotion.py digits --trials 60 --orders 25
    python benchmarks/promotion.py mnist --trials 60 --train-size 20000

Two figures for each: the share of all epochs that it spends before it is done, with what the best finished trial lacks
to the best of all (points); and the share of all epochs after which a finished trial is first within the noise of the
best. What is not in here: a sampler that learns from what it is shown. Configurations are random and given.

`promotion` is asynchronous successive halving with pause and resume (Li et al. 2020, "A system for massively parallel
hyperparameter tuning", algorithm 2); `promotion hyperband` the same in brackets that begin at higher rungs, as in Syne
Tune. `paused median` pauses after each epoch what lies below the median of those that got so far, and takes the
furthest of the paused ones up again when it no longer does.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import optuna
from answer_space import WORKS, Size, suggest

from study.executors.server import cores
from study.sampling.memory import Memory
from study.sampling.rungs import RungPruner
from study.sampling.table import PRUNERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

SEEDS = 5  # of the best configuration, for the noise


class Rule(Protocol):
    """What decides after each epoch, and what is taken up when a worker is free."""

    def ends(self, trial: int, epoch: int, value: float) -> bool:
        """Tell whether a trial leaves its worker after this epoch, which is not its last."""
        ...

    def finished(self, trial: int, epoch: int, value: float) -> None:
        """Take a full trial."""
        ...

    def promoted(self) -> int | None:
        """Give a paused trial to go on with, if there is one."""
        ...


class Stopping:
    """One of our pruners, as `study run` uses it."""

    def __init__(self, name: str, length: int) -> None:
        """Make the pruner, for trials of so many epochs, and its trials."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        pruner = PRUNERS[name].load()()
        if isinstance(pruner, RungPruner):
            pruner.epochs = length
        self._study = optuna.create_study(direction="maximize", storage=Memory(), pruner=pruner)
        self._trials: dict[int, optuna.Trial] = {}

    def ends(self, trial: int, epoch: int, value: float) -> bool:
        """Ask the pruner."""
        each = self._trials.get(trial) or self._trials.setdefault(trial, self._study.ask())
        each.report(value, epoch)
        if is_over := each.should_prune():
            self._study.tell(each, state=optuna.trial.TrialState.PRUNED)
        return is_over

    def finished(self, trial: int, epoch: int, value: float) -> None:
        """Take a full trial."""
        each = self._trials.get(trial) or self._trials.setdefault(trial, self._study.ask())
        each.report(value, epoch)
        self._study.tell(each, value)

    def promoted(self) -> int | None:
        """Promote nothing."""
        return None


QUICK = {"trials": 12, "epochs": 4, "orders": 5, "train_size": 1000}


@dataclass
class Promotion:
    """Successive halving, asynchronous, with pause and resume.

    Args:
        rungs: epochs after which a trial is paused, ascending; by bracket.
        factor: of a rung, one in so many is promoted.
        least: trials of a rung that are promoted however few there are.

    """

    rungs: Sequence[Sequence[int]]
    factor: float
    least: int = 0
    _paused: dict[tuple[int, int], list[tuple[float, int]]] = field(default_factory=dict)  # all that reached the rung
    _taken: set[tuple[int, int, int]] = field(default_factory=set)
    _brackets: dict[int, int] = field(default_factory=dict)

    def _bracket(self, trial: int) -> int:
        """Give a trial's bracket: of each, as many as make the brackets' epochs equal."""
        if trial not in self._brackets:
            shares = [1 / steps[0] if steps else 0.05 for steps in self.rungs]
            held = [sum(each == b for each in self._brackets.values()) / share for b, share in enumerate(shares)]
            self._brackets[trial] = held.index(min(held))
        return self._brackets[trial]

    def ends(self, trial: int, epoch: int, value: float) -> bool:
        """Pause at each rung, unless the trial is promoted at once."""
        bracket = self._bracket(trial)
        if epoch not in self.rungs[bracket]:
            return False
        heapq.heappush(self._paused.setdefault((bracket, epoch), []), (-value, trial))
        return True

    def finished(self, trial: int, epoch: int, value: float) -> None:
        """Take a full trial: nothing is left to decide."""

    def promoted(self) -> int | None:
        """Give the best promotable trial of the highest rung that has one."""
        for bracket, rung in sorted(self._paused, key=lambda key: -key[1]):
            reached = sorted(self._paused[bracket, rung])
            for _, trial in reached[: max(self.least, int(len(reached) / self.factor))]:
                if (bracket, rung, trial) not in self._taken:
                    self._taken.add((bracket, rung, trial))
                    return trial
        return None


@dataclass
class PausedMedian:
    """Pauses below a quantile of all that got so far, and lets a paused one go on once it is above it.

    Args:
        kept: share of the trials of an epoch that go on.
        startup: trials that got so far before any is paused there.

    """

    kept: float
    startup: int = 5
    _values: dict[int, list[float]] = field(default_factory=dict)
    _paused: dict[int, tuple[int, float]] = field(default_factory=dict)

    def _is_low(self, epoch: int, value: float) -> bool:
        there = self._values[epoch]
        return len(there) >= self.startup and value < float(np.quantile(there, 1 - self.kept))

    def ends(self, trial: int, epoch: int, value: float) -> bool:
        """Pause below the quantile."""
        self._values.setdefault(epoch, []).append(value)
        if self._is_low(epoch, value):
            self._paused[trial] = (epoch, value)
            return True
        return False

    def finished(self, trial: int, epoch: int, value: float) -> None:
        """Take a full trial."""

    def promoted(self) -> int | None:
        """Give the furthest paused trial that is not low any more."""
        for trial, (epoch, value) in sorted(self._paused.items(), key=lambda item: (-item[1][0], -item[1][1])):
            if not self._is_low(epoch, value):
                del self._paused[trial]
                return trial
        return None


@dataclass
class Replay:
    """What a rule did: epochs spent in all, and when each full trial ended, in epochs spent by then.

    Args:
        spent: epochs of all trials.
        full: epochs spent by then and final value, of each trial that was trained to its end.

    """

    spent: int = 0
    full: list[tuple[int, float]] = field(default_factory=list)


def replay(rule: Rule, curves: NDArray[np.float64], workers: int) -> Replay:
    """Play the trials in their order, an epoch of each worker at a time."""
    done, length = Replay(), curves.shape[1]
    at: dict[int, int] = {}  # epochs by trial
    slots: list[int | None] = [None] * workers
    while True:
        for slot, trial in enumerate(slots):
            if trial is None:
                taken = rule.promoted()
                if taken is None and len(at) < len(curves):
                    taken = len(at)
                    at[taken] = 0
                slots[slot] = taken
        if all(trial is None for trial in slots):
            return done
        for slot, trial in enumerate(slots):
            if trial is None:
                continue
            at[trial] += 1
            done.spent += 1
            value = float(curves[trial, at[trial] - 1])
            if at[trial] == length:
                rule.finished(trial, at[trial], value)
                done.full.append((done.spent, value))
                slots[slot] = None
            elif rule.ends(trial, at[trial], value):
                slots[slot] = None


def rungs(length: int, factor: int, first: int = 1) -> list[int]:
    """List the epochs of the rungs, the last of them at most a factor below the full length."""
    return [first * factor**k for k in range(length) if first * factor ** (k + 1) <= length]


def rules(length: int) -> dict[str, Callable[[], Rule]]:
    """Give a factory of each rule for trials of so many epochs."""
    made: dict[str, Callable[[], Rule]] = {
        name: (lambda name=name: Stopping(name, length))
        for name in ("none", "median", "percentile", "asha", "hyperband")
    }
    for factor in (2, 3, 4):
        made[f"promotion {factor}"] = lambda factor=factor: Promotion([rungs(length, factor)], factor)
    three = rungs(length, 3)
    made["promotion 3, best goes on"] = lambda: Promotion([three], 3, least=1)
    made["promotion hyperband 3"] = lambda: Promotion([three[k:] for k in range(len(three))], 3)
    made["promotion 3 from epoch 2"] = lambda: Promotion([rungs(length, 3, 2)], 3)
    made["paused median"] = lambda: PausedMedian(0.5)
    made["paused third"] = lambda: PausedMedian(1 / 3)
    return made


def train_curve(work: str, size: Size, params: dict[str, Any], seed: int) -> list[float]:
    """Train a configuration; validation accuracy by epoch, 0 from where it diverges."""
    import torch
    from answer import recipe_of

    from study.engine import train

    torch.set_num_threads(1)
    values = [epoch.metrics.get("val_accuracy", math.nan) for epoch in train(recipe_of(work, size, params, seed))]
    values = [value if math.isfinite(value) else 0.0 for value in values]
    return values + [0.0] * (size.epochs - len(values))


def record(work: str, size: Size) -> tuple[NDArray[np.float64], float]:
    """Train all configurations, and the best one on further seeds: curves (trial, epoch), and the noise of the best."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [suggest(study.ask(), work) for _ in range(size.trials)]
    with ProcessPoolExecutor(cores(), get_context("spawn")) as pool:
        jobs = [pool.submit(train_curve, work, size, params, 0) for params in drawn]
        curves = np.array([job.result() for job in jobs])
        best = drawn[int(curves[:, -1].argmax())]
        again = [pool.submit(train_curve, work, size, best, seed) for seed in range(1, SEEDS + 1)]
        noise = float(np.std([job.result()[-1] for job in again], ddof=1))
    return curves, noise


def row(name: str, make: Callable[[], Rule], curves: NDArray[np.float64], noise: float, how: Any) -> str:
    """Replay a rule in all orders; its line of the table: means and standard errors."""
    spent, lost, until, full = [], [], [], []
    best = curves[:, -1].max()
    for order in range(how.orders):
        shuffled = curves[np.random.default_rng(order).permutation(len(curves))]
        done = replay(make(), shuffled, how.workers)
        spent.append(done.spent / curves.size)
        lost.append(100 * (best - max((value for _, value in done.full), default=0.0)))
        until.append(min((at for at, value in done.full if value >= best - noise), default=math.inf) / curves.size)
        full.append(len(done.full))
    found = [each for each in until if math.isfinite(each)]
    cells = [
        name, with_error(spent, 3), with_error(lost, 2), with_error(found, 3) if found else "-",
        f"{len(found)} of {len(until)}", f"{np.mean(full):.1f}",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def with_error(values: Sequence[float], digits: int) -> str:
    """Write a mean and its standard error."""
    error = np.std(values, ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return f"{np.mean(values):.{digits}f} ± {error:.{digits}f}"


def main() -> None:
    """Record the curves unless they are there, replay all rules, print the table."""
    parser = argparse.ArgumentParser(description="Stopping against pause and promotion, by replay.")
    parser.add_argument("work", choices=sorted(WORKS))
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--train-size", type=int, help="train on so many images only")
    parser.add_argument("--orders", type=int, default=25)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--curves", type=Path, help="JSON file of curves: read if it is there, else written")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter trainings")
    how = parser.parse_args()
    vars(how).update(QUICK if how.quick else {})
    size = Size(how.trials, how.epochs, how.train_size)
    images = f"{how.train_size} images" if how.train_size else "all images"
    called = f"curves-{how.work}-{how.trials}-{how.epochs}-{images.replace(' ', '-')}.json"
    file = how.curves or Path(tempfile.gettempdir()) / called
    if not file.exists():
        curves, noise = record(how.work, size)
        about = {"work": how.work, "images": images}
        file.write_text(json.dumps({**about, "curves": curves.tolist(), "noise": noise}))
    kept = json.loads(file.read_text())
    curves, noise = np.array(kept["curves"]), kept["noise"]
    print(f"{kept.get('work', how.work)}, {kept.get('images', 'how many images is not known')}: {len(curves)} trials x "
          f"{curves.shape[1]} epochs, {how.workers} workers, n={how.orders} orders")  # fmt: skip
    print(f"best {100 * curves[:, -1].max():.2f} %, noise of its seeds {100 * noise:.2f}\n")
    print("| rule | share of the epochs | lost, points | share until an answer | answers | full trials |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, make in rules(curves.shape[1]).items():
        print(row(name, make, curves, noise, how), flush=True)


if __name__ == "__main__":
    main()
