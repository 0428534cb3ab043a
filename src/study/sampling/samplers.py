"""Optuna's samplers as studies use them; `study.sampling.table` names them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from optuna import samplers
from optuna.samplers._lazy_random_state import LazyRandomState

if TYPE_CHECKING:
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

    def propose(self, rng: RandomState, candidates: int) -> None:
        """Draw candidates for some trials at once, and choose one for each, as Optuna does for one."""
        if self.mixtures is None:
            from study.sampling.parzen import Mixture  # noqa: PLC0415 - loads scipy

            self.mixtures = Mixture(self.estimators[0]), Mixture(self.estimators[1])
        below, above = self.mixtures
        drawn = below.sample(rng, TOGETHER * candidates)
        values = (below.log_pdf(drawn) - above.log_pdf(drawn)).reshape(TOGETHER, candidates)
        of_trials = drawn.reshape(TOGETHER, candidates, -1)
        self.proposed += [each[of_one.argmax()] for each, of_one in zip(of_trials, values, strict=True)]


class TPESampler(samplers.TPESampler):
    """Optuna's; after `again` it proposes from what it has fitted already, which takes most of its time."""

    def __init__(self, seed: int) -> None:
        """Begin with a seed, and with nothing fitted."""
        super().__init__(seed=seed)
        self._is_kept = False
        self._space: Space | None = None
        self._built: dict[bool, Any] = {}  # the estimators built last, of good trials and of the others
        self._fitted: dict[tuple[str, ...], _Fit] = {}  # by the names of the space

    def again(self, seed: int) -> None:
        """Propose the next trial with another seed, and without a look at what has ended or begun in the meantime."""
        self._rng, self._random_sampler = LazyRandomState(seed), samplers.RandomSampler(seed=seed)
        self._is_kept = True

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> Space:
        """Give the parameters that are proposed together."""
        if self._space is None or not self._is_kept:
            self._space = super().infer_relative_search_space(study, trial)
        return self._space

    def _build_parzen_estimator(
        self,
        study: optuna.Study,
        search_space: Space,
        trials: list[FrozenTrial],
        handle_below: bool,  # noqa: FBT001 - Optuna's signature
    ) -> Any:
        built = super()._build_parzen_estimator(study, search_space, trials, handle_below)
        self._built[handle_below] = built
        return built

    def _sample(self, study: optuna.Study, trial: FrozenTrial, search_space: Space) -> dict[str, Any]:
        names = tuple(search_space)
        kept = self._fitted.get(names)
        if not self._is_kept or kept is None or kept.space != search_space:
            found = super()._sample(study, trial, search_space)
            self._fitted[names] = _Fit(search_space, (self._built[True], self._built[False]))
            return found
        if not kept.proposed:
            kept.propose(self._rng.rng, self._n_ei_candidates)
        chosen = kept.proposed.pop().tolist()
        return {
            name: each.to_external_repr(value) for (name, each), value in zip(search_space.items(), chosen, strict=True)
        }


def tpe(seed: int) -> samplers.BaseSampler:
    """Make a sampler that models good and bad trials (Bergstra et al. 2011)."""
    return TPESampler(seed)


def random(seed: int) -> samplers.BaseSampler:
    """Make a sampler that draws each trial independently of the others."""
    return samplers.RandomSampler(seed=seed)


def gp(seed: int) -> samplers.BaseSampler:
    """Make a sampler that fits a Gaussian process to the trials."""
    return samplers.GPSampler(seed=seed)
