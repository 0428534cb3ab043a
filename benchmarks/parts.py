"""Where the time of the engine's works goes: shares of an epoch by part, each in one process with one thread.

    STUDY_DATA=FOLDER python -m benchmarks.parts              # cnn3, cnn2 and the perceptron of engine.py
    STUDY_DATA=FOLDER python -m benchmarks.parts cnn2 --rounds 9

Steps are timed by torch's profiler, which puts each kernel's own time to a part; what is left, Python and dispatch, is
the rest. Evaluation takes the share of its CPU time beside that of an epoch's steps. Medians over the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import study.executors.preload  # noqa: F401 # pyright: ignore[reportUnusedImport] - memory and threads as a worker's

import torch  # isort: skip
from torch.profiler import ProfilerActivity, profile  # isort: skip

from benchmarks.engine import WORKS
from study.engine import optim
from study.engine.train import assemble, inputs, isolated_rng, judge

if TYPE_CHECKING:
    from study.engine.train import Parts

STEPS = 100  # in a round
REST = "rest (Python, dispatch)"
PARTS = {  # by the names of the kernels
    "convolution, forward": {"mkldnn_convolution"},
    "convolution, backward": {"convolution_backward"},
    "products": {"addmm", "mm"},
    "max pool, forward": {"mkldnn_max_pool2d"},
    "max pool, backward": {"mkldnn_max_pool2d_backward"},
    "activation": {"relu", "clamp_min", "mkldnn_relu_backward", "threshold_backward"},
    "Adam": {"_fused_adam_", "_foreach_add_"},
    "gather, conversion, order of memory": {
        "index_select", "copy_", "addcmul", "to_mkldnn", "to_dense", "contiguous", "clone", "_to_copy",
    },
    "loss, predictions, sums": {
        "_log_softmax", "nll_loss_forward", "nll_loss_backward", "_log_softmax_backward_data", "argmax", "sum",
    },
}  # fmt: skip


def steps(parts: Parts) -> None:
    """Train on some batches."""
    update, inputs_of = parts.step.new_update(), partial(inputs, parts, torch.Generator())
    rows = parts.data.train.rows
    rows = rows.index_select(0, torch.randperm(len(rows)))
    for number, some in enumerate(islice(rows.split(parts.batch), STEPS)):
        parts.step.gradient(inputs_of, some, parts.data.train.y.index_select(0, some))
        optim.set_all(parts.optimizer, parts.schedule.at(number))
        update()


def shares(parts: Parts) -> dict[str, float]:
    """Time a round: shares of an epoch with its evaluation, by part."""
    began = time.process_time()
    steps(parts)
    a_step = (time.process_time() - began) / STEPS
    began = time.process_time()
    judge(parts, 1, parts.data.val)
    evaluation = time.process_time() - began
    training = parts.steps_per_epoch * a_step
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        began = time.perf_counter()
        steps(parts)
        took = time.perf_counter() - began
    found = dict.fromkeys(PARTS, 0.0)
    for kernel in profiled.key_averages():
        name = kernel.key.removeprefix("aten::")
        part = next((part for part, names in PARTS.items() if name in names), REST)
        if part != REST:
            found[part] += kernel.self_cpu_time_total / 1e6 / took
    found[REST] = 1 - sum(found.values())
    whole = training + evaluation
    return {part: share * training / whole for part, share in found.items()} | {"evaluation": evaluation / whole}


def main() -> None:
    """Parse the command and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("works", nargs="*", choices=[*WORKS, []], metavar="WORK", help=", ".join(WORKS))
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    table: dict[str, dict[str, float]] = {}
    for name in asked.works or list(WORKS):
        parts = assemble(WORKS[name], "cpu")
        with isolated_rng("cpu"), parts.step.mode():
            steps(parts)
            rounds = [shares(parts) for _ in range(asked.rounds)]
        table[name] = {part: statistics.median(each[part] for each in rounds) for part in rounds[0]}
    print(f"| part | {' | '.join(table)} |\n|---|{'---:|' * len(table)}")
    for part in next(iter(table.values())):
        print(f"| {part} | {' | '.join(f'{100 * shares[part]:.1f} %' for shares in table.values())} |")


if __name__ == "__main__":
    main()
