"""Runs a source's trials under the study's lock: the loop, an executor, and two threads that write to databases."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from study import environment
from study.errors import AllowanceUsed, Interrupted
from study.formatting import plural
from study.progress import Notice, Progress, SearchStarted
from study.record.atomic_files import require_room
from study.record.journal import Journal
from study.running.loop import Loop
from study.sampling import space, storage
from study.sampling.table import PRUNER, SAMPLER
from study.sampling.teller import Teller
from study.sampling.telling import Telling
from study.sampling.trials import Trials
from study.stopping import signal_of
from study.tracking import told, tracked

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping

    from study.definition import Study
    from study.executors import Executor
    from study.options import Options
    from study.running.source import Source
    from study.settings import Settings


def conduct(
    study: Study,
    settings: Settings,
    options: Options,
    executor: Executor,
    stop: threading.Event,
    source: Source,
    definition: Mapping[str, Any],
    *,
    test: bool = False,
    grouped: bool = False,
) -> Iterator[Progress]:
    """Run the trials of a source. The caller has checked them; nothing is written before this call.

    Args:
        study: the study of the trials.
        settings: where results are stored.
        options: how to run.
        executor: runs the jobs; the caller closes it.
        stop: once set, running trials save their current epoch and Interrupted is raised.
        source: provides the trials.
        definition: definition of the study to store; it must match the stored one.
        test: whether complete trials are also evaluated on the test split.
        grouped: whether the trials of a variant form a group: the same recipe on several seeds.

    Raises:
        InputError: another process runs the study, its stored definition differs, or a place cannot be used.
        Interrupted: `stop` was set; the same call continues.
        AllowanceUsed: as many trials were finished as `options` allow; the same call continues.
        StudyError: too many trials failed, or an epoch is not reproducible.
        PlaceError: Optuna's database was unavailable for too long; the same call continues.
        LeaseLost: another process has taken over the study; the same call continues once it has ended.

    """
    journal = Journal(settings.study_folder(study.name))
    require_room(settings.home)
    with storage.opened(settings.storage) as database, storage.held(study.name, journal.folder, database) as lease:
        journal.settle()
        _settle_definition(journal, definition, accept=options.accept)
        teller = Teller(journal, database, study.name, study.direction, takes=True)
        teller.begin(lease)
        trials = Trials(
            study, journal, teller.arrivals, options.sampler or SAMPLER, options.pruner or PRUNER, options.seed or 0
        )
        if elsewhere := trials.elsewhere():
            yield _without_folder(elsewhere, study.name)
        if source.is_done(trials):
            teller.give_back()
            yield SearchStarted(study.name, source.target(trials), trials.finished(), 0, 0, None)
            if options.track:
                yield from told(journal, settings)
            return
        asked = {"trials": source.target(trials), "finished": trials.finished(), "paused": len(trials.paused)}
        asked |= {"since": time.time()}
        journal.store_question("run", asked)
        about = {"study": study.name, "metric": study.objective.name, "direction": study.direction}
        about |= {"followed": study.metric} if study.test else {}
        about |= {"data": definition["data"]}
        about |= {"environment": environment.versions(), "git": environment.git(), "grouped": grouped}
        telling = Telling(teller, lease, study.name)
        before, left = trials.finished(), options.allowance.left
        most = math.inf if left is None else before + left
        loop = Loop(
            study, journal, trials, executor, source, stop, about, options.deadline, options.hang, test, telling, most
        )
        progress = telling.told(loop.run(), stop)
        yield from tracked(progress, journal, settings, stop) if options.track else progress
        if telling.over:
            raise telling.over
        options.allowance.take(trials.finished() - before)
        _require_done(loop)


def _require_done(loop: Loop) -> None:
    """Raise if the loop was ended before its trials were: by a person, or by how many it might finish."""
    trials, source = loop.trials, loop.source
    if source.is_done(trials):
        return
    paused = f" and {len(trials.paused)} paused" if trials.paused else ""
    so_far = f"with {trials.finished()} of {source.target(trials)} trials finished{paused}, everything saved"
    how: dict[str, str] = {"where": loop.study.name, "fix": "The same command continues."}
    if loop.stop.is_set():
        raise Interrupted(f"stopped {so_far}", **how).by(signal_of(loop.stop))
    if trials.finished() >= loop.most and not loop.time_is_up:
        raise AllowanceUsed(f"stopped at the allowed number of trials, {so_far}", **how)


def _without_folder(count: int, name: str) -> Notice:
    why = "has no folder here: it ran on another machine, was added by hand, or lost its folder; it counts"
    if count > 1:
        why = "have no folder here: they ran on another machine, were added by hand, or lost their folders; they count"
    return Notice(f"{plural(count, 'finished trial')} {why}, and `study remove {name}` deletes the whole study")


def _settle_definition(journal: Journal, definition: Mapping[str, Any], *, accept: bool) -> None:
    stored = journal.definition()
    if stored is None:
        journal.store_definition(definition)
        return
    accepted = space.require_same(stored, definition, accept=accept)
    if accepted:
        history = [*stored.get("accepted", []), {"time": time.time(), "differences": accepted}]
        journal.store_definition({**definition, "accepted": history})
    elif (current := space.refreshed(stored, definition)) != stored:
        journal.store_definition(current)
