"""A table's stored rows made into the inputs of a network: numbers standardised, categories spread to columns.

Columns of many categories are stored as the numbers of these, and spread batch by batch: as one column for each
category a table of 300,000 rows could fill the memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING

import torch

from study.engine.inputs import Columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Table:
    """How the rows of a table become inputs.

    Args:
        columns: mean and deviation of each input, float64 (F,).
        categories: of each stored column, as of `study.data.packed.Pack`.

    """

    columns: Columns
    categories: tuple[int, ...]

    @property
    def is_spread(self) -> bool:
        """Whether a stored column becomes several inputs."""
        return bool(self.categories)

    def standardise(self, stored: Tensor) -> Tensor:
        """Standardise the numbers of stored rows, float32 (N, stored columns) in and out; leave categories."""
        if not self.is_spread:
            return self.columns(stored)
        numbers = self._numbers.stored
        found = stored.clone()
        of_inputs = Columns(self.columns.mean[self._numbers.inputs], self.columns.deviation[self._numbers.inputs])
        found[:, numbers] = of_inputs(stored[:, numbers])
        return found

    def spread(self, rows: Tensor) -> Tensor:
        """Make inputs, float32 (N, F), of rows from `standardise`."""
        if not self.is_spread:
            return rows
        off, on = self._values(rows.device)
        found = off.repeat(len(rows), 1)
        found[:, self._numbers.inputs.to(rows.device)] = rows[:, self._numbers.stored.to(rows.device)]
        for stored, first in self._coded:
            codes = rows[:, stored]
            known = (~codes.isnan()).nonzero()[:, 0]
            at = first + codes[known].long()
            found[known, at] = on[at]
        return found

    @cached_property
    def _coded(self) -> list[tuple[int, int]]:
        """List the stored columns of categories, each with its first input."""
        return [(at, first) for at, first in enumerate(starts(self.categories)) if self.categories[at]]

    @cached_property
    def _numbers(self) -> _Numbers:
        stored = [at for at, count in enumerate(self.categories) if not count]
        first = list(starts(self.categories))
        return _Numbers(torch.tensor(stored, dtype=torch.int64), torch.tensor([first[at] for at in stored]).long())

    def _values(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Give what 0 and 1 are once standardised."""
        zero = torch.zeros(1, len(self.columns.mean))
        return self.columns(zero)[0].to(device), self.columns(zero + 1)[0].to(device)


@dataclass(frozen=True, eq=False)
class _Numbers:
    """Where numbers are, among the stored columns and among the inputs."""

    stored: Tensor
    inputs: Tensor


def starts(categories: Sequence[int]) -> list[int]:
    """Give the first input of each stored column."""
    return [0, *accumulate(max(count, 1) for count in categories)][: len(categories)]


def one_hot(categories: Sequence[int], stored: Tensor) -> Tensor:
    """Spread stored rows, not standardised, to float32 (N, F): 1 for the category of a row, 0 for the others."""
    if not categories:
        return stored
    parts: list[Tensor] = []
    for column, count in enumerate(categories):
        values = stored[:, column : column + 1]
        parts.append((values == torch.arange(count)).float() if count else values)
    return torch.cat(parts, 1)


def table_of(train: Tensor, categories: Sequence[int]) -> Table:
    """Find the mean and the deviation of each input over the training rows, float32 (N, stored columns)."""
    if not categories:
        return Table(_moments(train), ())
    means: list[Tensor] = []
    deviations: list[Tensor] = []
    for column, count in enumerate(categories):
        values = train[:, column]
        if count:
            mean = torch.bincount(values[~values.isnan()].long(), minlength=count).double() / len(values)
            deviation = (mean * (1 - mean)).sqrt()  # of a column of 0 and 1
            found = Columns(mean, deviation.where(deviation > 0, 1))
        else:
            found = _moments(values[:, None])
        means.append(found.mean)
        deviations.append(found.deviation)
    return Table(Columns(torch.cat(means), torch.cat(deviations)), tuple(categories))


def _moments(train: Tensor) -> Columns:
    known = ~train.isnan()
    count = known.sum(0).clamp(min=1)
    values = train.double().where(known, 0)
    mean = values.sum(0) / count
    deviation = ((values - mean).where(known, 0).square().sum(0) / count).sqrt()
    return Columns(mean, deviation.where(deviation > 0, 1))
