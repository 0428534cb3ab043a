"""A part of gpu.py: an epoch of cnn3, its share of the device's limit, a step in eight ways, where the host waits."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from benchmarks import gpu_rows
from benchmarks.gpu_rows import Size, say, seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

OPTIMIZERS = (
    "sgd", "adam", "adamw", "nadam", "radam", "adamax", "adagrad", "adadelta", "adafactor", "rmsprop", "rprop", "asgd",
)  # fmt: skip


def flop_per_second(size: Size) -> dict[str, float]:
    """Multiply large matrices in the three precisions that a training may use."""
    import torch

    found: dict[str, float] = {}
    for name, dtype, with_tf32 in (
        ("fp32", torch.float32, False),
        ("TF32", torch.float32, True),
        ("bf16", torch.bfloat16, False),
    ):
        a, b = (torch.randn(size.side, size.side, device=size.device).to(dtype) for _ in range(2))
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = with_tf32
        taken = seconds(lambda a=a, b=b: torch.mm(a, b), size.rounds, size.device)
        torch.backends.cuda.matmul.allow_tf32 = before
        found[name] = 2 * size.side**3 / taken
        say(
            f"product of {size.side} x {size.side} matrices, {name}", f"{found[name] / 1e12:.1f} TFLOP/s", n=size.rounds
        )
    return found


def epochs(size: Size, limit: dict[str, float]) -> None:
    """Time epochs of cnn3 as a search trains them, validation included."""
    import statistics

    from benchmarks.limit import flop_of
    from study.engine import train
    from study.recipe import Recipe

    for precision, peak in (("float32", "TF32"), ("bfloat16", "bf16")):
        recipe = Recipe(dataset="cifar10", model="cnn3", lr=1e-3, epochs=size.rounds + 1, precision=precision)
        taken = statistics.median(epoch.seconds for epoch in list(train(recipe, device=size.device))[1:])
        flop = flop_of(recipe) / (size.rounds + 1)
        share = 100 * flop / taken / limit[peak]
        note = (
            f"with validation; {share:.2f} % of the {peak} products; convolutions are TF32 and products fp32 in float32"
        )
        say(f"epoch of cnn3, batch 64, {precision}", f"{taken:.3f} s", n=size.rounds, note=note, value=taken)


def ways(size: Size) -> None:
    """Time steps of cnn3: plain or captured, in either order of memory, in either precision."""
    from benchmarks.gpu_steps import WARM, Plain, batches, captured
    from study.engine.train import assemble
    from study.recipe import Recipe

    first = 0.0
    for is_captured, channels_last, precision in product((False, True), (True, False), ("float32", "bfloat16")):
        order = "channels_last" if channels_last else "contiguous"
        what = f"step of cnn3, batch 64: {'captured' if is_captured else 'plain'}, {order}, {precision}"
        try:
            parts = assemble(
                Recipe(dataset="cifar10", model="cnn3", lr=1e-3, epochs=1, precision=precision), size.device
            )
            plain = Plain(parts, channels_last=channels_last)
            step: Callable[[Tensor, Tensor], Tensor] = captured(plain) if is_captured else plain
            some = batches(parts, size.steps)
            for rows, targets in some[: WARM + 1]:
                step(rows, targets)
            each = (
                seconds(lambda step=step, some=some: [step(*one) for one in some], size.rounds, size.device)
                / size.steps
            )
        except RuntimeError as error:
            say(what, "error", note=" ".join(str(error).split())[:300])
            continue
        first = first or each
        found = f"{1e6 * each:.0f} us"
        say(what, found, n=size.rounds, note=f"{parts.batch / each:,.0f} images/s, x{first / each:.2f}", value=each)


def host_waits(size: Size) -> None:
    """Count where the host waits: in an epoch, and in a step of each optimizer."""
    from benchmarks.gpu_steps import waits
    from study.engine import train
    from study.recipe import Recipe

    kind = "" if size.device == "cuda" else "; on the CPU: tensors that the host read"
    training = train(Recipe(dataset="cifar10", model="cnn3", lr=1e-3, epochs=2), device=size.device)
    next(training)
    with waits(size.device) as found:
        next(training)
    training.close()
    places = ", ".join(f"{place} {count}" for place, count in found.most_common())
    say("waits of the host in an epoch of cnn3", str(found.total()), goal="0 in its steps", note=places + kind)
    by_optimizer: dict[str, float] = {}
    for name in OPTIMIZERS:
        counts: list[int] = []
        for steps in (2, 12):
            short = Recipe(
                dataset="mnist", model="mlp", hidden=(32,), lr=1e-3, epochs=1, batch_size=8, train_size=8 * steps,
                optimizer=name,
            )  # fmt: skip
            with waits(size.device) as found:
                next(train(short, device=size.device))
            counts.append(found.total())
        by_optimizer[name] = (counts[1] - counts[0]) / 10
    waiting = ", ".join(f"{name} {count:g}" for name, count in by_optimizer.items() if count) or "none"
    say("optimizers in whose steps the host waits", waiting, goal="none", note=f"waits a step{kind}")


def main() -> None:
    """Measure."""
    size = gpu_rows.arguments(__doc__).size
    gpu_rows.say_device(size.device)
    host_waits(size)
    epochs(size, flop_per_second(size))
    ways(size)


if __name__ == "__main__":
    main()
