"""Layers that mean the same as torch's and are faster on a CPU, and torchvision's networks as one.

A registered model carries this file away.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Without these the two warn, and give three outputs in training.
TORCHVISION_EXTRAS = {name: {"aux_logits": False, "init_weights": True} for name in ("googlenet", "inception_v3")}
LEVELS = 1 << 16  # of a random number of 16 bits
# Where oneDNN's own order of memory has been found to be faster; elsewhere it may be its slow reference code.
FAST_ONEDNN = torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability().startswith("AVX")


class Dropout(nn.Dropout):
    """Dropout that spends 16 random bits on a value, where torch spends 8 ns: a third of the time.

    The probability is rounded to a whole number of 65,536ths; kept values are scaled by its exact inverse.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Zero values at random while training, and scale the others."""
        if not (self.training and self.levels and input.device.type == "cpu"):
            return super().forward(input)
        return input * self.factor(input)

    def factor(self, like: Tensor) -> Tensor:
        """Draw the factor of each value on a CPU: 0, or the inverse of the share that is kept."""
        count = like.numel()
        bits = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
        factor = torch.empty_like(like)  # dense, in the order of the tensor's memory
        torch.ge(bits[:count], self.levels - LEVELS // 2, out=factor.as_strided((count,), (1,)))
        return factor.mul_(LEVELS / (LEVELS - self.levels))

    @property
    def levels(self) -> int:
        """Number of the levels that drop a value: the probability, rounded."""
        return round(self.p * LEVELS)


class Perceptron(nn.Sequential):
    """Dense layers, each but the last with an activation and perhaps more; study.engine.perceptron trains them fast."""


class ConvBlocks(nn.Sequential):
    """Convolutions and what comes with them; on a CPU kept in oneDNN's own order of memory, x1.2, where it can be.

    It can where nothing but convolutions, pools of 2x2 and ReLUs are among them: for the rest torch has to lay the
    values out anew, which costs what was won.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Run the layers one after the other."""
        if not self._fits_onednn(input):
            return super().forward(input)
        values = input.to_mkldnn()
        for layer in self:
            pool = isinstance(layer, nn.MaxPool2d)
            values = torch.mkldnn_max_pool2d(values, [2, 2], [2, 2]) if pool else layer(values)
        return values.to_dense()

    def _fits_onednn(self, input: Tensor) -> bool:  # noqa: A002 - as above
        return (
            FAST_ONEDNN
            and input.device.type == "cpu"
            and input.dtype == torch.float32
            and not torch.is_autocast_enabled("cpu")
            and all(isinstance(layer, (nn.Conv2d, nn.MaxPool2d, nn.ReLU)) for layer in self)
        )


class Torchvision(nn.Module):
    """A classifier of torchvision, without its trained weights; grey images are given to it as three channels."""

    def __init__(self, name: str, outputs: int, *, grey: bool) -> None:
        """Make the network of that name, which torchvision must have."""
        import torchvision  # noqa: PLC0415 - a second that only its networks cost

        super().__init__()
        self.name, self.outputs, self.grey = name, outputs, grey
        extras = TORCHVISION_EXTRAS.get(name, {})
        self.net = torchvision.models.get_model(name, weights=None, num_classes=outputs, **extras)

    def forward(self, images: Tensor) -> Tensor:
        """Run the network."""
        return self.net(images.expand(-1, 3, -1, -1) if self.grey else images)
