"""Measured figures of docs/statistics.md about failing trainings, new examples, the gate, further seeds and shapes.

python benchmarks/promises.py        (five minutes on one core; seeds are fixed, so that it prints the same again)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from study.stats import examples, failures, intervals, noninferiority, sequential, shape, verdicts

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]

GUESSING, SD = 0.1, 0.002  # accuracies: of guessing, and between seeds


def show(title: str, *cells: str) -> None:
    """Print one line of a table."""
    print(f"{title:52}" + "".join(f"{cell:>16}" for cell in cells), flush=True)


def share(hits: list[bool]) -> str:
    """A share and its Monte Carlo error of two standard errors, in percent."""
    value = float(np.mean(hits))
    return f"{100 * value:.1f} +- {200 * (value * (1 - value) / len(hits)) ** 0.5:.1f}"


def failing(rng: np.random.Generator) -> None:
    """A recipe that fails once in twenty seeds, beside one that never does; equal or a point better where it ends.

    With failures as guessing it loses 4.2 or 3.2 points, so that "no difference" and "helps" are wrong.
    """
    show("fails 1 in 20, %", "n=5", "n=10", "n=30")
    cells: dict[str, list[str]] = {}
    for n in (5, 10, 30):
        for gain in (0.0, 0.01):
            found: dict[str, list[bool]] = {}
            for _ in range(500):
                failed = rng.random(n) < 0.05
                baseline = 0.94 + SD * rng.standard_normal(n)
                values = 0.94 + gain + SD * rng.standard_normal(n)
                guessed = np.where(failed, GUESSING, values)
                (before,) = verdicts.compare([guessed], baseline)
                (now,) = verdicts.compare(
                    [np.where(failed, np.nan, values)], baseline, failed=([failed], failed & False)
                )
                named = {0.0: "equal where it ends", 0.01: "1 point better where it ends"}[gain]
                of_all = before.verdict == ("helps" if gain else "no difference")
                found.setdefault(f"  {named}, as guessing: wrong", []).append(of_all)
                wrong = {"hurts", "no difference"} if gain else {"helps", "hurts"}
                found.setdefault(f"  {named}: wrong of those that end", []).append(now.verdict in wrong)
                found.setdefault(f"  {named}: bound of the share holds", []).append(failures.count(failed).high >= 0.05)
            for title, hits in found.items():
                cells.setdefault(title, []).append(share(hits))
    for title, row in cells.items():
        show(title, *row)
    show("fails more often, of two that fail 1 in 5, %", *(_more_often(rng, n) for n in (5, 10, 30)))


def _more_often(rng: np.random.Generator, n: int) -> str:
    seen = np.ones(n, dtype=bool)
    return share([
        failures.at_once([rng.random(n) < 0.2], rng.random(n) < 0.2, [seen], seen).p[0] <= 0.05 for _ in range(2_000)
    ])  # fmt: skip


def population(rng: np.random.Generator, kind: tuple[float, float], noise: float, shape: tuple[int, ...]) -> Array:
    """Chances to be right, (runs, seeds, examples): by how hard an example is, and by the seed."""
    runs, seeds, count = shape
    hard = kind[0] + kind[1] * rng.standard_normal((runs, 1, count))
    return special.expit(hard + noise * rng.standard_normal((runs, seeds, 1)))


def on_new_examples(rng: np.random.Generator) -> None:
    """95 % intervals of a mean and of a difference, of this test set and on new examples: what holds new examples."""
    show("held on new examples, %", "mean, seeds", "mean, both", "gap, seeds", "gap, both")
    for title, kind in (("96 %", (6.0, 2.8)), ("86 %", (3.4, 2.6))):
        for noise in (0.1, 0.3):
            wide = (kind[1] ** 2 + noise**2) ** 0.5
            truth = float(special.expit(kind[0] + wide * rng.standard_normal(4_000_000)).mean())
            for seeds, count in ((2, 100), (5, 100), (5, 360), (5, 2_000), (10, 100), (10, 2_000)):
                held: list[list[bool]] = [[], [], [], []]
                for _ in range(400):
                    chances = population(rng, kind, noise, (1, 2 * seeds, count))[0]
                    right = rng.random(chances.shape) < chances
                    one, other = right[:seeds], right[seeds:]
                    mean = intervals.mean(one.mean(1), step=1 / count).interval
                    gap = intervals.paired(one.mean(1), other.mean(1), step=1 / count).interval
                    for hits, interval, true in zip(
                        held,
                        (mean, examples.of_mean(mean, one), gap, examples.of_difference(gap, one, other)),
                        (truth, truth, 0.0, 0.0),
                        strict=True,
                    ):
                        hits.append(interval.contains(true))
                name = f"  accuracy {title}, seeds {noise:g}, n = {seeds}, {count} examples"
                show(name, *(share(each) for each in held))


def gate(rng: np.random.Generator) -> None:
    """Candidates that the gate lets pass, at a margin of 0.5 points; the two differ on 4 % of the examples."""
    show("promoted, %", *(f"{n:,} examples" for n in (360, 2_000, 10_000, 40_000)))
    for loss in (-0.01, 0.0, 0.002, 0.005, 0.01):
        cells: list[str] = []
        for n in (360, 2_000, 10_000, 40_000):
            passed: list[bool] = []
            for _ in range(500):
                drawn = rng.random(n)
                gained, lost = drawn < (0.04 - loss) / 2, drawn > 1 - (0.04 + loss) / 2
                passed.append(noninferiority.compare(~lost, ~gained).answer == "no worse")
            cells.append(share(passed))
        show(f"  worse by {100 * loss:g} points", *cells)


def more(rng: np.random.Generator) -> None:
    """Undecided comparisons that are settled after the number of seeds that was told, judged at any time."""
    show("settled by the lower, the upper number, %", "any effect, x = .5", "effect 1 sd", "1.5 sd", "none, x = 1")
    for n in (3, 5, 10):
        cells: list[str] = []
        for effect, x in ((None, 0.5), (1.0, 0.5), (1.5, 0.5), (0.0, 1.0)):
            low: list[bool] = []
            high: list[bool] = []
            while len(low) < 400:
                true = rng.uniform(-3, 3) if effect is None else effect
                gaps = rng.standard_normal(n) + true
                (now,) = verdicts.compare([gaps], np.zeros(n), smallest=x)
                if now.verdict != "not enough seeds" or not now.more.even or not now.more.most:
                    continue
                gaps = np.concatenate([gaps, rng.standard_normal(now.more.most) + true])
                for hits, seeds in ((low, now.more.even), (high, now.more.most)):
                    (then,) = sequential.compare([gaps[: n + seeds]], np.zeros(n + seeds), smallest=x)
                    hits.append(then.verdict != "not enough seeds")
            cells.append(f"{100 * np.mean(low):.0f}, {100 * np.mean(high):.0f}")
        show(f"  asked after {n} seeds", *cells)


def second_look(rng: np.random.Generator) -> None:
    """Families of equal variants, looked at after n seeds and again after twice as many: any "helps" or "hurts"."""
    show(
        "looked at twice, any verdict, %",
        "first look",
        "second, fixed",
        "second, as is",
        "either, fixed",
        "either, as is",
    )
    for variants, n in ((1, 5), (8, 5), (8, 10)):
        runs = rng.standard_normal((4_000, variants + 1, 2 * n))
        gaps = runs[:, 1:] - runs[:, :1]
        found: list[Array] = []
        for seeds in (n, 2 * n):
            count, center, sd = intervals.moments(gaps[..., :seeds])
            found.append(verdicts.holm(intervals.student_p(count, center, sd)).min(-1) <= 0.05)
        p = np.exp(-np.maximum(sequential.log_ratios(gaps).max(-1), 0.0))
        found.append(verdicts.holm(p).min(-1) <= 0.05)
        first, fixed, at_any_time = found
        either = (first | fixed, first | at_any_time)
        show(f"  {variants} variants, {n} seeds", *(share(each.tolist()) for each in (*found, *either)))


def many_looks(rng: np.random.Generator) -> None:
    """Families of equal variants, looked at after every seed up to 300: any "helps" or "hurts" at any look."""
    sizes = (1, 2, 5, 8, 20)
    show("looked at after every seed, any verdict, %", *(f"of {size}" for size in sizes))
    kinds: dict[str, Draw] = {
        "normal": lambda rng, size: rng.standard_normal(size),
        "t, 3 degrees of freedom": lambda rng, size: rng.standard_t(3, size),
        "skewed runs": lambda rng, size: -rng.exponential(size=size),
        "skewed differences": _skewed,
    }
    for name, draw in kinds.items():
        found = {(size, cap): list[bool]() for size in sizes for cap in (30, 300)}
        for _ in range(2_000):
            runs = draw(rng, (1, 1 + sizes[-1], 300))[0]
            ratios = sequential.log_ratios(runs[1:] - runs[0])
            for (size, cap), wrong in found.items():
                p = np.exp(-np.maximum(ratios[:size, :cap].max(-1), 0.0))
                wrong.append(bool((verdicts.holm(p) <= 0.05).any()))
        for cap in (30, 300):
            show(f"  {name}, up to {cap} seeds", *(share(found[size, cap]) for size in sizes))


def stepwise(rng: np.random.Generator) -> None:
    """Candidates for the simplest recipe that all lose exactly x, tried in turn: any that is said to lose less."""
    show("6 candidates that lose x, any called no worse, %", "error of tries so far", "one error for all")
    for n in (5, 10):
        runs = rng.standard_normal((10_000, 7, n))
        _, center, sd = intervals.moments(runs[:, 1:] - runs[:, :1])  # x is taken off: any above 0 is wrong
        shares = (np.arange(1, 7), np.full(6, 6))
        wrong = [(center > intervals.student_critical(0.05 / of, n) * sd / n**0.5).any(-1) for of in shares]
        show(f"  {n} seeds", *(share(each.tolist()) for each in wrong))


def _coarse(examples: int) -> Draw:
    """Accuracies around 95 % with a spread of a point between seeds, rounded at random to whole examples."""
    return lambda rng, size: (
        np.floor((0.95 + 0.01 * rng.standard_normal(size)) * examples + rng.uniform(size=size)) / examples
    )


def _skewed(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
    """A baseline, and variants that differ from it by an exponential variable of mean 0."""
    runs = rng.exponential(size=size) - 1
    runs[:, 0] = 0
    return runs


def _parted(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
    """A baseline, and variants that differ from it in two groups."""
    runs = 2.0 * rng.choice([-1, 1], size) + 0.5 * rng.standard_normal(size)
    runs[:, 0] = 0
    return runs


RUNS: dict[str, tuple[Draw, float]] = {  # runs (families, 1 + variants, seeds) of equal means, and their resolution
    "normal": (lambda rng, size: rng.standard_normal(size), 0.0),
    "t, 3 degrees of freedom": (lambda rng, size: rng.standard_t(3, size), 0.0),
    "skewed runs": (lambda rng, size: -rng.exponential(size=size), 0.0),
    "1 of 100 examples": (_coarse(100), 1 / 100),
    "1 of 360 examples": (_coarse(360), 1 / 360),
    "1 of 10,000 examples": (_coarse(10_000), 1 / 10_000),
    "skewed differences": (_skewed, 0.0),
    "differences in two groups": (_parted, 0.0),
}


def grid(rng: np.random.Generator) -> None:
    """Families of variants that equal the baseline on average: any "helps" or "hurts"; and shapes that are named."""
    sizes = (1, 2, 5, 8, 20)
    show("any verdict in a family of, %", *(str(size) for size in sizes), "shape named")
    for name, (draw, step) in RUNS.items():
        for n in (2, 3, 5, 10, 30):
            runs = draw(rng, (4_000, 1 + sizes[-1], n))
            gaps = runs[:, 1:] - runs[:, :1]
            count, center, sd = intervals.moments(gaps)
            p = intervals.student_p(count, center, intervals.spread(sd, step))
            wrong = [(verdicts.holm(p[:, :size]) <= 0.05).any(-1) for size in sizes]
            named = [
                found is not None and found.looks is not None
                for found in (shape.of(each, step) for each in gaps[:400, 0])
            ]
            show(f"  {name}, n = {n}", *(share(each.tolist()) for each in wrong), share(named) if n > 5 else "-")


def time_to_target(rng: np.random.Generator) -> None:
    """Families whose variants need as many epochs as the baseline, of 10 at most: any "helps" or "hurts"."""
    sizes = (1, 8)
    show("time to target, any verdict in a family of, %", *(str(size) for size in sizes), "mean held")
    for title, typical in (("never missed", 3.0), ("missed 1 in 10", 5.3), ("half missed", 10.0), ("9 in 10", 18.9)):
        law = np.minimum(np.ceil(typical * np.exp(0.5 * rng.standard_normal(2_000_000))), 10.0)
        for n in (2, 3, 5, 10, 30):
            times = rng.choice(law, (20_000, 1 + sizes[-1], n))
            count, center, sd = intervals.moments(times[:, 1:] - times[:, :1])
            p = intervals.student_p(count, center, intervals.spread(sd, 1.0))
            wrong = [(verdicts.holm(p[:, :size]) <= 0.05).any(-1) for size in sizes]
            held = [intervals.mean(each, step=1.0).interval.contains(law.mean()) for each in times[:1_000, 0]]
            show(f"  {title}, n = {n}", *(share(each.tolist()) for each in wrong), share(held))


if __name__ == "__main__":
    for part in (failing, gate, more, second_look, many_looks, stepwise, grid, time_to_target, on_new_examples):
        part(np.random.default_rng(20_261_129))
