"""Optuna's samplers as studies use them; `study.sampling.table` names them."""

from __future__ import annotations

from optuna import samplers


def tpe(seed: int) -> samplers.BaseSampler:
    """Make a sampler that models good and bad trials (Bergstra et al. 2011)."""
    return samplers.TPESampler(seed=seed)


def random(seed: int) -> samplers.BaseSampler:
    """Make a sampler that draws each trial independently of the others."""
    return samplers.RandomSampler(seed=seed)


def gp(seed: int) -> samplers.BaseSampler:
    """Make a sampler that fits a Gaussian process to the trials."""
    return samplers.GPSampler(seed=seed)
