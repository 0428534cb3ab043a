"""How fast MLflow catches up with a study: trial folders as a search writes them, then one `study sync`.

python -m benchmarks.mirror --trials 700 --epochs 10
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
import uuid
from pathlib import Path

import torch

from study import tracking
from study.engine import checkpoint
from study.recipe import Recipe, to_json
from study.record.journal import Journal
from study.settings import Settings, resolve

DATA = {"name": "mnist", "sha256": "d1" * 32, "source": "torchvision", "imported": False}
QUICK = {"trials": 100}


def folders(home: Path, trials: int, epochs: int) -> None:
    """Make a study of complete trials with an evaluation of ten classes and the weights of a small network."""
    journal, chance = Journal(home / "studies" / "many"), random.Random(0)  # noqa: S311 - figures
    recipe = Recipe(dataset="mnist", model="mlp", hidden=(100,), epochs=epochs)
    journal.store_definition({
        "study": "many", "metric": "val_accuracy", "direction": "maximize", "train": "study.engine:train",
        "recipe_type": "study.recipe:Recipe", "recipe": recipe.model_dump(mode="json"), "data": DATA, "variants": {},
    })  # fmt: skip
    versions = dict.fromkeys(("python", "torch", "numpy", "optuna", "mlflow", "processor", "system"), "1.2.3")
    for number in range(trials):
        rate = chance.uniform(1e-4, 1e-1)
        about = {
            "uid": uuid.uuid4().hex, "created": time.time(), "study": "many", "variant": None,
            "overrides": {"lr": rate}, "params": {"lr": rate}, "distributions": {}, "metric": "val_accuracy",
            "direction": "maximize", "environment": versions, "git": {"commit": "c0ffee", "dirty": False}, "data": DATA,
        }  # fmt: skip
        trial = journal.create(number, to_json(Recipe.model_validate({**recipe.model_dump(), "lr": rate})), about)
        trial.append("started", device="cpu")
        for epoch in range(1, epochs + 1):
            values = {name: chance.random() for name in ("train_loss", "val_loss", "val_accuracy")}
            trial.append("epoch", number=epoch, metrics=values, seconds=0.5)
        weights = {"0.weight": torch.zeros(100, 784), "1.weight": torch.zeros(10, 100)}
        checkpoint.save_weights(trial.best, weights, {"epoch": str(epochs)})
        confusion = [[chance.randrange(1000) for _ in range(10)] for _ in range(10)]
        report = {"confusion": confusion, "classes": list("0123456789"), "loss": 0.5, "accuracy": 0.9}
        trial.append("ended", state="complete", value=values["val_accuracy"], reason="", evaluation=report)


def synced(places: Settings) -> tuple[int, float, float]:
    """Tell MLflow; give the number of trials that were sent, the seconds, and those of the processor."""
    began, worked = time.perf_counter(), time.process_time()
    (report,) = tracking.sync_studies(places)
    assert report.error is None, report.error
    assert report.pending == 0
    return report.sent, time.perf_counter() - began, time.process_time() - worked


def main() -> None:
    """Print trials a second, of the first telling and of one that finds nothing to send."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=700)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--tracking-uri", help="of a server or database; a new SQLite file if not given")
    parser.add_argument("--quick", action="store_true", help="a hundred trials")
    asked = parser.parse_args()
    vars(asked).update(QUICK if asked.quick else {})
    home = Path(tempfile.mkdtemp(prefix="study-mlflow-"))
    folders(home, asked.trials, asked.epochs)
    places = resolve(home, None, asked.tracking_uri)
    tracking.prepare(places)
    for what in ("all of it", "nothing new"):
        sent, seconds, worked = synced(places)
        speed = f"{sent / seconds:.1f} trials/s, {worked:.1f} s of the processor"
        print(f"{what}: {sent} trials in {seconds:.1f} s, {speed}", flush=True)
    shutil.rmtree(home)


if __name__ == "__main__":
    main()
