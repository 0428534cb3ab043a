"""From stored examples to the inputs of a network; a registered model includes a copy of this file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Pixels:
    """Images to inputs: every pixel times `factor` plus `shift`, then scaled up.

    Args:
        factor: float (H, W, C), in the type of the inputs.
        shift: likewise.
        upscaling: whole factor by which images grow.

    """

    factor: Tensor
    shift: Tensor
    upscaling: int

    def __call__(self, images: Tensor) -> Tensor:
        """Turn uint8 or float (N, H, W, C) into float (N, C, H * upscaling, W * upscaling), channels_last."""
        pixels = images.to(self.factor.dtype)
        torch.addcmul(self.shift, pixels, self.factor, out=pixels)
        if self.upscaling > 1:
            pixels = pixels.repeat_interleave(self.upscaling, 1).repeat_interleave(self.upscaling, 2)
        return pixels.permute(0, 3, 1, 2)


@dataclass(frozen=True, eq=False)
class Columns:
    """A table's columns, standardised.

    Args:
        mean: of the training rows, float64 (F,).
        deviation: their standard deviation, not 0, likewise.

    """

    mean: Tensor
    deviation: Tensor

    def __call__(self, rows: Tensor) -> Tensor:
        """Subtract the mean and divide, float32 (N, F) in and out; missing values (NaN) become 0."""
        return ((rows - self.mean) / self.deviation).nan_to_num(0).float()
