"""Networks, images and loops as a script without us has them: plain PyTorch, as its tutorials show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from torchvision import transforms

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
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


def mlp(params: dict[str, Any], inputs: int = 784) -> nn.Sequential:
    """Build the perceptron with 100 hidden units and 10 classes."""
    act, drop = ACTIVATIONS[params["activation"]], params["dropout_dense"]
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, 100), act(), nn.Dropout(drop), nn.Linear(100, 10))


def initialize(model: nn.Module, init: str) -> None:
    """Draw the weights anew, unless torch's default is asked for."""
    draw = {"kaiming_uniform": nn.init.kaiming_uniform_, "xavier_uniform": nn.init.xavier_uniform_}.get(init)
    for layer in model:
        if draw and isinstance(layer, nn.Conv2d | nn.Linear):
            draw(layer.weight)


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
