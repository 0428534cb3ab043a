"""Optuna's samplers as studies use them; `study.sampling.table` names them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from optuna import samplers
from optuna.samplers._tpe.sampler import default_gamma
from optuna.trial import TrialState

from study.sampling.observed import Observed

if TYPE_CHECKING:
    from concurrent.futures import Future

    import numpy as np
    import optuna
    from numpy.random import RandomState
    from numpy.typing import NDArray
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from study.sampling.parzen import Mixture

    Space = dict[str, BaseDistribution]


TOGETHER = 10  # trials that are proposed at once from a fit: each takes half a MB for a moment


@dataclass(slots=True)
class _Fit:
    """Optuna's estimators of good trials and of the others for a space, and what is proposed and not yet taken."""

    space: Space
    estimators: tuple[Any, Any]
    mixtures: tuple[Mixture, Mixture] | None = None  # the same, once they are used again
    proposed: list[NDArray[np.float64]] = field(default_factory=list["NDArray[np.float64]"])
    coming: Future[list[NDArray[np.float64]]] | None = None

    def take(self, rng: RandomState, candidates: int) -> NDArray[np.float64]:
        """Give the parameters of one trial; a thread proposes the next ones, mostly outside the interpreter."""
        if not self.proposed:
            self.proposed = self.coming.result() if self.coming else self.propose(rng, candidates)
            later = type(rng)(rng.randint(2**31))
            self.coming = _thread().submit(self.propose, later, candidates)
        return self.proposed.pop()

    def propose(self, rng: RandomState, candidates: int) -> list[NDArray[np.float64]]:
        """Draw candidates for some trials at once, and choose one for each, as Optuna does for one."""
        if self.mixtures is None:
            from study.sampling.parzen import Mixture  # noqa: PLC0415 - loads scipy

            self.mixtures = Mixture(self.estimators[0]), Mixture(self.estimators[1])
        below, above = self.mixtures
        drawn = below.sample(rng, TOGETHER * candidates)
        values = (below.log_pdf(drawn) - above.log_pdf(drawn)).reshape(TOGETHER, candidates)
        of_trials = drawn.reshape(TOGETHER, candidates, -1)
        return [each[of_one.argmax()] for each, of_one in zip(of_trials, values, strict=True)]


@cache
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "proposals")


class TPESampler(samplers.TPESampler):
    """Optuna's, for one study: it proposes the same, but reads each trial once.

    After `again` it proposes from what it has fitted already, which takes most of the time that is left.
    """

    def __init__(self, seed: int) -> None:
        """Begin with a seed, and with nothing read."""
        super().__init__(seed=seed)
        self._is_kept = False
        self._space: Space = {}
        self._observed = Observed()
        self._fitted: dict[tuple[str, ...], _Fit] = {}  # by the names of the space

    def begin(self, seed: int) -> None:
        """Propose the next trial with another seed."""
        reseed(self, seed)
        reseed(self._random_sampler, seed)
        self._is_kept = False

    def again(self, seed: int) -> None:
        """Propose the next trial with another seed, and without a look at what has ended or begun in the meantime."""
        self.begin(seed)
        self._is_kept = True

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> Space:  # noqa: ARG002
        """Give the parameters that are proposed together."""
        if not self._is_kept:
            self._space = self._observed.common_space(self._observed.read(study))
        return self._space

    def _sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: Space) -> dict[str, Any]:
        if self._is_kept and tuple(search_space) in self._fitted:  # there were trials enough when that was fitted
            return self._sample(study, trial, search_space)
        return super()._sample_relative(study, trial, search_space)

    def _sample(self, study: optuna.Study, trial: FrozenTrial, search_space: Space) -> dict[str, Any]:
        names = tuple(search_space)
        kept = self._fitted.get(names)
        if self._is_kept and kept is not None and kept.space == search_space:
            taken = kept.take(self._rng.rng, self._n_ei_candidates)
            chosen = dict(zip(search_space, taken.tolist(), strict=True))
        else:
            below, above = self._fit(study, search_space, trial.number)
            self._fitted[names] = _Fit(search_space, (below, above))
            samples = below.sample(self._rng.rng, self._n_ei_candidates)
            chosen = self._compare(samples, self._compute_acquisition_func(samples, below, above))
        return {name: each.to_external_repr(chosen[name]) for name, each in search_space.items()}

    def _fit(self, study: optuna.Study, space: Space, number: int) -> tuple[Any, Any]:
        """Make Optuna's estimators of good trials and of the others, those that run among them (constant liar)."""
        trials = self._observed.read(study)
        good, others = self._observed.split(trials, default_gamma(len(trials)), study.direction)
        unfinished = study._get_trials(deepcopy=False, states=(TrialState.RUNNING,))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        running = {each.number: partial(self._get_params, each, study) for each in unfinished if each.number != number}
        below = self._observed.values(trials, good, space, {})
        above = self._observed.values(trials, others, space, running)
        make, how = self._parzen_estimator_cls, self._parzen_estimator_parameters
        return make(below, space, how), make(above, space, how)


def reseed(sampler: samplers.TPESampler | samplers.RandomSampler, seed: int) -> None:
    """Let a sampler of Optuna's draw as a new one with that seed would; making one takes 0.2 ms."""
    sampler._rng.rng.seed(seed)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - it has no public name


def tpe(seed: int) -> samplers.BaseSampler:
    """Make a sampler that models good and bad trials (Bergstra et al. 2011)."""
    return TPESampler(seed)


def random(seed: int) -> samplers.BaseSampler:
    """Make a sampler that draws each trial independently of the others."""
    return samplers.RandomSampler(seed=seed)


def gp(seed: int) -> samplers.BaseSampler:
    """Make a sampler that fits a Gaussian process to the trials."""
    return samplers.GPSampler(seed=seed)
