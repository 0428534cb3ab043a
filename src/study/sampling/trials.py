"""A study's trials in Optuna's memory, where the next one is sampled and bad ones are found: no database is asked.

Sampling in memory costs a hundredth of sampling through a database. The memory is made from the trial folders, and a
trial has the number of its folder. `study.sampling.teller` keeps Optuna's database equal to the folders, and gives the
trials that it finds there alone.
"""

from __future__ import annotations

import itertools
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from study.knobs import plain
from study.record import results
from study.record.history import History
from study.record.trial import Trial
from study.sampling import space
from study.sampling.memory import Memory
from study.sampling.promotion import PromotionPruner
from study.sampling.pruning import Audited
from study.sampling.rungs import RungPruner
from study.sampling.samplers import TPESampler, reseed
from study.sampling.storage import attributes, end, frozen, placeholder
from study.sampling.table import PRUNERS, SAMPLERS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from queue import SimpleQueue

    from optuna.trial import FrozenTrial
    from pydantic import BaseModel

    from study.definition import Study
    from study.events import Epoch
    from study.record.history import Ended
    from study.record.journal import Journal, TrialFolder


MANY = 50  # running trials from which on a fit of the sampler's serves several proposals: not on one machine
RUNNING_EACH = 10  # running trials, then, for each further proposal of a fit


@dataclass(frozen=True, slots=True)
class NextTrial:
    """A trial to run.

    Args:
        number: of its folder.
        overrides: the knobs that differ from the study's recipe.
        variant: name of the study's variant that it trains; None if it is not one.
        params: Optuna's parameters behind the overrides.
        distributions: of the parameters.
        resumed: whether it has been started before.
        uid: its unique ID if it has one already, as an enqueued trial does.
        recipe: made of the overrides, if it was made already.

    """

    number: int
    overrides: Mapping[str, Any]
    variant: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    distributions: Mapping[str, BaseDistribution] = field(default_factory=dict[str, BaseDistribution])
    resumed: bool = False
    uid: str | None = None
    recipe: BaseModel | None = None

    def about(self) -> dict[str, Any]:
        """Give what a trial's folder keeps of it."""
        return {
            "variant": self.variant,
            "overrides": plain(dict(self.overrides)),
            "params": dict(self.params),
            "distributions": {name: distribution_to_json(each) for name, each in self.distributions.items()},
        }


class Trials:
    """The study's trials as its sampler and its pruner see them."""

    def __init__(
        self,
        study: Study,
        journal: Journal,
        arrivals: SimpleQueue[FrozenTrial],
        sampler: str,
        pruner: str,
        seed: int,
    ) -> None:
        """Read the trials.

        Args:
            study: whose trials they are.
            journal: the study's folders.
            arrivals: trials of Optuna's database that have no folder; more of them may come at any time.
            sampler: a name of `study.sampling.table.SAMPLERS`.
            pruner: a name of `study.sampling.table.PRUNERS`.
            seed: of the sampler.

        """
        self._journal, self._arrivals = journal, arrivals
        self._study, self._make_sampler, self._seed, self.pruner = study, SAMPLERS[sampler].load(), seed, pruner
        self._memory = Memory()
        decides = PRUNERS[pruner].load()()
        self._rungs = decides if isinstance(decides, RungPruner) else None
        self._promotion = decides if isinstance(decides, PromotionPruner) else None
        self._copy = optuna.create_study(
            study_name=study.name,
            storage=self._memory,
            direction=study.direction,
            pruner=self._promotion or Audited(decides, seed, self._note_audit),
            sampler=self._make_sampler(0),
        )
        self.audits: dict[int, int] = {}  # epoch by number of the trials that were just audited, for their logs
        self._shared = 0  # trials for which the sampler's fit is used again
        self._damaged, self._variants = set[int](), set[str]()
        self._copy_id = self._memory.get_study_id_from_name(study.name)
        if self._rungs:
            self._rungs.epochs = getattr(study.recipe, "epochs", None)
            self._rungs.sign = -1 if study.direction == "maximize" else 1
        if self._promotion:
            self._memory.paused = self._promotion.paused.keys()
        self._fill()

    def _fill(self) -> None:
        """Add the folders' trials by number, and the arrived ones by their number in the database if it is free.

        A damaged folder keeps its number; for its trial stands what the database knows of it, if it has ended.
        """
        read = {folder.number: results.whole(folder) for folder in self._journal.trials()}
        self._damaged = {number for number, trial in read.items() if trial is None}
        trials = {number: frozen(trial) if trial else placeholder() for number, trial in read.items()}
        for trial in self._arrived():
            if trial.number in self._damaged:
                trials[trial.number] = trial
                continue
            free = next(number for number in itertools.count() if number not in trials)
            trials[free if trial.number in trials else trial.number] = trial
        self._take_up({number: trial.history for number, trial in read.items() if trial})
        for number in range(max(trials, default=-1) + 1):
            self._enter(trials.get(number) or placeholder())

    def _take_up(self, histories: Mapping[int, History]) -> None:
        """Tell the pruner which trials are paused, have gone on, or repeat another one, as their logs say."""
        for number, history in histories.items():
            if history.ended and history.ended.repeats is not None:
                self.repeats(number)
            elif self._promotion and not history.ended:
                self._promotion.promoted.add((history.promoted, number))
                if history.paused:
                    self.pause(number, len(history.epochs))

    def _enter(self, trial: FrozenTrial) -> None:
        self._copy.add_trial(trial)
        self._enter_rungs(self._memory.get_n_trials(self._copy_id) - 1)
        self._note_variant(trial)

    def _enter_rungs(self, number: int) -> None:
        """Let a trial count at the rungs that it has reached, a variant too, of which the pruner is never asked."""
        if self._rungs:
            self._rungs.enter(self._memory.get_trial(self._id(number)))

    def _note_variant(self, trial: FrozenTrial) -> None:
        if variant := trial.user_attrs.get("variant"):
            self._variants.add(variant)

    def refresh(self) -> None:
        """Enter trials that others have put into the database, such as by `Study.enqueue_trial` in a notebook."""
        for trial in self._arrived():
            self._enter(trial)

    def _arrived(self) -> Iterator[FrozenTrial]:
        while not self._arrivals.empty():
            trial = self._arrivals.get()
            if trial.state.is_finished() or trial.number not in self._damaged:
                yield trial

    def finished(self) -> int:
        """Count complete and pruned trials."""
        return len(self._memory.complete) + self._memory.pruned

    def has_complete(self) -> bool:
        """Tell whether a trial is complete."""
        return bool(self._memory.complete)

    def elsewhere(self) -> int:
        """Count the finished trials that have no folder here."""
        states = (TrialState.COMPLETE, TrialState.PRUNED)
        done = self._memory.get_all_trials(self._copy_id, deepcopy=False, states=states)
        return sum(not self._journal.trial(trial.number).path.exists() for trial in done)

    def running(self) -> list[int]:
        """Give the numbers of trials that are marked as running, paused ones left out."""
        return sorted(self._memory.numbers(TrialState.RUNNING).difference(self.paused))

    def interrupted(self, under_way: Collection[int]) -> int | None:
        """Give the first trial that is marked as running and that nobody runs; None if there is none."""
        left = self._memory.numbers(TrialState.RUNNING).difference(self.paused, under_way)
        return min(left, default=None)

    @property
    def pauses(self) -> bool:
        """Whether the pruner pauses trials instead of ending them."""
        return self._promotion is not None

    @property
    def paused(self) -> Mapping[int, int]:
        """The paused trials: by number, after how many epochs. They count as pruned ones once the search is done."""
        return self._promotion.paused if self._promotion else {}

    def pause(self, number: int, epochs: int) -> None:
        """Note that a trial has paused after so many epochs."""
        assert self._promotion is not None
        self._promotion.paused[number] = epochs

    def promote(self, least: int = 0) -> NextTrial | None:
        """Take up the paused trial that the pruner promotes, from the best third or the `least` best ones of a rung."""
        if self._promotion is None:
            return None
        number = self._promotion.next(least)
        return None if number is None else self.left(number)

    def worst(self) -> list[int]:
        """List the paused trials, the worst first."""
        return self._promotion.worst() if self._promotion else []

    def left(self, number: int) -> NextTrial:
        """Describe the next run of a trial that was begun and is not finished."""
        trial = self._memory.get_trial(self._id(number))
        overrides = trial.user_attrs.get("overrides", trial.params)
        variant = trial.user_attrs.get("variant")
        uid = trial.user_attrs.get("uid")
        return NextTrial(number, overrides, variant, trial.params, trial.distributions, resumed=True, uid=uid)

    def variants_seen(self) -> set[str]:
        """Give the variants that have a trial in any state."""
        return self._variants

    def of_variant(self, name: str) -> NextTrial:
        """Describe the next run of a variant, with the parameters by which Optuna would have made it."""
        overrides = self._study.variants[name]
        params, distributions = space.params_of(self._study, overrides)
        return NextTrial(self._memory.get_n_trials(self._copy_id), overrides, name, params, distributions)

    def fixed(self, overrides: Mapping[str, Any], variant: str) -> NextTrial:
        """Describe the next run of a recipe that is given, with no parameters of Optuna's behind it."""
        return NextTrial(self._memory.get_n_trials(self._copy_id), overrides, variant)

    def ask(self) -> NextTrial:
        """Sample the next trial; the same one whenever asked with the same trials before it.

        It takes an enqueued trial first. The sampler's seed follows from the study's seed and the trial's number, so
        that a resumed search neither repeats nor skips its random numbers.

        Raises:
            StudyFileError: the space raises, or returns what the recipe refuses.

        """
        number = self._memory.get_n_trials(self._copy_id)
        number = min(self._memory.numbers(TrialState.WAITING), default=number)
        self._seed_sampler(zlib.crc32(f"{self._seed}:{number}".encode()))
        with self._memory.bounded(self._copy_id):
            trial = self._copy.ask()
            overrides = space.suggest(self._study, trial)
        recipe = space.recipe_of(self._study, overrides, trial.params)
        uid = trial.user_attrs.get("uid")
        known = self._memory.get_trial(self._id(trial.number))  # Optuna's own trial copies what it gives, deeply
        params, distributions = dict(known.params), dict(known.distributions)
        return NextTrial(trial.number, overrides, None, params, distributions, uid=uid, recipe=recipe)

    def _seed_sampler(self, seed: int) -> None:
        """Seed the sampler; where very many run, TPE goes on with what it has fitted for the trial before."""
        sampler = self._copy.sampler
        if isinstance(sampler, RandomSampler):
            reseed(sampler, seed)
        elif not isinstance(sampler, TPESampler):
            self._copy.sampler = self._make_sampler(seed)
        elif self._shared:
            self._shared -= 1
            sampler.again(seed)
        else:
            sampler.begin(seed)
            running = len(self.running())
            self._shared = running // RUNNING_EACH if running >= MANY else 0

    def add(self, folder: TrialFolder, about: Mapping[str, Any]) -> None:
        """Enter a new trial, whose folder is not read: it may still have to be made."""
        number = folder.number
        if number == self._memory.get_n_trials(self._copy_id):
            self._enter(frozen(Trial(folder, about, History())))
        else:
            for key, value in attributes(about).items():
                self._memory.set_trial_user_attr(self._id(number), key, value)
            self._note_variant(self._memory.get_trial(self._id(number)))

    def report(self, number: int, epoch: Epoch) -> None:
        """Add the objective of a trial's epoch."""
        value = epoch.metrics[self._study.metric]
        self._memory.set_trial_intermediate_value(self._id(number), epoch.number, value)
        self._enter_rungs(number)

    def repeats(self, number: int) -> None:
        """Note that a trial has the results of another one, which the pruner is to see once."""
        if self._rungs:
            self._rungs.leave(number)

    def should_prune(self, number: int) -> bool:
        """Tell whether the pruner ends the trial after the epoch that was reported last, which is not its final one."""
        return self._copy.pruner.prune(self._copy, self._memory.get_trial(self._id(number)))

    def _note_audit(self, number: int, epoch: int) -> None:
        """Note that a trial runs on although the pruner would end it after this epoch."""
        self.audits[number] = epoch

    def end(self, number: int, ended: Ended) -> None:
        """Set how a trial ended."""
        end(self._memory, self._id(number), ended.state, ended.value, ended.reason)
        self._enter_rungs(number)
        if self._promotion:
            self._promotion.paused.pop(number, None)

    def _id(self, number: int) -> int:
        return self._memory.get_trial_id_from_study_id_trial_number(self._copy_id, number)
