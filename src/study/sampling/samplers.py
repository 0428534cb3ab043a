"""Optuna's samplers as studies use them; `study.sampling.table` names them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from optuna import samplers
from optuna.samplers._lazy_random_state import LazyRandomState

if TYPE_CHECKING:
    from collections.abc import Iterator

    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    Space = dict[str, BaseDistribution]


TOGETHER = 4  # trials that are proposed at once from a fit: each takes some MB for a moment


@dataclass(frozen=True, slots=True)
class _Fit:
    """Estimators of good trials and of the others for a space, and what is proposed from them and not yet taken."""

    space: Space
    below: Any
    above: Any
    proposed: list[dict[str, int | float]] = field(default_factory=list[dict[str, "int | float"]])


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
            self._fitted[names] = _Fit(search_space, self._built[True], self._built[False])
            return found
        if not kept.proposed:
            kept.proposed.extend(self._propose(kept.below, kept.above))
        chosen = kept.proposed.pop()
        return {name: each.to_external_repr(chosen[name]) for name, each in search_space.items()}

    def _propose(self, below: Any, above: Any) -> Iterator[dict[str, int | float]]:
        """Draw candidates for some trials at once, and choose one for each, as Optuna does for one."""
        count = self._n_ei_candidates
        samples = below.sample(self._rng.rng, TOGETHER * count)
        values = self._compute_acquisition_func(samples, below, above)
        for first in range(0, TOGETHER * count, count):
            part = slice(first, first + count)
            yield self._compare({name: each[part] for name, each in samples.items()}, values[part])


def tpe(seed: int) -> samplers.BaseSampler:
    """Make a sampler that models good and bad trials (Bergstra et al. 2011)."""
    return TPESampler(seed)


def random(seed: int) -> samplers.BaseSampler:
    """Make a sampler that draws each trial independently of the others."""
    return samplers.RandomSampler(seed=seed)


def gp(seed: int) -> samplers.BaseSampler:
    """Make a sampler that fits a Gaussian process to the trials."""
    return samplers.GPSampler(seed=seed)
