"""Optuna's mixtures of truncated normals, evaluated for many candidates at once by SciPy and one matrix product.

Optuna evaluates them element by element, partly in Python: with 2,000 trials that is most of the time of a proposal.
The densities are the same to about ten digits; what is drawn has the same distribution, from other random numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.samplers._tpe.probability_distributions import (
    _BatchedCategoricalDistributions,  # pyright: ignore[reportPrivateUsage] - it has no public name
)
from scipy.special import log_ndtr, ndtr, ndtri

if TYPE_CHECKING:
    from numpy.random import RandomState
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

LOG_ROOT_2_PI = float(np.log(2 * np.pi) / 2)
ROWS = 4  # candidates at a time: they stay in the cache, and NumPy takes no other core for so few
LEAST = -1e300  # below the logarithm of any probability but 0
SMALL = 1e-250  # sums below it may have lost digits


class Mixture:
    """A mixture of products of one-dimensional distributions, of which those of a parameter have the same bounds."""

    def __init__(self, estimator: Any) -> None:
        """Take the mixture of an estimator of Optuna's.

        Args:
            estimator: an `optuna.samplers._tpe.parzen_estimator._ParzenEstimator`; its K parts are the trials and the
                prior, its D distributions the parameters.

        """
        self._weights: Array = estimator._mixture_distribution.weights  # noqa: SLF001 - it has no public name
        self._parameters: list[Any] = estimator._mixture_distribution.distributions  # noqa: SLF001
        self._continuous = [
            index
            for index, of in enumerate(self._parameters)
            if not isinstance(of, _BatchedCategoricalDistributions) and of.step == 0
        ]
        at_most, constant = np.log(self._weights), np.log(self._weights)
        products: list[Array] = []
        for index in self._continuous:
            of = self._parameters[index]
            mu = of.mu - of.adapted_low  # from there, squares lose no digits
            products += [-0.5 / of.sigma**2, mu / of.sigma**2]
            mass = _log_mass(of, of.adapted_low, of.adapted_high)
            peak = -np.log(of.sigma) - LOG_ROOT_2_PI - mass
            at_most, constant = at_most + peak, constant + peak - 0.5 * (mu / of.sigma) ** 2
        self._most = float(at_most.max())  # no part's logarithm is above it anywhere
        self._products = np.array([*products, constant - self._most])

    def sample(self, rng: RandomState, size: int) -> Array:
        """Draw candidates of shape (size, D): numbers as they are, choices by their index."""
        chosen = rng.choice(len(self._weights), size, p=self._weights)
        return np.column_stack([_drawn(of, chosen, rng.random_sample(size)) for of in self._parameters])

    def log_pdf(self, candidates: Array) -> Array:
        """Give the logarithm of the density, or of the probability, of candidates of shape (N, D); of shape (N,)."""
        columns: list[Array] = []
        for index in self._continuous:
            of, values = self._parameters[index], candidates[:, index]
            from_low = (np.log(values) if of.is_log else values) - of.adapted_low
            columns += [from_low**2, from_low]
        factors = np.column_stack([*columns, np.ones(len(candidates))])
        others = [
            _log_probabilities(of, candidates[:, index])
            for index, of in enumerate(self._parameters)
            if index not in self._continuous
        ]
        logs = np.empty(len(candidates))
        for first in range(0, len(candidates), ROWS):
            part = slice(first, first + ROWS)
            found = factors[part] @ self._products
            for each in others:
                found += each[part]
            logs[part] = _log_sum(found)
        return logs + self._most


def _log_sum(found: Array) -> Array:
    """Give the logarithm of the sum over each row's exponentials, whose logarithms are at most 0."""
    sums = np.exp(found).sum(axis=1)
    if sums.min() > SMALL:
        return np.log(sums)
    largest = np.maximum(found.max(axis=1, keepdims=True), LEAST)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(found - largest).sum(axis=1)) + largest[:, 0]


def _drawn(of: Any, chosen: NDArray[np.int64], quantiles: Array) -> Array:
    """Draw a parameter's values from the chosen parts, by the inverse of their distribution functions."""
    if isinstance(of, _BatchedCategoricalDistributions):
        below = np.cumsum(of.weights[chosen], axis=1)[:, :-1] < quantiles[:, None]
        return below.sum(axis=1).astype(float)
    mu, sigma = of.mu[chosen], of.sigma[chosen]
    first, last = ndtr((of.adapted_low - mu) / sigma), ndtr((of.adapted_high - mu) / sigma)
    values = np.clip(mu + sigma * ndtri(first + quantiles * (last - first)), of.adapted_low, of.adapted_high)
    values = np.exp(values) if of.is_log else values
    if of.step:
        values = of.low + np.round((values - of.low) / of.step) * of.step
    return np.clip(values, of.low, of.high)


def _log_probabilities(of: Any, values: Array) -> Array:
    """Give the logarithms of the probabilities of N values in K parts, of shape (N, K)."""
    if isinstance(of, _BatchedCategoricalDistributions):
        return np.log(of.weights.T[values.astype(int)])
    distinct, where = np.unique(values, return_inverse=True)
    first, last = distinct[:, None] - of.step / 2, distinct[:, None] + of.step / 2
    if of.is_log:
        first, last = np.log(first), np.log(last)
    return (_log_mass(of, first, last) - _log_mass(of, of.adapted_low, of.adapted_high))[where]


def _log_mass(of: Any, first: Any, last: Any) -> Array:
    """Give the logarithm of what normal distributions have between two limits, of the mirrored one in an upper tail."""
    a, b = (first - of.mu) / of.sigma, (last - of.mu) / of.sigma
    a, b = np.where(a > 0, -b, a), np.where(a > 0, -a, b)
    upper = log_ndtr(b)
    return upper + np.log1p(-np.exp(log_ndtr(a) - upper))
