"""Every measured figure of docs/statistics.md: coverage, errors of the family, and seeds until a verdict is settled.

The candidates for `--until-sure` are compared here: the mixture that `study.stats.sequential` holds, at several
variances, and a group-sequential t test with bounds that spend exactly the error, with a cap on the seeds and without.
Its bounds come from simulated nulls, which is exact but for the Monte Carlo error: t statistics do not depend on sigma.

    python benchmarks/verdicts.py        (two minutes on one core; seeds are fixed, so that it prints the same again)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from study.stats import intervals, racing, sequential, verdicts

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

VARIANTS, CAP, ERROR = 8, 30, 0.05
CASES = ((100, 1, 2), (100, 1, 5), (100, 8, 5), (100, 8, 30), (360, 1, 2), (360, 8, 2), (360, 8, 5), (360, 8, 10),
         (360, 8, 30), (10_000, 8, 5), (10_000, 8, 30))  # fmt: skip
SPREADS = (0.1, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)  # of a run between seeds, in steps of the metric
EFFECTS = (0.5, 1.0, 2.0, 3.0)
SEEDS = np.arange(3, CAP + 1)  # a look after each


def show(title: str, *cells: str) -> None:
    """Print one line of a table."""
    print(f"{title:44}" + "".join(f"{cell:>16}" for cell in cells), flush=True)


def share(hits: NDArray[np.bool_]) -> str:
    """A share and its Monte Carlo error of two standard errors, in percent."""
    value = float(hits.mean())
    return f"{100 * value:.2f} +- {200 * (value * (1 - value) / hits.size) ** 0.5:.2f}"


def fixed_p(gaps: Array, step: float = 0.0) -> Array:
    """Holm-adjusted p values of (families, variants, seeds), as `verdicts.compare` computes them for one family."""
    n, center, sd = intervals.moments(gaps)
    return verdicts.holm(intervals.student_p(n, center, intervals.spread(sd, step)))


def anytime_p(gaps: Array, step: float = 0.0) -> Array:
    """As `fixed_p` for `sequential.compare`: over all looks at the last axis."""
    highest = sequential.log_ratios(gaps, step).max(-1)
    return verdicts.holm(np.exp(-np.maximum(highest, 0.0)))


def family(rng: np.random.Generator, families: int, effects: Array, n: int) -> Array:
    """Differences to a shared baseline, all runs normal with sd 1: (families, variants, n)."""
    runs = rng.standard_normal((families, effects.size, n)) + effects[:, None]
    return runs - rng.standard_normal((families, 1, n))


def coverage(rng: np.random.Generator) -> None:
    """Intervals of a mean and of a single run."""
    show("coverage of 95%, normal, %", *(f"n={n}" for n in (5, 10, 20, 30)))
    for title, whole in (("mean", 0.0), ("single run", 1.0)):
        cells: list[str] = []
        for n in (5, 10, 20, 30):
            _, center, sd = intervals.moments(rng.standard_normal((100_000, n)))
            target = whole * rng.standard_normal(100_000)
            half = intervals.student_critical(0.05, n) * sd * np.sqrt(whole + 1 / n)
            cells.append(share(np.abs(center - target) <= half))
        show(f"  {title}", *cells)


def family_errors(rng: np.random.Generator) -> None:
    """Families of equal variants that yield any verdict; families at the smallest effect that are called equal."""
    show("families of 8 equal variants with a verdict, %", "n=5", "n=10", "looked 3..30")
    gaps = family(rng, 20_000, np.zeros(VARIANTS), CAP)
    fixed = [share((fixed_p(gaps[..., :n]) <= ERROR).any(-1)) for n in (5, 10)]
    show("  normal", *fixed, share((anytime_p(gaps) <= ERROR).any(-1)))
    show("  the same, coarse metric (1 of 114)", "n=3", "n=5", "looked 3..30")
    runs = rng.binomial(114, 0.995, size=(20_000, VARIANTS + 1, CAP)) / 114
    gaps = runs[:, 1:] - runs[:, :1]
    for title, step in (("without step", 0.0), ("with step", 1 / 114)):
        fixed = [share((fixed_p(gaps[..., :n], step) <= ERROR).any(-1)) for n in (3, 5)]
        show(f"    {title}", *fixed, share((anytime_p(gaps, step) <= ERROR).any(-1)))


def wrongly_equal(rng: np.random.Generator) -> None:
    """Families whose variants all differ by exactly x and of which any is called no difference larger than x."""
    show("differ by x, any 'no difference', %", "n=10", "n=20", "looked 3..30")
    for x in (1.0, 2.0):
        gaps = family(rng, 10_000, np.full(VARIANTS, x), CAP)
        cells: list[str] = []
        for n in (10, 20):
            count, center, sd = intervals.moments(gaps[..., :n])
            half = intervals.student_critical(ERROR / VARIANTS, count) * sd / np.sqrt(n)
            cells.append(share((np.abs(center) + half < x).any(-1)))
        low, high = sequential.confidence_sequence(gaps, 1 - ERROR / VARIANTS)
        show(f"  x = {x:g} sd of a run", *cells, share(((low > -x) & (high < x)).any((-1, -2))))


def coarse_runs(rng: np.random.Generator, families: int, means: Array, sd: float, n: int) -> Array:
    """Values on a coarse metric, in steps: (families, runs, n); rounded at random, so that their means are exact."""
    runs = means[:, None] + sd * rng.standard_normal((families, means.size, n))
    runs += rng.uniform(0, 1, (families, 1, 1))
    return np.floor(runs + rng.uniform(0, 1, runs.shape))


def ties(rng: np.random.Generator) -> None:
    """Families on a coarse metric that differ by exactly x = 0.5 points: any wrongly called no different.

    The spread of a run between seeds is not known to the promise, so the worst of several is told, with that spread in
    steps of the metric.
    """
    show("coarse, differ by 0.5 points, any 'no difference', %", "before, as told", "floor", "looked 3..30")
    for examples, variants, n in CASES:
        step, x, count = 1 / examples, 0.005, 4_000
        worst: list[tuple[float, float, str]] = []
        for rule in ("before", "floor", "looked"):
            found: list[tuple[float, float]] = []
            for sd in SPREADS:
                seeds = CAP if rule == "looked" else n
                families = count // 8 if rule == "looked" else count
                means = np.concatenate([[0.0], np.full(variants, x / step)])
                runs = step * coarse_runs(rng, families, means, sd, seeds)
                gaps = runs[:, 1:] - runs[:, :1]
                found.append((float(_called_equal(gaps, x, step, rule).any(-1).mean()), sd))
            value, sd = max(found)
            size = count // 8 if rule == "looked" else count
            worst.append((value, sd, f"{100 * value:.2f} +- {200 * (value * (1 - value) / size) ** 0.5:.2f} ({sd:g})"))
        show(f"  {examples} examples, {variants} variants, n = {n}", *(each for _, _, each in worst))


def _called_equal(gaps: Array, x: float, step: float, rule: str) -> NDArray[np.bool_]:
    """Tell which variants are called no different; before, equal pairs counted as a proof."""
    error = ERROR / gaps.shape[1]
    if rule == "looked":
        low, high = sequential.confidence_sequence(gaps, 1 - error, step)
        return ((low > -x) & (high < x)).any(-1)
    n, center, sd = intervals.moments(gaps)
    half = intervals.reach(intervals.student_critical(error, n), n, intervals.spread(sd, step))
    equal = (center == 0) & (sd == 0) & ((step <= x) | (n >= 5)) if rule == "before" else np.zeros(n.shape, dtype=bool)
    return equal | ((center - half > -x) & (center + half < x))


def races(rng: np.random.Generator) -> None:
    """Races of equally good arms on 5 seeds in which any arm is ever called surely worse."""
    show("any arm of a race called worse, 5 seeds, %", *(f"{arms} arms" for arms in (2, 5, 10, 20)))
    for noisier in (1.0, 3.0, 10.0):
        cells: list[str] = []
        for arms in (2, 5, 10, 20):
            wrong = np.zeros(600, dtype=bool)
            for race in range(wrong.size):
                table = rng.standard_normal((arms, 5))
                table[0] *= noisier
                wrong[race] = _race(table)
            cells.append(share(wrong))
        show(f"  one arm {noisier:g} times as noisy as the others", *cells)


def _race(table: Array) -> bool:
    """Race as `study confirm` does, and tell whether any arm was dropped."""
    seeds = table.shape[1]
    return any(racing.worse(table[:, :n], looks=seeds - 1).any() for n in range(2, seeds + 1))


def joint_coverage(rng: np.random.Generator) -> None:
    """Families all of whose intervals hold the truth, as shown: cut at 0 where Holm settles a sign."""
    show("all 8 intervals hold the truth, %", "n=5", "n=10", "n=20")
    for with_effect in (0, 4, 7, 8):
        effects = np.where(np.arange(VARIANTS) < with_effect, 2.0, 0.0)
        cells: list[str] = []
        for n in (5, 10, 20):
            gaps = family(rng, 20_000, effects, n)
            _, center, sd = intervals.moments(gaps)
            half = intervals.student_critical(ERROR / VARIANTS, n) * sd / np.sqrt(n)
            certain = fixed_p(gaps) <= ERROR
            wrong_side = certain & (np.sign(center) != np.sign(effects))
            cells.append(share(((np.abs(center - effects) <= half) & ~wrong_side).all(-1)))
        show(f"  {with_effect} of 8 with an effect of 2 sd", *cells)


def power(rng: np.random.Generator) -> None:
    """Variants with an effect that are found, in a family of 8 of which 4 have it."""
    show("found, 4 of 8 with the effect, %", *(f"n={n}" for n in (3, 5, 10, 20)))
    for d in (1.0, 2.0, 3.0):
        effects = np.where(np.arange(VARIANTS) < 4, d * 2**0.5, 0.0)
        gaps = family(rng, 5_000, effects, 20)
        show(f"  d = {d:g}", *(share((fixed_p(gaps[..., :n]) <= ERROR)[:, :4]) for n in (3, 5, 10, 20)))


def t_p(gaps: Array) -> Array:
    """Nominal two-sided p value at each look of (paths, CAP)."""
    cumulated, squares = gaps.cumsum(-1)[:, 2:], (gaps**2).cumsum(-1)[:, 2:]
    center = cumulated / SEEDS
    sd = np.sqrt((squares - SEEDS * center**2) / (SEEDS - 1))
    return 2 * special.stdtr(SEEDS - 1, -np.abs(center) * np.sqrt(SEEDS) / sd)


def bounds(null: Array, spent: Array) -> Array:
    """Nominal p value at each look that spends the error as told, over null paths that are still going on."""
    going, before, found = np.ones(len(null), dtype=bool), 0.0, np.zeros(SEEDS.size)
    for look, until in enumerate(spent):
        hits = round((until - before) * len(null))
        found[look] = np.partition(null[going, look], hits)[hits]
        going &= null[:, look] >= found[look]
        before = until
    return found


def settled(crossed: NDArray[np.bool_]) -> str:
    """Share that settles by the cap, and the mean number of seeds, the cap where it does not."""
    any_ = crossed.any(-1)
    return f"{100 * any_.mean():.0f}%  {np.where(any_, SEEDS[crossed.argmax(-1)], CAP).mean():.1f}"


def mixture(variance: float, error: float) -> Callable[[Array], NDArray[np.bool_]]:
    """Paths to crossings of the mixture with that variance of the effect."""

    def crossed(gaps: Array) -> NDArray[np.bool_]:
        n, total, squares = SEEDS, gaps.cumsum(-1)[:, 2:], (gaps**2).cumsum(-1)[:, 2:]
        grown, of_mean = 1 + n * variance, total**2 / n
        about = squares - of_mean
        return n * np.log((about + of_mean) / (about + of_mean / grown)) - np.log(grown) >= -2 * np.log(error)

    return crossed


def grouped(null: Array, spent: Array) -> Callable[[Array], NDArray[np.bool_]]:
    """Paths to crossings of the group-sequential test."""
    limits = bounds(null, spent)
    return lambda gaps: t_p(gaps) < limits


def candidates(rng: np.random.Generator) -> None:
    """Share settled by 30 seeds and mean seeds, per candidate, alone and at the first step of Holm among 8."""
    null = t_p(rng.standard_normal((400_000, CAP)))
    paths = {d: rng.standard_normal((20_000, CAP)) + d for d in (0.0, *EFFECTS)}
    for error in (ERROR, ERROR / VARIANTS):
        show(f"settled by 30, mean seeds; error {error:g}", *(f"d = {d:g}" for d in EFFECTS), "of the error")
        tests = {f"mixture, variance {g:g}": mixture(g, error) for g in (1, 2, 4, 10, 30)}
        for title, spent in (
            ("capped at 30, root", ((SEEDS - 2) / (CAP - 2)) ** 0.5),
            ("capped at 30, linear", (SEEDS - 2) / (CAP - 2)),
            ("capped at 30, O'Brien-Fleming", 2 * special.ndtr(-1.96 / np.sqrt(SEEDS / CAP)) / ERROR),
            ("without cap, 1 - root(2/n)", 1 - (2 / SEEDS) ** 0.5),
        ):
            tests[f"group-sequential, {title}"] = grouped(null, error * spent)
        for title, crossed in tests.items():
            used = crossed(paths[0.0]).any(-1).mean() / error
            show(f"  {title}", *(settled(crossed(paths[d])) for d in EFFECTS), f"{100 * used:.0f}%")


if __name__ == "__main__":
    for part in (coverage, family_errors, wrongly_equal, ties, races, joint_coverage, power, candidates):
        part(np.random.default_rng(20_261_121))
