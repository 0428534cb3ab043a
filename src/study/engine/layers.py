"""Layers that mean the same as torch's and are faster on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LEVELS = 1 << 16  # of a random number of 16 bits


class Dropout(nn.Dropout):
    """Dropout that spends 16 random bits on a value, where torch spends 8 ns: a third of the time.

    The probability is rounded to a whole number of 65,536ths, and what is kept is scaled by exactly its inverse.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Zero values at random while training, and scale the others."""
        dropped = round(self.p * LEVELS)
        if not (self.training and dropped and input.device.type == "cpu"):
            return super().forward(input)
        count = input.numel()
        bits = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
        factor = torch.empty_like(input)  # dense, in the order of the input's memory
        torch.ge(bits[:count], dropped - LEVELS // 2, out=factor.as_strided((count,), (1,)))
        return input * factor.mul_(LEVELS / (LEVELS - dropped))
