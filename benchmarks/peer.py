"""The same search as an able user writes it without us: what `study` is measured against.

Optuna with TPE, a median pruner and SQLite; PIL images through transforms in a DataLoader; a plain torch loop in one
process that uses all cores (plain.py); MLflow's fluent API with nested runs. Every part as its own tutorial shows it.

    python benchmarks/peer.py --study cifar --trials 3 --epochs 1
    python benchmarks/peer.py --study mnist --trials 3 --epochs 1
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
import numpy as np
import optuna
import torch
from answer_space import suggest
from optuna.storages import RDBStorage
from plain import Images, cnn3, evaluate, initialize, make_optimizer, mlp, train_epoch
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch.utils.data import Dataset

    Loaders = dict[bool, tuple[DataLoader, DataLoader]]

# Mean and standard deviation of each channel, as they are usually given for these two data sets.
STATISTICS = {
    "cifar": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "mnist": ((0.1307,), (0.3081,)),
}


def read(arguments: argparse.Namespace, transform: transforms.Compose) -> tuple[Dataset, NDArray[np.int64]]:
    """Open the training split; also its labels, to split it by."""
    if arguments.data:
        arrays = np.load(arguments.data)
        return Images(arrays["images"], arrays["labels"], transform), arrays["labels"]
    kind = datasets.CIFAR10 if arguments.study == "cifar" else datasets.MNIST
    split = kind(os.environ.get("STUDY_DATA", "data"), train=True, transform=transform, download=True)
    return split, np.asarray(split.targets)


def make_loaders(arguments: argparse.Namespace, *, normalize: bool) -> tuple[DataLoader, DataLoader]:
    """Make the loaders of the training images and of a stratified tenth that is held out."""
    mean, std = STATISTICS[arguments.study]
    steps = [transforms.ToTensor(), *([transforms.Normalize(mean, std)] if normalize else [])]
    split, labels = read(arguments, transforms.Compose(steps))
    train, val = train_test_split(np.arange(len(labels)), test_size=0.1, stratify=labels, random_state=0)
    if arguments.train_size:
        train, _ = train_test_split(train, train_size=arguments.train_size, stratify=labels[train], random_state=0)
    batch_size = 64 if arguments.study == "cifar" else 100
    workers = {"num_workers": arguments.num_workers, "persistent_workers": arguments.num_workers > 0}
    return (
        DataLoader(Subset(split, train.tolist()), batch_size=batch_size, shuffle=True, **workers),
        DataLoader(Subset(split, val.tolist()), batch_size=256, **workers),
    )


def objective(trial: optuna.Trial, loaders: Loaders, arguments: argparse.Namespace) -> float:
    """Train one network, told to MLflow epoch by epoch."""
    params = suggest(trial, arguments.study)
    torch.manual_seed(trial.number)
    train, val = loaders[params["normalize"]]
    model = cnn3(params) if arguments.study == "cifar" else mlp(params)
    initialize(model, params["init"])
    optimizer = make_optimizer(model, params)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, params.get("gamma", 1.0))
    val_accuracy = 0.0
    with mlflow.start_run(run_name=f"trial-{trial.number}", nested=True):
        mlflow.log_params(params)
        for epoch in range(1, arguments.epochs + 1):
            train_loss, train_accuracy = train_epoch(model, train, optimizer)
            val_loss, val_accuracy = evaluate(model, val)
            mlflow.log_metric("train_loss", train_loss, step=epoch)
            mlflow.log_metric("train_accuracy", train_accuracy, step=epoch)
            mlflow.log_metric("val_loss", val_loss, step=epoch)
            mlflow.log_metric("val_accuracy", val_accuracy, step=epoch)
            mlflow.log_metric("lr", schedule.get_last_lr()[0], step=epoch)
            schedule.step()
            trial.report(val_accuracy, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        path = arguments.home / "model.pt"
        torch.save(model.state_dict(), path)
        mlflow.log_artifact(str(path))
    return val_accuracy


def search(loaders: Loaders, arguments: argparse.Namespace) -> optuna.Study:
    """Search, every trial a nested run; a fixed list of parameters is enqueued and not pruned."""
    fixed = json.loads(arguments.params.read_text()) if arguments.params else []
    pruner = optuna.pruners.NopPruner() if fixed else optuna.pruners.MedianPruner(5, 1)
    storage = RDBStorage(f"sqlite:///{arguments.home / 'optuna.db'}")
    study = optuna.create_study(
        study_name=arguments.study, direction="maximize", storage=storage, pruner=pruner, load_if_exists=True
    )
    for params in fixed:
        study.enqueue_trial(params)
    mlflow.set_tracking_uri(f"sqlite:///{arguments.home / 'mlflow.db'}")
    if mlflow.get_experiment_by_name(arguments.study) is None:
        mlflow.create_experiment(arguments.study, artifact_location=(arguments.home / "artifacts").as_uri())
    mlflow.set_experiment(arguments.study)
    with mlflow.start_run(run_name=arguments.study):
        study.optimize(lambda trial: objective(trial, loaders, arguments), n_trials=arguments.trials)
        mlflow.log_params({f"best_{name}": value for name, value in study.best_params.items()})
        mlflow.log_metric("best_val_accuracy", study.best_value)
    return study


def report(study: optuna.Study) -> None:
    """Print one JSON object: trials, their values, and the seconds from the first one's start to the last one's end."""
    trials = [trial for trial in study.trials if trial.state.is_finished()]
    starts = [trial.datetime_start for trial in trials if trial.datetime_start]
    ends = [trial.datetime_complete for trial in trials if trial.datetime_complete]
    seconds = (max(ends) - min(starts)).total_seconds()
    print(json.dumps({"trials": len(trials), "seconds": seconds, "values": [trial.value for trial in trials]}))


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description="The same search without us.")
    parser.add_argument("--study", choices=["cifar", "mnist"], required=True)
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--train-size", type=int, help="train on so many images only")
    parser.add_argument("--num-workers", type=int, default=0, help="processes of each DataLoader")
    parser.add_argument("--threads", type=int, help="of torch; default: one a core")
    parser.add_argument("--data", type=Path, help="an .npz with images and labels, instead of torchvision's files")
    parser.add_argument("--params", type=Path, help="a JSON list of parameters to run, instead of a search")
    parser.add_argument("--home", type=Path, default=Path("peer"), help="folder of the results")
    return parser.parse_args(words)


def main() -> None:
    """Run the search."""
    arguments = parse()
    arguments.home = arguments.home.absolute()
    arguments.home.mkdir(parents=True, exist_ok=True)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    loaders = {normalize: make_loaders(arguments, normalize=normalize) for normalize in (False, True)}
    report(search(loaders, arguments))


if __name__ == "__main__":
    main()
