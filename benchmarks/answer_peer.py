"""The sides of answer.py that are not ours: Optuna without and with its median pruner, and Ray Tune with ASHA.

Each as an able user writes it: PIL images through transforms in a DataLoader and a plain torch loop (plain.py). Optuna
keeps its trials in SQLite and trains one at a time on all cores; Tune trains one a core, on workers that it uses again.

    python benchmarks/answer_peer.py script --work digits --data split.npz --trials 100 --epochs 20 --home FOLDER

Finished and stopped trials are lines of trials.jsonl in the home: parameters, values by epoch, and when the last came.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import zlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
import torch
from answer_space import start, suggest
from optuna.storages import RDBStorage
from plain import Images, cnn3, evaluate, initialize, make_optimizer, mlp, train_epoch
from torch.utils.data import DataLoader
from torchvision import transforms

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]

BATCH = {"digits": 32, "mnist": 100, "cifar": 64}


def loaders(arrays: Arrays, work: str, *, normalize: bool) -> tuple[DataLoader, DataLoader]:
    """Make the loaders of the images to train on and of those that are held out."""
    images = arrays["train_x"].astype(np.float64) / 255
    mean, std = images.mean((0, 1, 2)), images.std((0, 1, 2))
    steps = [transforms.ToTensor(), *([transforms.Normalize(mean.tolist(), std.tolist())] if normalize else [])]
    splits = []
    for name in ("train", "val"):
        shown = arrays[f"{name}_x"]
        shown = shown[..., 0] if shown.shape[-1] == 1 else shown
        splits.append(Images(shown, arrays[f"{name}_y"], transforms.Compose(steps)))
    train, val = splits
    return DataLoader(train, batch_size=BATCH[work], shuffle=True), DataLoader(val, batch_size=256)


def pairs_of(arguments: argparse.Namespace) -> dict[bool, tuple[DataLoader, DataLoader]]:
    """Make the loaders once for all trials, without and with standardised images."""
    arrays = dict(np.load(arguments.data))
    return {each: loaders(arrays, arguments.work, normalize=each) for each in (False, True)}


def training(
    params: dict[str, Any], pair: tuple[DataLoader, DataLoader], work: str, epochs: int, seed: int
) -> Iterator[float]:
    """Train one network; gives the validation accuracy of each epoch."""
    torch.manual_seed(seed)
    train, val = pair
    inputs = int(np.prod(train.dataset.images.shape[1:]))
    model = cnn3(params) if work == "cifar" else mlp(params, inputs)
    initialize(model, params["init"])
    optimizer = make_optimizer(model, params)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, params.get("gamma", 1.0))
    for _ in range(epochs):
        train_epoch(model, train, optimizer)
        yield evaluate(model, val)[1]
        schedule.step()


def search(arguments: argparse.Namespace) -> None:
    """Search with Optuna, one trial after the other."""
    pairs = pairs_of(arguments)
    is_script = arguments.side == "script"
    pruner = optuna.pruners.NopPruner() if is_script else optuna.pruners.MedianPruner()
    sampler = optuna.samplers.TPESampler(seed=arguments.seed)
    storage = RDBStorage(f"sqlite:///{arguments.home / 'optuna.db'}")
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner, storage=storage)
    if arguments.start:
        study.enqueue_trial(start(arguments.work))

    def objective(trial: optuna.Trial) -> float:
        params, values = suggest(trial, arguments.work), []
        steps = training(params, pairs[params["normalize"]], arguments.work, arguments.epochs, trial.number)
        for epoch, value in enumerate(steps, 1):
            values.append(value)
            trial.report(value, epoch)
            if epoch < arguments.epochs and trial.should_prune():
                keep(arguments, params, values, time.time())
                raise optuna.TrialPruned
        keep(arguments, params, values, time.time())
        return values[-1]

    study.optimize(objective, n_trials=arguments.trials)


def keep(arguments: argparse.Namespace, params: Mapping[str, Any], values: list[float], at: float) -> None:
    """Add a trial to the file that answer.py reads."""
    with (arguments.home / "trials.jsonl").open("a") as file:
        file.write(json.dumps({"params": dict(params), "values": values, "at": at}) + "\n")


def tune(arguments: argparse.Namespace) -> None:
    """Search with Ray Tune: Optuna proposes, ASHA stops."""
    try:
        import ray
        from ray import tune as library
        from ray.tune.schedulers import ASHAScheduler
        from ray.tune.search.optuna import OptunaSearch
    except ImportError as error:
        sys.exit(f"Ray Tune is not here ({error}): uv pip install 'ray[tune]'")

    def train(config: dict[str, Any], pairs: Mapping[bool, tuple[DataLoader, DataLoader]]) -> None:
        torch.set_num_threads(1)
        pair, seed = pairs[config["normalize"]], zlib.crc32(str(config).encode())
        for value in training(config, pair, arguments.work, arguments.epochs, seed):
            library.report({"val_accuracy": value, "at": time.time()})

    ray.init(num_cpus=os.cpu_count(), include_dashboard=False, log_to_driver=False)
    judged = {"metric": "val_accuracy", "mode": "max"}
    pairs = pairs_of(arguments)
    space = partial(suggest, work=arguments.work)  # pickled by Tune, so no function in here
    points = [start(arguments.work)] if arguments.start else None
    tuner = library.Tuner(
        library.with_resources(library.with_parameters(train, pairs=pairs), {"cpu": 1}),
        tune_config=library.TuneConfig(
            **judged, num_samples=arguments.trials, reuse_actors=True,
            search_alg=OptunaSearch(space, **judged, points_to_evaluate=points, seed=arguments.seed),
            scheduler=ASHAScheduler(max_t=arguments.epochs, grace_period=1, reduction_factor=3),
        ),
        run_config=library.RunConfig(storage_path=str(arguments.home / "tune"), verbose=0),
    )  # fmt: skip
    for result in tuner.fit():
        assert result.error is None, result.error
        assert result.config is not None
        values = result.metrics_dataframe["val_accuracy"].tolist()
        keep(arguments, result.config, values, result.metrics["at"])
    ray.shutdown()


def main() -> None:
    """Run one side."""
    parser = argparse.ArgumentParser(description="The search of answer.py without us.")
    parser.add_argument("side", choices=["script", "median", "tune"])
    parser.add_argument("--work", choices=sorted(BATCH), required=True)
    parser.add_argument("--data", type=Path, required=True, help="an .npz with train_x, train_y, val_x and val_y")
    parser.add_argument("--trials", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0, help="of the sampler")
    parser.add_argument("--start", action="store_true", help="begin with the settings of answer_space.START")
    parser.add_argument("--home", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.home = arguments.home.absolute()
    arguments.home.mkdir(parents=True, exist_ok=True)
    (tune if arguments.side == "tune" else search)(arguments)


if __name__ == "__main__":
    main()
