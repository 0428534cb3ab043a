"""A part of gpu.py: many MNIST perceptrons of one shape at once, against one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import gpu_rows
from benchmarks.gpu_rows import Size, say, seconds

if TYPE_CHECKING:
    from torch import Tensor

    from benchmarks.lanes import Lanes

GOAL = "x50"


def alone(size: Size) -> float:
    """Time a step of one network by the engine, and as a graph; gives the former."""
    from benchmarks.gpu_steps import WARM, Plain, batches, captured
    from benchmarks.lanes import recipe
    from study.engine.train import assemble

    first = 0.0
    for name, make in {"the engine": lambda plain: plain, "the engine's step, captured": captured}.items():
        what = f"MNIST perceptron, one after the other: {name}"
        plain = Plain(assemble(recipe(), size.device))
        step, some = make(plain), batches(plain.parts, size.steps)
        with plain.parts.step.mode():
            for rows, targets in some[: WARM + 1]:
                step(rows, targets)
            each = (
                seconds(lambda step=step, some=some: [step(*one) for one in some], size.rounds, size.device)
                / size.steps
            )
        first = first or each
        say(what, f"{1e6 * each:.0f} us a step", n=size.rounds, note=f"x{first / each:.1f}", value=each)
    return first


def together(size: Size, one: float) -> None:
    """Time lanes, their batches their own or shared, plain or captured; and see what a lane's bits depend on."""
    import torch

    from benchmarks.gpu_steps import WARM, Captured
    from benchmarks.lanes import Lanes, independence, networks, recipe, rows_of, stacked
    from study.engine.train import assemble

    parts = assemble(recipe(), size.device)
    for count in size.lanes:
        nets = networks(count, size.device)
        for shared in (False, True):
            for is_captured in (False, True):
                how = f"{'shared' if shared else 'own'} batches, {'captured' if is_captured else 'plain'}"
                what = f"{count} MNIST perceptrons as lanes, {how}"
                rows = rows_of(parts, size.steps, count)
                rows = rows[:, 0].contiguous() if shared else rows
                lanes = Lanes(nets, [1e-3] * count, by_kernel=False)

                def plain(some: Tensor, lanes: Lanes = lanes) -> Tensor:
                    return lanes.step(*stacked(parts, some))

                with torch.inference_mode():
                    step = Captured(plain, size.device) if is_captured else plain
                    for some in rows[: WARM + 1]:
                        step(some)
                    each = seconds(lambda step=step, rows=rows: [step(some) for some in rows], size.rounds, size.device)
                each /= size.steps
                gain = count * one / each
                note = f"{1e6 * each:.0f} us a step of all"
                say(what, f"x{gain:.1f}", goal=GOAL if count == 100 else "", n=size.rounds, note=note, value=gain)
            bits = independence(parts, count, min(20, size.steps), by_kernel=False, shared=shared)
            told = ", ".join(f"{name} {'equal' if holds else 'other bits'}" for name, holds in bits.items())
            say(f"bits of a lane of {count}, {'shared' if shared else 'own'} batches", told)


def main() -> None:
    """Measure."""
    size = gpu_rows.arguments(__doc__).size
    gpu_rows.say_device(size.device)
    together(size, alone(size))


if __name__ == "__main__":
    main()
