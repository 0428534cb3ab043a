"""The limit of this machine: FLOP/s of matrix products with one thread on every core at once, and FLOP of a training.

Trainings cannot be faster than the products that they consist of. So a row of docs/benchmarks.md has the share of this
limit beside its ratio: FLOP that its trainings need, over its seconds, over the FLOP/s measured in the same run.

    python benchmarks/limit.py                     # of this machine, and of the work in throughput.py
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from study import Recipe, load
from study.errors import DataError
from study.executors.server import cores

WORKS = {"cifar": "cifar_tricks", "mnist": str(Path(__file__).parent / "mnist_mlp.py")}
SECONDS = 2.0
# Large enough to be near the peak, small enough for the cache of a core (three matrices of 1 MiB).
GEMM = f"""
import time, sys, torch
torch.set_num_threads(1)
a, b = torch.randn(512, 512), torch.randn(512, 512)
c = torch.empty(512, 512)
for _ in range(20):
    torch.mm(a, b, out=c)
print("ready", flush=True)
sys.stdin.readline()
done, began = 0, time.perf_counter()
while time.perf_counter() - began < {SECONDS}:
    for _ in range(10):
        torch.mm(a, b, out=c)
    done += 10
print(done * 2 * 512**3 / (time.perf_counter() - began))
"""


def on_each_core(command: list[str]) -> list[float]:
    """Run a command on every core at once; what each prints last, as a number.

    Each prints "ready" when it is, and goes on once it reads a line.
    """
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(cores())
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [float(process.communicate()[0]) for process in running]


def flop_per_second() -> float:
    """Multiply matrices on all cores at once, a process and a thread each; FLOP/s of all together."""
    return sum(on_each_core([sys.executable, "-c", GEMM]))


def flop_of(recipe: Recipe) -> float:
    """Count the FLOP of a training: forward and backward of each training example, forward of each validated one.

    Products and convolutions count, as `torch.utils.flop_counter` has them; what is done element by element does not.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from study.engine import models
    from study.engine.data import open_data

    data = open_data(recipe, "cpu")
    model = models.build(recipe, data.shape, len(data.classes))
    inputs = torch.randn(recipe.batch_size, *data.shape)
    with FlopCounterMode(display=False) as forward:
        outputs = model(inputs)
    with FlopCounterMode(display=False) as backward:
        outputs.sum().backward()
    ahead, back = (each.get_total_flops() / recipe.batch_size for each in (forward, backward))
    return recipe.epochs * (len(data.train) * (ahead + back) + len(data.val) * ahead)


def main() -> None:
    """Print the limit, and how many full trainings an hour it would allow."""
    limit = flop_per_second()
    print(f"{limit / 1e9:.0f} GFLOP/s by {cores()} one-thread products of 512 x 512 matrices at once")
    for work in WORKS.values():
        study = load(work)
        if not isinstance(study.recipe, Recipe):
            continue
        try:
            flop = flop_of(study.recipe)
        except DataError as error:
            print(f"{study.name}: {error}")
        else:
            print(f"{study.name}: {flop / 1e9:.1f} GFLOP a training, at most {3600 * limit / flop:,.0f} an hour")


if __name__ == "__main__":
    main()
