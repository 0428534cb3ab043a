"""A search: run the study's variants, then the trials that Optuna's sampler suggests."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from study.progress import Preparing
from study.running.coordinator import conduct
from study.running.preflight import check_recipes
from study.sampling import space

if TYPE_CHECKING:
    import threading
    from collections.abc import Collection, Iterator

    from study.definition import Study
    from study.options import Options
    from study.progress import Progress
    from study.sampling.trials import Candidate, Trials
    from study.settings import Settings


@dataclass(frozen=True, slots=True)
class Asking:
    """The source of a search's trials: interrupted trials, the study's variants, then Optuna's sampler."""

    study: Study
    trials_wanted: int

    def target(self, trials: Trials) -> int:  # noqa: ARG002 - the number was given
        """Return the number of finished trials at which the search ends."""
        return self.trials_wanted

    def is_done(self, trials: Trials) -> bool:
        """Tell whether there are as many finished trials as wanted."""
        return trials.finished() >= self.trials_wanted

    def next(self, trials: Trials, under_way: Collection[int]) -> Candidate | None:
        """Give the next trial to run."""
        if trials.finished() + len(under_way) >= self.trials_wanted:
            return None
        for number in trials.running():
            if number not in under_way:
                return trials.left(number)
        seen = trials.variants_seen()
        variant = next((name for name in self.study.fair_variants if name not in seen), None)
        return trials.of_variant(variant) if variant else trials.ask()

    def may_prune(self, candidate: Candidate) -> bool:
        """Tell whether a trial may be pruned; variants may not, since the user has asked for them."""
        return candidate.variant is None


def run(study: Study, settings: Settings, options: Options, stop: threading.Event) -> Iterator[Progress]:
    """Search a study; each iteration drives the run and yields its progress.

    Args:
        study: whose data set is available (`preflight.available_data`).
        settings: where results are kept.
        options: of the search.
        stop: when it is set, running trials save their current epoch and the search raises Interrupted.

    Raises:
        InputError: an argument is wrong; nothing was written.
        Interrupted: `stop` was set; the same call resumes the search.
        StudyError: too many trials failed, or an epoch was not repeatable.

    """
    options.check()
    options = options.started()
    if "seed" in type(study.recipe).model_fields and "seed" not in study.fixed and options.seed:
        study = replace(study, recipe=study.recipe_for({"seed": options.seed}))
    found = space.probe(study)
    yield Preparing("loading torch in the workers")
    with closing(options.make_executor()) as executor:
        yield Preparing("checking the study, its recipes and its data")
        data = check_recipes(study, found, options.device, executor.call)
        how = {"sampler": options.sampler, "pruner": options.pruner, "seed": options.seed}
        definition = space.describe(study, found, **how, data=data)
        yield from conduct(study, settings, options, executor, stop, Asking(study, options.trials), definition)
