"""How far `study confirm` can be believed: many whole searches whose truth is known, through the program itself.

Simulated: a recipe's true accuracy is a smooth function of two knobs plus a part of its own; a training shows it with
the noise of its seed (sd 0.3 points). Real: a grid of perceptrons on 1,000 MNIST digits, the truth of each being its
mean over many further seeds. Each search is run, confirmed and scored by `search.run` and `confirm.run`, and compared
with the truth: is it within the final score's interval, is the score right on the average, and is the chosen recipe
within 0.1 points of the best of the top k more often than the best single trial is?

    python benchmarks/confirmation.py simulated --searches 400     (about 5 minutes on two cores)
    STUDY_DATA=... python benchmarks/confirmation.py mnist --searches 30
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import os
import tempfile
import threading
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from study import Epoch, Recipe, Study, settings
from study.imports import load_file
from study.options import Options
from study.questions import confirmation, replicates, search
from study.record import results
from study.record.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import optuna

CLOSE = 0.001  # 0.1 points
NOISE = 0.003  # sd between seeds
OPTIONS: dict[str, Any] = {"sampler": "tpe", "pruner": "none", "track": False}
GRID = {
    "lr": (0.003, 0.01, 0.03, 0.1, 0.3),
    "momentum": (0.5, 0.9, 0.95),
    "activation": ("relu", "tanh"),
}


class Simulated(BaseModel):
    """A recipe whose accuracy is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    x: float = 0.1
    y: float = 0.1
    epochs: int = 1
    seed: int = 0


def draw(*what: object) -> float:
    """Draw a standard normal number that depends on these things alone."""
    seed = int.from_bytes(hashlib.sha256(repr(what).encode()).digest()[:8], "little")
    return float(np.random.default_rng(seed).standard_normal())


def truth(x: float, y: float) -> float:
    """Give the accuracy that a recipe has on the average over seeds."""
    return 0.97 - 0.06 * abs(x - 0.7) - 0.02 * abs(y - 0.4) + 0.001 * draw(x, y)


def train_simulated(recipe: Simulated, resume: object, *, test: bool = False) -> Iterator[Epoch]:  # noqa: ARG001 - the protocol
    """Show the truth with the seed's noise, on validation and on test data."""
    here = truth(recipe.x, recipe.y)
    yield Epoch(1, {"val_accuracy": here + NOISE * draw(recipe.x, recipe.y, recipe.seed, "val")})
    return {"test": {"accuracy": here + NOISE * draw(recipe.x, recipe.y, recipe.seed, "test")}} if test else {}


def space_simulated(trial: optuna.Trial) -> dict[str, Any]:
    """Two knobs."""
    return {"x": trial.suggest_float("x", 0.0, 1.0), "y": trial.suggest_float("y", 0.0, 1.0)}


def space_grid(trial: optuna.Trial) -> dict[str, Any]:
    """Every perceptron of the grid."""
    return {knob: trial.suggest_categorical(knob, values) for knob, values in GRID.items()}


simulated = Study(
    name="simulated", recipe=Simulated(), space=space_simulated, train=train_simulated, variants={"baseline": {}}
)
mnist = Study(
    name="grid",
    recipe=Recipe(
        dataset="mnist", model="mlp", hidden=(32,), optimizer="sgd", lr=0.01, momentum=0.5, train_size=1000,
        batch_size=50, epochs=3,
    ),
    space=space_grid,
    variants={"baseline": {}},
)  # fmt: skip


def confirmed(study: Study, home: Path, seed: int, trials: int, top: int, seeds: int) -> confirmation.Confirmation:
    """Search, confirm and score once, through the program, on seeds that are this search's own."""
    places = settings.resolve(home)
    study = replace(study, recipe=study.recipe_for({"seed": 10_000 * (seed + 1)}))
    options = Options(trials=trials, seed=0, executor="inline", **OPTIONS)
    never = threading.Event()
    for _ in search.run(study, places, options, never):
        pass
    question = confirmation.ask(study, places, top, seeds)
    for _ in confirmation.run(study, places, options, question, never):
        pass
    found = confirmation.read(study, places)
    assert found is not None
    assert found.complete
    return found


def one(kind: str, seed: int, size: tuple[int, int, int], truths: Mapping[str, float] | None) -> dict[str, float]:
    """Measure one search against the truth."""
    study: Study = getattr(load_file(Path(__file__)), kind)  # by its path, so that every process can find it
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as home:  # noqa: S108 - fast
        found = confirmed(study, Path(home), seed, *size)
    true = {each.trial: true_of(each.recipe, truths) for each in found.contenders}
    single = max(found.contenders, key=lambda each: each.search_value)
    best = max(true.values())
    assert found.winner is not None
    assert found.score is not None
    assert found.score.mean is not None
    chosen, mean = true[found.winner.trial], found.score.mean
    tested = chosen if truths is None else truths[f"test {key(found.winner.recipe)}"]
    return {
        "covered": mean.interval.low <= tested <= mean.interval.high,
        "error": mean.value - tested,
        "optimism of the search": single.search_value - true[single.trial],
        "single is close": best - true[single.trial] <= CLOSE,
        "confirmed is close": best - chosen <= CLOSE,
        "loss of the single": best - true[single.trial],
        "loss of the confirmed": best - chosen,
        "trainings": sum(len(each.values) for each in found.contenders) / (len(true) * found.seeds),
    }


def key(recipe: BaseModel) -> str:
    """Name a perceptron of the grid."""
    return repr([getattr(recipe, knob) for knob in GRID])


def true_of(recipe: BaseModel, truths: Mapping[str, float] | None) -> float:
    """Look up, or compute, what a recipe is worth on validation data."""
    return truths[f"val {key(recipe)}"] if truths is not None else truth(recipe.x, recipe.y)  # pyright: ignore[reportAttributeAccessIssue]


def grid_truths(seeds: int, workers: int) -> tuple[dict[str, float], float]:
    """Train every perceptron of the grid on many seeds of their own; its mean on validation and on test data.

    Also gives the standard error of such a mean on test data, from the pooled variance between seeds.
    """
    arms = {repr(list(values)): dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())}
    plan = replicates.Design(
        study=replace(mnist, name="truth", space=None), arms=arms, seeds=seeds, first=5_000, test=True
    )
    with tempfile.TemporaryDirectory() as home:
        places = settings.resolve(Path(home))
        for _ in replicates.run(plan, places, Options(workers=workers, **OPTIONS), threading.Event()):
            pass
        found = replicates.Pairs.of(plan, places)
        rows = {row.number: row for row in results.rows(Journal(places.study_folder("truth")))}
        values = found.values()
        val = {arm: [rows[number].metrics["val_accuracy"] for number in found.trials(arm)] for arm in arms}
    truths = {f"test {arm}": float(values[arm].mean()) for arm in arms}
    variance = np.mean([values[arm].var(ddof=1) for arm in arms])
    return truths | {f"val {arm}": float(np.mean(each)) for arm, each in val.items()}, float((variance / seeds) ** 0.5)


def show(found: list[dict[str, float]], truth_error: float) -> None:
    """Print the averages over all searches with their Monte Carlo error of two standard errors."""
    for name in found[0]:
        values = np.array([float(each[name]) for each in found])
        error = 2 * values.std(ddof=1) / np.sqrt(len(values))
        whole = name in {"covered", "single is close", "confirmed is close", "trainings"}
        unit = "%" if whole else "points"
        print(f"{name:24} {100 * values.mean():8.3f} +- {100 * error:.3f} {unit}", flush=True)
    print(f"n = {len(found)} searches; standard error of the truth itself: {100 * truth_error:.3f} points")


def main() -> None:
    """Read the arguments, run the searches, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("simulated", "mnist"))
    parser.add_argument("--searches", type=int, default=400)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--top", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--truth-seeds", type=int, default=60)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    size = (given.trials, given.top, given.seeds)
    truths, error = grid_truths(given.truth_seeds, given.workers) if given.kind == "mnist" else (None, 0.0)
    with ProcessPoolExecutor(given.workers, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(one, given.kind, seed, size, truths) for seed in range(given.searches)]
        found = [job.result() for job in jobs]
    show(found, error)


if __name__ == "__main__":
    main()
