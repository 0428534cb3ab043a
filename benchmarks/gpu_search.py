"""A part of gpu.py: a hundred full trainings of cifar_tricks, by our engine in several processes on one GPU.

The list is the study's variants and then points of its space, drawn at random with a fixed seed. Nothing is recorded.
The numbers of processes are compared by one epoch each, with and without MPS; the best one trains the list. MPS is
started for the user who runs this, in a folder of its own, and changes no setting of the device.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from benchmarks import gpu_rows
from benchmarks.gpu_rows import ROOT, Size, say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence
    from pathlib import Path

CONTROL = "nvidia-cuda-mps-control"


def recipes(size: Size) -> list[dict[str, Any]]:
    """List the recipes as JSON values."""
    import optuna

    from study import load

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = load("cifar_tricks")
    chosen: list[Any] = list(study.variants.values())
    search = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    while len(chosen) < size.trainings:
        chosen.append(study.suggest(search.ask()))
    return [
        study.recipe_for({**each, "epochs": size.epochs}).model_dump(mode="json") for each in chosen[: size.trainings]
    ]


class Worker:
    """A process that trains one recipe after the other."""

    def __init__(self, asked: argparse.Namespace, environment: dict[str, str], number: int) -> None:
        """Start it; it loads torch meanwhile."""
        self._is_idle = True
        self._errors = (asked.folder / f"worker-{number}.log").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.gpu_search", "--work", *asked.flags],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, cwd=ROOT,
            env={**os.environ, **environment},
        )  # fmt: skip

    def train(self, recipe: dict[str, Any]) -> dict[str, Any]:
        """Train a recipe; gives its seconds, epochs and last metrics."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._is_idle = False
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(recipe) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            said = [each.strip() for each in self._errors if each.strip()]
            raise RuntimeError((said or ["a worker was ended"])[-1])
        self._is_idle = True
        return json.loads(line)

    def end(self) -> None:
        """Let it end by itself if it is idle, as MPS would have it; else end it."""
        if not self._is_idle:
            self._process.kill()
        elif self._process.stdin:
            self._process.stdin.close()

    def wait(self) -> None:
        """Wait until it has ended."""
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._errors):
            if file:
                with suppress(BrokenPipeError):
                    file.close()


def work(size: Size) -> None:
    """Be a worker."""
    import torch

    from study.engine import train
    from study.recipe import Recipe

    torch.set_num_threads(1)
    for line in sys.stdin:
        began, last, epochs = time.perf_counter(), {}, 0
        for epoch in train(Recipe.model_validate(json.loads(line)), device=size.device):
            last, epochs = dict(epoch.metrics), epoch.number
        taken = time.perf_counter() - began
        print(json.dumps({"seconds": taken, "epochs": epochs, "val_accuracy": last["val_accuracy"]}), flush=True)


def end(workers: Sequence[Worker]) -> None:
    """End workers, all at the same time."""
    for worker in workers:
        worker.end()
    for worker in workers:
        worker.wait()


def in_parallel(workers: Sequence[Worker], todo: Sequence[dict[str, Any]], until: float) -> list[dict[str, Any]]:
    """Train recipes in their order until a time, the first in the first worker; gives what was trained.

    Raises:
        RuntimeError: what a worker failed with.

    """
    waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    for each in todo[len(workers) :]:
        waiting.put(each)
    done: list[dict[str, Any]] = []
    failed: list[Exception] = []

    def serve(worker: Worker, recipe: dict[str, Any]) -> None:
        try:
            while not failed:
                done.append(worker.train(recipe))
                recipe = waiting.get_nowait()
        except queue.Empty:
            pass
        except (RuntimeError, ValueError, OSError) as error:
            failed.append(error)

    threads = [threading.Thread(target=serve, args=pair, daemon=True) for pair in zip(workers, todo, strict=False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.time()))
    if failed:
        raise RuntimeError(str(failed[0])) from failed[0]
    return list(done)


def mps(folder: Path) -> tuple[dict[str, str], str]:
    """Start MPS if it is there; gives the environment of its clients, empty if it does not run, and why not."""
    if not shutil.which(CONTROL):
        return {}, f"{CONTROL} is not installed"
    places = {f"CUDA_MPS_{name.upper()}_DIRECTORY": folder / "mps" / name for name in ("pipe", "log")}
    for place in places.values():
        place.mkdir(parents=True)
    environment = {name: str(place) for name, place in places.items()}
    done = subprocess.run(
        [CONTROL, "-d"], env={**os.environ, **environment}, capture_output=True, text=True, timeout=20, check=False
    )
    if done.returncode:
        return {}, f"{CONTROL} -d: {' '.join((done.stdout + done.stderr).split()) or done.returncode}"
    return environment, ""


def end_mps(folder: Path) -> None:
    """End the MPS that was started in this folder, if any."""
    if not (folder / "mps").is_dir():
        return
    environment = {**os.environ, "CUDA_MPS_PIPE_DIRECTORY": str(folder / "mps" / "pipe")}
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(
            [CONTROL], input="quit\n", env=environment, capture_output=True, text=True, timeout=20, check=False
        )


def probes(
    asked: argparse.Namespace, environment: dict[str, str], named: str, first: dict[str, Any]
) -> Iterator[tuple[float, int]]:
    """Compare numbers of processes, an epoch in each at the same time; gives epochs a second and the number."""
    size = asked.size
    most = len(os.sched_getaffinity(0))
    counts = [count for count in size.processes if count <= max(2, most)]
    workers = [Worker(asked, environment, number) for number in range(counts[-1])]
    try:
        in_parallel(workers, [{**first, "epochs": 1, "train_size": 64}] * len(workers), asked.until)  # loads kernels
        for count in counts:
            began = time.perf_counter()
            done = in_parallel(workers[:count], [{**first, "epochs": 1}] * count, asked.until)
            if len(done) < count:
                say(f"processes: {count}{named}", "not run", note="no time was left")
                return
            rate = count / (time.perf_counter() - began)
            note = f"{size.trainings} trainings would take {size.trainings * size.epochs / rate:.0f} s"
            say(f"processes: {count}{named}", f"{rate:.2f} epochs/s", note=note, value=rate)
            yield rate, count
        perceptrons(workers, counts[-1], named, asked)
    finally:
        end(workers)


def perceptrons(workers: Sequence[Worker], count: int, named: str, asked: argparse.Namespace) -> None:
    """Compare one process with many, each of which trains an MNIST perceptron for some epochs."""
    one = {
        "dataset": "mnist", "model": "mlp", "hidden": [100], "lr": 1e-3, "batch_size": 100, "epochs": asked.size.rounds,
    }  # fmt: skip
    rates: list[float] = []
    for some in (1, count):
        began = time.perf_counter()
        rates.append(len(in_parallel(workers[:some], [one] * some, asked.until)) / (time.perf_counter() - began))
    gain = rates[1] / rates[0] if rates[0] else 0.0
    say(f"MNIST perceptrons in {count} processes{named}", f"x{gain:.1f}", goal="x50", note="validated", value=gain)


def whole(asked: argparse.Namespace, environment: dict[str, str], count: int, named: str) -> None:
    """Train the list, from the start of the processes to the last training's end."""
    size, began = asked.size, time.time()
    todo = recipes(size)
    workers = [Worker(asked, environment, number) for number in range(count)]
    try:
        done = in_parallel(workers, todo, asked.until)
        taken = time.time() - began
    finally:
        end(workers)
    short = sum(each["epochs"] < size.epochs for each in done)
    best = max((each["val_accuracy"] for each in done if each["epochs"] == size.epochs), default=0.0)
    note = (
        f"{count} processes{named}, their start included, nothing recorded; {short} diverged; best accuracy {best:.3f}"
    )
    what = f"{size.trainings} trainings of {size.epochs} epochs, cifar_tricks"
    if len(done) < size.trainings:
        say(what, f"{len(done)} in {taken:.0f} s", goal="60 s", note=f"no time for all; {note}")
    else:
        say(what, f"{taken:.1f} s", goal="60 s", note=note, value=taken)


def main() -> None:
    """Compare, then train the list in the best way."""
    asked = gpu_rows.arguments(__doc__)
    if asked.work:
        work(asked.size)
        return
    first = recipes(asked.size)[0]
    found = [(rate, count, "", {}) for rate, count in probes(asked, {}, "", first)]
    clients, why_not = ({}, "no GPU") if asked.cpu else mps(asked.folder)
    if clients:
        try:
            found += [(rate, count, " with MPS", clients) for rate, count in probes(asked, clients, " with MPS", first)]
        except RuntimeError as error:
            say("processes with MPS", "error", note=str(error)[:300])
    else:
        say("processes with MPS", "not run", note=why_not)
    _, count, named, environment = max(found, key=lambda each: each[0])
    whole(asked, environment, count, named)


if __name__ == "__main__":
    main()
