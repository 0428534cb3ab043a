"""How often a final score's intervals hold on new examples: whole searches on real images, the truth from the rest.

Each search has a data set of its own, drawn from all of MNIST (70,000 images) or scikit-learn's digits (1,797): some
examples to search on, some to test on. What no split of it holds says the truth: the winner and the baseline are
trained on further seeds, each with a split of its own as the final scores have, and judged on examples that were kept
out (10,000 of MNIST, all 1,397 of digits). Search, race, scores and truth all run through the program. The truth has
its own error, from its examples and seeds, which widens no interval: 40 further seeds keep it below an eighth of the
variance between five. On digits, whose kept-out examples are few, it costs about one point of coverage.

    python benchmarks/kept_out.py mnist --searches 100 --out mnist.jsonl     (what is in the file is not run again)
    python benchmarks/kept_out.py digits --searches 100 --out digits.jsonl
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import study as api
from study import Recipe, Study, settings
from study.options import Options
from study.questions import confirmation, replicates, resplits, search

if TYPE_CHECKING:
    import optuna

    from study.stats.intervals import Interval

    Arrays = tuple[np.ndarray, np.ndarray]

SIZES = {"mnist": (1_000, 200, 10_000), "digits": (300, 100, 1_397)}  # to search on, to test on, kept out
TRIALS, TOP, SEEDS, FURTHER = 8, 3, 5, 40
OPTIONS: dict[str, Any] = {"track": False, "executor": "inline", "device": "cpu"}


def space(trial: optuna.Trial) -> dict[str, Any]:
    """Three knobs of a perceptron."""
    return {
        "lr": trial.suggest_float("lr", 0.01, 0.5, log=True),
        "momentum": trial.suggest_categorical("momentum", [0.5, 0.9]),
        "activation": trial.suggest_categorical("activation", ["relu", "tanh"]),
    }


def every(kind: str, data: Path) -> Arrays:
    """Read all examples there are, training and test files alike."""
    if kind == "digits":
        from sklearn.datasets import load_digits

        found: Any = load_digits()
        return found.data.astype(np.float32), found.target.astype(np.int64)
    raw = data / "MNIST" / "raw"
    x = [np.fromfile(raw / f"{part}-images-idx3-ubyte", np.uint8)[16:] for part in ("train", "t10k")]
    y = [np.fromfile(raw / f"{part}-labels-idx1-ubyte", np.uint8)[8:] for part in ("train", "t10k")]
    return np.concatenate(x).reshape(-1, 28, 28), np.concatenate(y).astype(np.int64)


def drawn(kind: str, whole: Arrays, seed: int, folder: Path) -> None:
    """Import the search's data set, and one with the same training examples whose test split is what was kept out."""
    order = np.random.default_rng([seed, len(kind)]).permutation(len(whole[0]))
    first, tested, kept = np.split(order, np.cumsum(SIZES[kind]))[:3]
    for name, rows in (("drawn", tested), ("kept", kept)):
        path = folder / f"{name}.npz"
        np.savez(path, x_train=whole[0][first], y_train=whole[1][first], x_test=whole[0][rows], y_test=whole[1][rows])
        api.import_data(name, path)


def one(kind: str, whole: Arrays, seed: int) -> dict[str, Any]:
    """Search, confirm, and find the truth of the winner and of the baseline."""
    shared = Path("/dev/shm")  # noqa: S108 - fast, and only for this process
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        os.environ["STUDY_CACHE"] = folder
        drawn(kind, whole, seed, Path(folder))
        recipe = Recipe(
            dataset="drawn", model="mlp", hidden=(32,), optimizer="sgd", lr=0.03, momentum=0.5, batch_size=50,
            epochs=5, seed=10_000 * (seed + 1), split_seed=10_000 * (seed + 1),
        )  # fmt: skip
        study = Study(name=f"kept-{kind}", recipe=recipe, space=space, variants={"baseline": {}})
        places, never = settings.resolve(Path(folder) / "home"), threading.Event()
        for _ in search.run(study, places, Options(trials=TRIALS, seed=seed, sampler="random", **OPTIONS), never):
            pass
        question = confirmation.ask(study, places, TOP, SEEDS)
        for _ in confirmation.run(study, places, Options(**OPTIONS), question, never):
            pass
        found = confirmation.of(study, places, question)
        return measured(study, found, truths(study, found, places))


def truths(study: Study, found: confirmation.Confirmation, places: settings.Settings) -> dict[str, float]:
    """Train the winner and the baseline on further seeds and splits, and judge them on what was kept out."""
    assert found.winner is not None
    kept = replace(study, name="truth", recipe=study.recipe_for({"dataset": "kept"}), space=None, test=True)
    arms = {"winner": found.winner.overrides, "baseline": found.question.baseline}
    arms = {name: {**each, "dataset": "kept"} for name, each in arms.items()}
    plan = replicates.Design(
        study=kept, arms=arms, seeds=FURTHER, first=5_000, test=True, resplit=resplits.possible(kept)
    )
    for _ in replicates.run(plan, places, Options(**OPTIONS), threading.Event()):
        pass
    return {arm: float(values.mean()) for arm, values in replicates.Pairs.of(plan, places).values().items()}


def measured(study: Study, found: confirmation.Confirmation, truth: dict[str, float]) -> dict[str, Any]:
    """Say which intervals hold the truth."""
    score, gain = found.score, found.gain
    assert score is not None
    assert score.mean is not None
    assert gain is not None
    true_gain = truth["winner"] - truth["baseline"]
    return {
        "resplit": found.question.resplit,
        "truth": truth,
        "score": score.mean.value,
        "searched": found.winner.search_value if found.winner else None,
        "over seeds": score.mean.interval.contains(truth["winner"]),
        "on new examples": holds(score.mean_new, truth["winner"]),
        "gain, over seeds": gain.interval.contains(true_gain),
        "gain, on new examples": holds(found.gain_new, true_gain),
        "gain": gain.difference,
        "true gain": true_gain,
        "gain interval": [found.gain_new.low, found.gain_new.high] if found.gain_new else None,
        "error of the score": score.mean.value - truth["winner"],
        "optimism of the search": (found.winner.search_value if found.winner else 0.0) - truth["winner"],
        "study": study.name,
    }


def holds(interval: Interval | None, value: float) -> bool:
    """Tell whether an interval that must be there holds the value."""
    assert interval is not None
    return interval.contains(value)


def main() -> None:
    """Run the missing searches, then print the shares with two Monte Carlo standard errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=tuple(SIZES))
    parser.add_argument("--searches", type=int, default=100)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("STUDY_DATA", "../shared/data")))
    given = parser.parse_args()
    lines = given.out.read_text(encoding="utf-8").splitlines() if given.out.exists() else []
    done = {row["search"]: row for row in map(json.loads, lines)}
    whole = every(given.kind, given.data)
    for seed in range(given.searches):
        if seed not in done:
            done[seed] = {"search": seed, **one(given.kind, whole, seed)}
            with given.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(done[seed]) + "\n")
    rows = [done[seed] for seed in range(given.searches)]
    for name in ("over seeds", "on new examples", "gain, over seeds", "gain, on new examples"):
        share = float(np.mean([row[name] for row in rows]))
        print(f"{name:24} {100 * share:6.1f} +- {200 * (share * (1 - share) / len(rows)) ** 0.5:.1f} %")
    for name in ("error of the score", "optimism of the search"):
        values = 100 * np.array([row[name] for row in rows])
        print(f"{name:24} {values.mean():6.2f} +- {2 * values.std(ddof=1) / len(rows) ** 0.5:.2f} points")
    print(f"n = {len(rows)} searches; new splits: {all(row['resplit'] for row in rows)}")


if __name__ == "__main__":
    main()
