"""Lanes: K perceptrons of one shape trained as one batched network, against one after the other; here on a CPU.

    python -m benchmarks.lanes                   K = 2, 4, 8, 16; 784-100-10, batches of 100, one thread, CPU time

Time is the process's own, both sides in one process in alternation, so that other work on the machine matters less.
Lanes have batches of their own, or all the same: the trainings of a search with one seed see theirs in the same order.
The bits of the first lane are compared with those that it has beside other neighbours, in another lane, and in the
engine alone.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from benchmarks import gpu_rows  # noqa: F401 - finds `study` where it is not installed
from study.engine.train import Parts, assemble, inputs
from study.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # as torch's Adam has them


class Lanes:
    """K perceptrons with ReLU, each with its own weights and learning rate; the gradient is written out.

    Args:
        networks: of one shape; their weights are copied.
        rates: the learning rate of each.
        by_kernel: whether torch's fused Adam is called for each lane, else the formula is written out for all at once.

    """

    def __init__(self, networks: Sequence[nn.Module], rates: Sequence[float], *, by_kernel: bool) -> None:
        """Stack the weights: (K, out, in) and (K, out) of each layer."""
        layers = [[each for each in network.modules() if isinstance(each, nn.Linear)] for network in networks]
        self.parameters: list[Tensor] = []
        for same in zip(*layers, strict=True):
            self.parameters += [torch.stack([each.weight.detach() for each in same])]
            self.parameters += [torch.stack([each.bias.detach() for each in same])]
        device = self.parameters[0].device
        self._gradients, self._means, self._squares = (
            [torch.zeros_like(each) for each in self.parameters] for _ in "gms"
        )
        self._rates, self._by_kernel = list(rates), by_kernel
        self._steps = torch.zeros((), device=device)
        self._rate_of = torch.tensor(rates, device=device)
        of_lanes = [[list(each.unbind()) for each in some] for some in (
            self.parameters, self._gradients, self._means, self._squares,
        )]  # fmt: skip
        self._of_lane = [[[each[lane] for each in some] for some in of_lanes] for lane in range(len(networks))]
        self._counts = [[torch.zeros((), device=device) for _ in self.parameters] for _ in networks]

    def step(self, x: Tensor, y: Tensor) -> Tensor:
        """Train each lane on its batch, (K, N, in) and int64 (K, N), or all on one, (N, in) and (N,); losses (K,)."""
        weights, biases = self.parameters[::2], self.parameters[1::2]
        kept = [x]
        for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            if x.ndim == 2:  # one wide product
                lanes, width, _ = weight.shape
                x = torch.mm(x, weight.flatten(0, 1).t()).view(-1, lanes, width).transpose(0, 1) + bias[:, None]
            else:
                x = torch.baddbmm(bias[:, None], x, weight.mT)
            if number < len(weights) - 1:
                x = torch.relu(x)
                kept.append(x)
        logs = torch.log_softmax(x, 2)
        y = y.expand(len(x), -1)[..., None]
        losses = -logs.gather(2, y)[..., 0].mean(1)
        after = logs.exp()
        after.scatter_add_(2, y, torch.full_like(y, -1, dtype=after.dtype))
        after /= x.shape[1]
        for number in reversed(range(len(weights))):
            before, weight = kept[number], weights[number]
            torch.sum(after, 1, out=self._gradients[2 * number + 1])
            if before.ndim == 2:
                torch.mm(after.mT.flatten(0, 1), before, out=self._gradients[2 * number].flatten(0, 1))
            else:
                torch.bmm(after.mT, before, out=self._gradients[2 * number])
            if number:
                after = torch.bmm(after, weight) * (before > 0)
        self._update()
        return losses

    def _update(self) -> None:
        if not self._by_kernel:
            self._update_by_formula()
            return
        kernel: Any = torch._fused_adam_
        for rate, counts, (parameters, gradients, means, squares) in zip(
            self._rates, self._counts, self._of_lane, strict=True
        ):
            torch._foreach_add_(counts, 1)
            kernel(
                parameters, gradients, means, squares, [], counts, lr=rate, beta1=BETA1, beta2=BETA2,
                weight_decay=0.0, eps=EPSILON, amsgrad=False, maximize=False,
            )  # fmt: skip

    def _update_by_formula(self) -> None:
        self._steps += 1
        first, second = 1 - BETA1**self._steps, (1 - BETA2**self._steps).sqrt()
        for parameter, gradient, mean, square in zip(
            self.parameters, self._gradients, self._means, self._squares, strict=True
        ):
            mean.lerp_(gradient, 1 - BETA1)
            square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
            change = mean / (square.sqrt().div_(second).add_(EPSILON))
            parameter.sub_(change.mul_((self._rate_of / first).view(-1, *[1] * (parameter.ndim - 1))))


QUICK = {"steps": 20, "rounds": 3}


def recipe(**knobs: Any) -> Recipe:
    """Give the recipe of the perceptron."""
    return Recipe.model_validate({
        "dataset": "mnist", "model": "mlp", "hidden": (100,), "lr": 1e-3, "batch_size": 100, "epochs": 1, **knobs,
    })  # fmt: skip


def networks(count: int, device: str, **knobs: Any) -> list[nn.Module]:
    """Make networks with different initial weights."""
    return [assemble(recipe(seed=seed, **knobs), device).model for seed in range(count)]


def stacked(parts: Parts, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Make inputs and targets of the rows of all lanes, (K, N) to (K, N, in) and (K, N); or of one batch, (N,)."""
    generator = torch.Generator(parts.device)
    x = inputs(parts, generator, rows.flatten()).flatten(1)
    return x.view(*rows.shape, -1), parts.data.train.y.index_select(0, rows.flatten()).view(rows.shape)


def rows_of(parts: Parts, steps: int, lanes: int) -> Tensor:
    """Draw the rows of all batches, int64 (steps, K, N); those of a lane do not depend on K."""
    of_lanes = [
        torch.randint(len(parts.data.train), (steps, parts.batch), generator=torch.Generator().manual_seed(lane))
        for lane in range(lanes)
    ]
    places = torch.stack(of_lanes, 1).to(parts.device)
    return parts.data.train.rows.index_select(0, places.flatten()).view(places.shape)


def weights_of_first(lanes: Lanes) -> list[Tensor]:
    """Copy the weights of the first lane."""
    return [each[0].clone() for each in lanes.parameters]


def trained(
    parts: Parts, seeds: Sequence[int], orders: Sequence[int], steps: int, *, by_kernel: bool, shared: bool = False
) -> Lanes:
    """Train lanes, the network and the batches of each by a number."""
    nets = networks(max(seeds) + 1, parts.device, batch_size=parts.batch)
    lanes = Lanes([nets[seed] for seed in seeds], [1e-3 * (1 + seed) for seed in seeds], by_kernel=by_kernel)
    rows = rows_of(parts, steps, max(orders) + 1)
    for some in rows[:, 0] if shared else rows[:, list(orders)]:
        lanes.step(*stacked(parts, some))
    return lanes


def equal(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    """Tell whether all tensors are equal to the bit."""
    return all(map(torch.equal, one, other))


def independence(parts: Parts, count: int, steps: int, *, by_kernel: bool, shared: bool = False) -> dict[str, bool]:
    """Tell what the bits of a lane do not depend on: its neighbours, its place, being in lanes at all."""
    from benchmarks.gpu_steps import Plain

    here, others = list(range(count)), [0, *range(count, 2 * count - 1)]
    start = {"by_kernel": by_kernel, "shared": shared}
    first = weights_of_first(trained(parts, here, here, steps, **start))
    beside = weights_of_first(trained(parts, others, others, steps, **start))
    last = [each[-1] for each in trained(parts, [*here[1:], 0], [*here[1:], 0], steps, **start).parameters]
    alone = Plain(assemble(recipe(seed=0, batch_size=parts.batch), parts.device))
    for rows in rows_of(parts, steps, count)[:, 0]:
        alone(rows, parts.data.train.y.index_select(0, rows))
    engine = [each.detach() for each in alone.parts.model.parameters()]
    return {"neighbours": equal(first, beside), "place": equal(first, last), "engine": equal(first, engine)}


def ratio(count: int, steps: int, rounds: int, *, shared: bool) -> list[float]:
    """Time networks one after the other and as lanes, in turn; CPU time per training step, first over second."""
    from benchmarks.gpu_steps import Plain

    single = [Plain(assemble(recipe(seed=seed), "cpu")) for seed in range(count)]
    parts = single[0].parts
    lanes = Lanes([each.parts.model for each in single], [1e-3] * count, by_kernel=True)
    rows = rows_of(parts, steps, count)
    targets = parts.data.train.y.index_select(0, rows.flatten()).view(rows.shape)

    def one_after_the_other() -> None:
        for lane, network in enumerate(single):
            for some, theirs in zip(rows[:, lane], targets[:, lane], strict=True):
                network(some, theirs)

    def together() -> None:
        for some in rows[:, 0] if shared else rows:
            lanes.step(*stacked(parts, some))

    found: list[float] = []
    with torch.inference_mode():
        for _ in range(rounds + 1):
            taken: list[float] = []
            for side in (one_after_the_other, together):
                began = time.process_time()
                side()
                taken.append(time.process_time() - began)
            found.append(taken[0] / taken[1])
    return found[1:]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    asked = parser.parse_args()
    vars(asked).update(QUICK if asked.quick else {})
    torch.set_num_threads(1)
    parts = assemble(recipe(), "cpu")
    print(
        "| K | batches | one after the other / lanes, CPU time | n | bits do not depend on |\n|---:|---|---:|---:|---|"
    )
    for count in (2, 4, 8, 16):
        for shared in (False, True):
            ratios = ratio(count, asked.steps, asked.rounds, shared=shared)
            bits = independence(parts, count, 20, by_kernel=True, shared=shared)
            told = ", ".join(name for name, holds in bits.items() if holds) or "(they depend on all)"
            span = f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f})"
            print(f"| {count} | {'the same' if shared else 'own'} | {span} | {asked.rounds} | {told} |", flush=True)


if __name__ == "__main__":
    main()
