"""The calls that train: each goes on where it was stopped, and sums up."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack

from study import notebook
from study.errors import InputError
from study.formatting import nearest
from study.imports import forget_edited
from study.progress import Result, finish
from study.record.family import Family
from study.settings import resolve
from study.study_files import load

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from study.definition import Study
    from study.options import Options
    from study.progress import Progress
    from study.questions.ablation import Ablation
    from study.questions.comparison import Comparison
    from study.questions.confirmation import Confirmation
    from study.questions.several import Several
    from study.record.summary import Summary
    from study.settings import Settings


class How(TypedDict, total=False):
    """Where to keep things, how to run, and who watches: the same for every call.

    Args:
        home: folder of results; `STUDY_HOME`, else `mlruns`.
        storage: Optuna's database as an SQLAlchemy URL; `OPTUNA_STORAGE`, else SQLite in `home`.
        tracking_uri: MLflow's; `MLFLOW_TRACKING_URI`, else SQLite in `home`.
        fallback: take the study's other data set, under another name, when its own cannot be had; True unless given.
        watch: is called with each event, such as `progress.TrialEnded`; in a notebook a progress bar if unset.
        workers, device, executor, address, cpus_per_trial, gpus_per_trial, shared_home, timeout, hang, accept,
            track: see `options.Options`.
        sampler, pruner, seed: of a search alone; see `options.Options`.

    """

    home: str | Path | None
    storage: str | None
    tracking_uri: str | None
    fallback: bool
    watch: Callable[[Progress], None] | None
    workers: int | None
    device: str
    executor: str
    address: str
    cpus_per_trial: float
    gpus_per_trial: float | Literal["auto"] | None
    shared_home: bool
    sampler: str | None
    pruner: str | None
    seed: int | None
    timeout: float | None
    hang: float
    accept: bool
    track: bool


def run(study: Study | str, trials: int, **how: Unpack[How]) -> Summary:
    """Search until the study has `trials` finished trials.

    Args:
        study: a `Study`, or the name or path of one.
        trials: finished trials, complete or pruned, in the end.
        how: see `How`.

    Returns:
        How many trials ended how, and the best one with its knobs.

    Raises:
        StudyError: see `study.errors`; an `InputError` before anything was written.

    """
    from study.questions import search  # noqa: PLC0415 - optuna, only when something is to be run

    settled, places, options = _settle(study, how, trials)
    return _watch(search.run(settled, places, options, threading.Event()), how, places)


def compare(
    study: Study | str,
    variants: Sequence[str] | None = None,
    *,
    against: str | None = None,
    seeds: int | None = None,
    until_sure: bool = False,
    smallest: float = 0.005,
    as_published: bool = False,
    resplit: bool = False,
    target: float | None = None,
    **how: Unpack[How],
) -> Comparison:
    """Run a study's variants on the same seeds and judge them on the test split.

    Args:
        study: a `Study`, or the name or path of one.
        variants: names; None is all but literal published protocols.
        against: the baseline; None is `baseline`, else the first variant.
        seeds: the same for every variant; None is 10, or at most 30 with `until_sure`.
        until_sure: add seeds only until each verdict is settled.
        smallest: the smallest difference of interest, in the metric's unit.
        as_published: the literal published protocols, too.
        resplit: a split of its own for each seed, the same for all variants.
        target: value of the metric on validation data; how soon it is reached is judged as a second outcome.
        how: see `How`.

    Returns:
        A sequence of a row a variant: mean over the seeds with its interval, difference to the baseline, verdict.

    Raises:
        StudyError: see `study.errors`; an `InputError` before anything was written.

    """
    from study.questions import comparison  # noqa: PLC0415 - as in `run`

    settled, places, options = _settle(study, how)
    settled = Family(settled.name, places.home).as_searched(settled)
    question = comparison.ask(
        settled, variants, against, as_published=as_published, seeds=seeds, until_sure=until_sure, smallest=smallest,
        resplit=resplit, target=target,
    )  # fmt: skip
    return _watch(comparison.run(settled, places, options, question, threading.Event()), how, places)


def compare_over_data(
    study: Study | str,
    data: Sequence[str],
    variants: Sequence[str] | None = None,
    *,
    against: str | None = None,
    seeds: int | None = None,
    smallest: float = 0.005,
    resplit: bool = False,
    target: float | None = None,
    **how: Unpack[How],
) -> Several:
    """Compare a study's variants on several data sets, one after the other, with one verdict over all.

    Args:
        study: a `Study`, or the name or path of one.
        data: names of data sets; each of them counts once.
        variants: as in `compare`, as are the next ones.
        against: the baseline.
        seeds: the same number on each data set; None is 10.
        smallest: the smallest difference of interest.
        resplit: a split of its own for each seed.
        target: value of the metric that is reached sooner or later, on each data set.
        how: see `How`.

    Returns:
        The comparison on each data set, and for each variant the mean difference with its interval and verdict.

    Raises:
        StudyError: see `study.errors`; an `InputError` before anything was written.

    """
    from study import request  # noqa: PLC0415 - as in `run`
    from study.questions import comparison, several  # noqa: PLC0415 - as in `run`

    names = dict.fromkeys(data)
    if len(names) < 2:
        raise InputError("one verdict over data sets takes two or more", where="data", fix="`compare` takes one.")
    wanted = load(study) if isinstance(study, str) else study
    settled = [_settle(request.on(wanted, name), how) for name in names]
    _, places, options = settled[0]
    studies = [Family(each.name, places.home).as_searched(each) for each, *_ in settled]
    asked = [
        (each, comparison.ask(each, variants, against, seeds=seeds, smallest=smallest, resplit=resplit, target=target))
        for each in studies
    ]
    found = _watch(several.run(asked, places, options, threading.Event()), how, places)
    assert isinstance(found, several.Several)
    return found


def confirm(
    study: Study | str, *, top: int = 10, seeds: int = 5, resplit: bool | None = None, **how: Unpack[How]
) -> Confirmation:
    """Run a search's best trials again on fresh seeds, and score the winner on the test split.

    Args:
        study: a `Study` that was searched, or the name or path of one.
        top: how many of the best trials.
        seeds: fresh ones for the race, and as many others for the scores.
        resplit: a split of its own for each fresh seed; None goes on as before, the first time where the data permit.
        how: see `How`.

    Returns:
        The contenders, the winner, its score and the baseline's, the gain, how much of the search's figure was luck.

    Raises:
        StudyError: see `study.errors`; an `InputError` before anything was written.

    """
    from study.questions import confirmation  # noqa: PLC0415 - as in `run`

    settled, places, options = _settle(study, how)
    settled = Family(settled.name, places.home).as_searched(settled)
    question = confirmation.ask(settled, places, top, seeds, resplit=resplit)
    return _watch(confirmation.run(settled, places, options, question, threading.Event()), how, places)


def ablate(study: Study | str, *, seeds: int = 10, smallest: float = 0.005, **how: Unpack[How]) -> Ablation:
    """Set the confirmed winner's knobs back one at a time, on the same fresh seeds, judged on validation data.

    Args:
        study: a `Study` that was confirmed, or the name or path of one.
        seeds: fresh ones, the same for every recipe.
        smallest: the smallest difference of interest, in the metric's unit.
        how: see `How`.

    Returns:
        What each knob contributes, and the simplest recipe that is no worse.

    Raises:
        StudyError: see `study.errors`; an `InputError` before anything was written.

    """
    from study.questions import ablation  # noqa: PLC0415 - as in `run`
    from study.running import preflight  # noqa: PLC0415 - as in `run`

    settled, places, options = _settle(study, how)
    settled = Family(settled.name, places.home).as_searched(settled)
    with options.calling() as call:
        question = ablation.ask(settled, places, seeds, smallest, preflight.fitting(options.device, call))
    return _watch(ablation.run(settled, places, options, question, threading.Event()), how, places)


def _settle(study: Study | str, how: How, trials: int = 1) -> tuple[Study, Settings, Options]:
    """Read the study and modules of one's own as they are now, settle the data, split `how` into places and options."""
    from study.options import Options  # noqa: PLC0415 - as in `run`
    from study.running import preflight  # noqa: PLC0415 - as in `run`

    if unknown := sorted(how.keys() - How.__annotations__.keys()):
        raise InputError(f"no argument {unknown[0]!r}", fix=nearest(unknown[0], How.__annotations__))
    forget_edited()
    wanted = load(study) if isinstance(study, str) else study
    wanted.check()
    ours = {"home", "storage", "tracking_uri", "fallback", "watch"}
    options = Options(trials=trials, **{name: value for name, value in how.items() if name not in ours})  # pyright: ignore[reportArgumentType] - How has the types
    with options.calling() as call:
        settled, _ = preflight.available_data(wanted, fallback=how.get("fallback", True), call=call)
    return settled, resolve(how.get("home"), how.get("storage"), how.get("tracking_uri")), options


def _watch(events: Generator[Progress, None, Result], how: How, places: Settings) -> Result:
    return finish(events, how.get("watch") or notebook.watcher(places.home))
