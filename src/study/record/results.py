"""Reads a study's results from its trial folders, without a database or heavy imports."""

from __future__ import annotations

import logging
from itertools import islice
from typing import TYPE_CHECKING, Any

from study.definition import OUR_TRAIN, judged_by
from study.errors import Damaged, StudyError
from study.record.trial import STATES, Trial, base_of
from study.schemas.trial import RepeatableRecipe

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from pydantic import BaseModel

    from study.metric import Metric
    from study.record.journal import Journal, TrialFolder
    from study.record.trial import TrialRow

UNIT_TRIALS = 20  # number of first trials whose values decide whether accuracy is in per cent
log = logging.getLogger("study")
_said: set[str] = set()  # damaged files already warned about


def metric_of(journal: Journal, trials: Sequence[Trial] | None = None) -> Metric:
    """Read a study's objective from its stored definition, and from its values whether accuracy is in per cent.

    Args:
        journal: the study's folders.
        trials: its trials, if already read.

    Raises:
        StudyError: there is no definition, or it cannot be read.

    """
    definition = journal.definition()
    if definition is None:
        raise StudyError("the study's definition is missing", where=str(journal.definition_file))
    metric, followed = judged_by(definition), definition.get("followed") or definition["metric"]
    if definition.get("train") == OUR_TRAIN:
        return metric
    first = list(islice(intact(journal) if trials is None else trials, UNIT_TRIALS))
    if any(trial.metric.of_test for trial in first):
        metric = metric.on("test")
    return metric.seen(epoch.metrics.get(followed, 0.0) for trial in first for epoch in trial.history.epochs)


def read(journal: Journal) -> list[Trial]:
    """Read all trials of a study, by number; skip damaged ones with a warning.

    Raises:
        StudyError: the definition is damaged.

    """
    return list(intact(journal, base_of(journal.definition() or {})))


def rows(journal: Journal) -> list[TrialRow]:
    """Describe all trials of a study, by number, without keeping their epochs. Otherwise like `read`."""
    return [trial.row for trial in intact(journal, base_of(journal.definition() or {}))]


def intact(journal: Journal, base: BaseModel | None = None, but: Container[int] = ()) -> Iterator[Trial]:
    """Read trials one by one; skip damaged ones with a warning.

    Args:
        journal: the study's folders.
        base: see `Trial`.
        but: numbers of trials to skip.

    """
    for folder in journal.trials():
        if folder.number not in but and (trial := whole(folder, base)):
            yield trial


def whole(folder: TrialFolder, base: BaseModel | None = None) -> Trial | None:
    """Read a trial; if it is damaged, return None and warn about its file once per process."""
    try:
        trial = Trial.of(folder, base)
        _ = trial.recipe
    except Damaged as error:
        if error.where not in _said:
            _said.add(error.where)
            log.warning("trial %d of %s is left out: %s", folder.number, folder.study, error)
        return None
    return trial


def first_complete(journal: Journal, numbers: Iterable[int]) -> Trial | None:
    """Read the first of some trials, by number, whose training ended well; None if there is none."""
    trials = (Trial.of(journal.trial(number)) for number in numbers)
    return next((each for each in trials if each.row.state == "complete"), None)


def finished(journal: Journal) -> int:
    """Count the complete and pruned trials; 0 before the first run.

    Raises:
        StudyError: a file is damaged; the message names file and line.

    """
    ends = (trial.history.ended for trial in intact(journal))
    return sum(ended is not None and ended.state in {"complete", "pruned"} for ended in ends)


def best(trials: Sequence[TrialRow], metric: Metric) -> TrialRow | None:
    """Return the complete trial with the best value, the first if several are equal; None if there is none."""
    found = None
    for trial in trials:
        if trial.state != "complete" or trial.value is None:
            continue
        if found is None or found.value is None or metric.better(trial.value, found.value):
            found = trial
    return found


def ranked(trials: Sequence[TrialRow], metric: Metric) -> list[TrialRow]:
    """Sort by state (complete, pruned, failed, running), then by value, best first."""

    def rank(trial: TrialRow) -> tuple[int, bool, float, int]:
        value = trial.value if trial.value is not None and trial.value == trial.value else None
        key = 0.0 if value is None else -metric.sign * value
        return STATES.index(trial.state), value is None, key, trial.number

    return sorted(trials, key=rank)


def best_recipe(journal: Journal) -> RepeatableRecipe:
    """Describe the best trial in the format of `study run --recipe`.

    Raises:
        StudyError: no trial is complete, or a file is damaged; the message names file and line.

    """
    name, definition = journal.folder.name, journal.definition() or {}
    found = best(rows(journal), metric_of(journal, ()))
    if found is None:
        raise StudyError("no trial is complete yet", where=name, fix=f"`study run {name}` goes on.")
    recipe = journal.trial(found.number).recipe()
    return RepeatableRecipe(**recipe_record(name, definition, recipe, trial=found.number, value=found.value))


def recipe_record(study: str, definition: Mapping[str, Any], recipe: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Describe one training in the format of `study run --recipe FILE`.

    Args:
        study: name of the study.
        definition: stored definition, for the metric and the import paths of the training and the recipe class.
        recipe: its knobs; missing ones take their defaults.
        more: further keys: `trial`, and `value`, which `study run` compares the new value with.

    """
    named = {"metric": judged_by(definition).name, **{name: definition[name] for name in ("recipe_type", "train")}}
    return {"study": study, **more, **named, "recipe": dict(recipe)}
