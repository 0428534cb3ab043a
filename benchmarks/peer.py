"""The same search as an able user writes it without us: what `study` is measured against.

Optuna with TPE, a median pruner and SQLite; PIL images through transforms in a DataLoader; a plain torch loop in one
process that uses all cores; MLflow's fluent API with nested runs. Every part as its own tutorial shows it.

    python benchmarks/peer.py --study cifar --trials 3 --epochs 1
    python benchmarks/peer.py --study mnist --trials 3 --epochs 1
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
import optuna
import torch
from optuna.storages import RDBStorage
from PIL import Image
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset
from torchvision import datasets, transforms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Loaders = dict[bool, tuple[DataLoader, DataLoader]]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}
# Mean and standard deviation of each channel, as they are usually given for these two data sets.
STATISTICS = {
    "cifar": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "mnist": ((0.1307,), (0.3081,)),
}


class Images(Dataset):
    """Images in memory, given out as torchvision's data sets do: a PIL image through a transform."""

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.int64], transform: transforms.Compose) -> None:
        """Keep arrays of shape [n, height, width(, 3)] and [n]."""
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        """Count the images."""
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """Give one image, transformed, and its label."""
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


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


def cnn3(params: dict[str, Any]) -> nn.Sequential:
    """Build the network of TensorFlow's CNN tutorial."""
    act, drop_conv, drop_dense = ACTIVATIONS[params["activation"]], params["dropout_conv"], params["dropout_dense"]
    return nn.Sequential(
        nn.Conv2d(3, 32, 3), act(), nn.MaxPool2d(2), nn.Dropout(drop_conv),
        nn.Conv2d(32, 64, 3), act(), nn.MaxPool2d(2), nn.Dropout(drop_conv),
        nn.Conv2d(64, 64, 3), act(), nn.Dropout(drop_conv),
        nn.Flatten(),
        nn.Linear(1024, 64), act(), nn.Dropout(drop_dense),
        nn.Linear(64, 10),
    )  # fmt: skip


def mlp(params: dict[str, Any]) -> nn.Sequential:
    """Build the perceptron 784-100-10."""
    act, drop = ACTIVATIONS[params["activation"]], params["dropout_dense"]
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 100), act(), nn.Dropout(drop), nn.Linear(100, 10))


def initialize(model: nn.Module, init: str) -> None:
    """Draw the weights anew, unless torch's default is asked for."""
    draw = {"kaiming_uniform": nn.init.kaiming_uniform_, "xavier_uniform": nn.init.xavier_uniform_}.get(init)
    for layer in model:
        if draw and isinstance(layer, nn.Conv2d | nn.Linear):
            draw(layer.weight)


def suggest(trial: optuna.Trial, study: str) -> dict[str, Any]:
    """Suggest what the search may change."""
    params: dict[str, Any] = {
        "optimizer": trial.suggest_categorical("optimizer", ["adam", "sgd"]),
        "lr": trial.suggest_float("lr", 1e-4, 1e-1, log=True),
        "weight_decay": trial.suggest_categorical("weight_decay", [0.0, 1e-5, 1e-4, 1e-3]),
        "schedule": trial.suggest_categorical("schedule", ["constant", "exponential"]),
        "init": trial.suggest_categorical("init", ["default", "kaiming_uniform", "xavier_uniform"]),
        "activation": trial.suggest_categorical("activation", list(ACTIVATIONS)),
        "normalize": trial.suggest_categorical("normalize", [False, True]),
        "dropout_dense": trial.suggest_float("dropout_dense", 0.0, 0.5),
    }
    if params["optimizer"] == "sgd":
        params["momentum"] = trial.suggest_float("momentum", 0.0, 0.99)
    if params["schedule"] == "exponential":
        params["gamma"] = trial.suggest_float("gamma", 0.1, 0.95)
    if study == "cifar":
        params["dropout_conv"] = trial.suggest_float("dropout_conv", 0.0, 0.5)
    return params


def make_optimizer(model: nn.Module, params: dict[str, Any]) -> torch.optim.Optimizer:
    """Make the optimizer."""
    if params["optimizer"] == "sgd":
        return torch.optim.SGD(
            model.parameters(), lr=params["lr"], momentum=params["momentum"], weight_decay=params["weight_decay"]
        )
    return torch.optim.Adam(model.parameters(), lr=params["lr"], weight_decay=params["weight_decay"])


def train_epoch(model: nn.Module, loader: DataLoader, optimizer: torch.optim.Optimizer) -> tuple[float, float]:
    """Train for one pass; mean loss and accuracy."""
    model.train()
    loss_sum, correct, count = 0.0, 0, 0
    for images, labels in loader:
        optimizer.zero_grad()
        output = model(images)
        loss = nn.functional.cross_entropy(output, labels)
        loss.backward()
        optimizer.step()
        loss_sum += loss.item() * len(labels)
        correct += (output.argmax(1) == labels).sum().item()
        count += len(labels)
    return loss_sum / count, correct / count


@torch.no_grad()
def evaluate(model: nn.Module, loader: DataLoader) -> tuple[float, float]:
    """Mean loss and accuracy over a loader."""
    model.eval()
    loss_sum, correct, count = 0.0, 0, 0
    for images, labels in loader:
        output = model(images)
        loss_sum += nn.functional.cross_entropy(output, labels, reduction="sum").item()
        correct += (output.argmax(1) == labels).sum().item()
        count += len(labels)
    return loss_sum / count, correct / count


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
