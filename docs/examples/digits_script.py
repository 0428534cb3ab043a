"""A plain PyTorch script, as many have one: it trains a small network on scikit-learn's digits and knows no `study`."""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits
from torch import nn

images, labels = (torch.as_tensor(array) for array in load_digits(return_X_y=True))
images = images.float() / 16
train_images, train_labels, val_images, val_labels = images[:1400], labels[:1400], images[1400:], labels[1400:]


def make(hidden: int, lr: float) -> tuple[nn.Module, torch.optim.Optimizer]:
    """Make the network and its optimizer."""
    model = nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Dropout(0.1), nn.Linear(hidden, 10))
    return model, torch.optim.Adam(model.parameters(), lr)


def train_epoch(model: nn.Module, optimizer: torch.optim.Optimizer) -> float:
    """Train on every image once; the mean loss."""
    model.train()
    losses: list[float] = []
    for batch in torch.randperm(len(train_images)).split(50):
        loss = nn.functional.cross_entropy(model(train_images[batch]), train_labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


@torch.no_grad()
def evaluate(model: nn.Module) -> float:
    """Compute the share of validation images told right."""
    model.eval()
    return (model(val_images).argmax(1) == val_labels).float().mean().item()


if __name__ == "__main__":
    torch.manual_seed(0)
    model, optimizer = make(hidden=32, lr=1e-2)
    for epoch in range(1, 6):
        print(epoch, train_epoch(model, optimizer), evaluate(model))
