"""Mixtures evaluated at once have the densities of Optuna's, and draw from them."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator, _ParzenEstimatorParameters
from scipy import stats

from study.sampling.parzen import Mixture

PARAMETERS = _ParzenEstimatorParameters(
    prior_weight=1.0,
    consider_magic_clip=True,
    consider_endpoints=False,
    weights=optuna.samplers._tpe.sampler.default_weights,
    multivariate=False,
)
SPACES = {
    "number": {"x": FloatDistribution(-3, 5)},
    "number far from zero": {"x": FloatDistribution(1e9, 1e9 + 1)},
    "logarithm": {"x": FloatDistribution(1e-6, 1e-1, log=True)},
    "steps": {"x": FloatDistribution(0, 1, step=0.05)},
    "integer": {"x": IntDistribution(1, 12)},
    "integer's logarithm": {"x": IntDistribution(1, 4096, log=True)},
    "choice": {"x": CategoricalDistribution(["a", "b", "c"])},
    "one value": {"x": CategoricalDistribution(["a"])},
}
SPACES["all of them"] = {name: each["x"] for name, each in SPACES.items()}


def estimator(space, trials, seed=0):
    """Optuna's estimator of so many trials, which it has drawn itself."""
    prior = _ParzenEstimator({name: np.array([]) for name in space}, space, PARAMETERS)
    return _ParzenEstimator(prior.sample(np.random.RandomState(seed), trials), space, PARAMETERS)


@pytest.mark.parametrize("trials", [0, 1, 40, 300])
@pytest.mark.parametrize("space", SPACES.values(), ids=list(SPACES))
def test_the_densities_are_optuna_s(space, trials):
    theirs = estimator(space, trials)
    drawn = theirs.sample(np.random.RandomState(1), 200)
    ours = Mixture(theirs).log_pdf(np.column_stack([drawn[name] for name in space]))
    assert ours == pytest.approx(theirs.log_pdf(drawn), rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("space", SPACES.values(), ids=list(SPACES))
def test_what_is_drawn_is_drawn_as_by_optuna(space):
    theirs = estimator(space, 30)
    ours = Mixture(theirs).sample(np.random.RandomState(2), 20_000)
    expected = theirs.sample(np.random.RandomState(3), 20_000)
    for index, (name, of) in enumerate(space.items()):
        assert stats.ks_2samp(ours[:, index], expected[name]).statistic < 0.02
        if isinstance(of, FloatDistribution | IntDistribution):
            assert of.low <= ours[:, index].min() <= ours[:, index].max() <= of.high
        if isinstance(of, IntDistribution):
            assert np.array_equal(ours[:, index], np.round(ours[:, index]))
