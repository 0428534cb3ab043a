"""From a study's winner to a version of a registered model.

What is registered is the network whose score is told: of a confirmed winner the first of its final seeds, with the
weights of its last epoch.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study import tracking
from study.definition import OUR_TRAIN, Study
from study.errors import DataError, InputError
from study.recipe import Recipe, fingerprint
from study.record import results
from study.record.family import Family
from study.record.journal import Journal
from study.record.trial import Trial
from study.registry.card import Facts, markdown, tags
from study.stored_recipe import recipe_class

if TYPE_CHECKING:
    from collections.abc import Mapping

    from study.data.packed import Pack
    from study.settings import Settings
    from study.stats.failures import Failures
    from study.stats.intervals import Interval, Mean
    from study.tracking.registry import Version


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """The model of a finished training, which can be registered.

    Args:
        study: the search's name.
        trial: number of the search's trial with its recipe.
        training: the trial whose weights are taken.
        search_value: the value in the search.
        overrides: the knobs in which its recipe differs from the study's recipe.
        score: on the test split over fresh seeds; None if unconfirmed.
        question: what the study is about, one line.
        failed: its trainings on those seeds that failed; None if unconfirmed.
        score_new: the score's 95 % interval on new examples; None where it is not known.

    """

    study: str
    trial: int
    training: Trial
    search_value: float | None
    overrides: Mapping[str, Any]
    score: Mean | None
    question: str = ""
    failed: Failures | None = None
    score_new: Interval | None = None

    @property
    def journal(self) -> Journal:
        """The folders that the training is in: the search's, or those of the final seeds."""
        return Journal(self.training.folder.path.parents[1])


def model_of(name: str) -> str:
    """Name a study's registered model: MLflow reads what follows an @ as an alias. Raises as `checked_name`."""
    return checked_name(name.replace("@", "-"))


def checked_name(model: str, where: str = "") -> str:
    """Let a name pass that MLflow can load a version by; `where` is the option that it was given with.

    Raises:
        InputError: it cannot.

    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]*", model, re.ASCII):
        fix = "Use letters, digits and . _ - + only."
        raise InputError(f"not a name for a model: {model!r}", where=where, fix=fix)
    return model


def confirmed(study: Study, settings: Settings) -> TrainedModel:
    """Take the confirmed winner, trained by the first of its final seeds.

    Raises:
        InputError: the study was not confirmed, or not to the end.

    """
    from study.questions import confirmation  # noqa: PLC0415 - Optuna

    found = confirmation.read(study, settings)
    if found is None or found.winner is None or found.score is None or not found.complete or not found.score.trials:
        what = "its winner is not confirmed yet" if found is None else "its confirmation is not finished"
        fix = f"`study confirm {study.name}` does it; --trial N registers an unconfirmed trial."
        raise InputError(what, where=study.name, fix=fix)
    finals, winner = Family(study.name, settings.home).final, found.winner
    trial = results.first_complete(finals, found.score.trials)
    if trial is None:
        fix = f"`study show {finals.folder.name}` says why."
        raise InputError("none of its confirmed winner's final trainings ended", where=study.name, fix=fix)
    score = found.score
    return TrainedModel(
        study.name, winner.trial, trial, winner.search_value, winner.settings, score.mean,
        failed=score.failed, score_new=score.mean_new,
    )  # fmt: skip


def unconfirmed(journal: Journal, number: int) -> TrainedModel:
    """Take a trial of the search as it is.

    Raises:
        InputError: there is no such trial, or it is not complete.

    """
    name, folder = journal.folder.name, journal.trial(number)
    if not folder.path.is_dir():
        raise InputError(f"there is no trial {number}", where=name, fix=f"`study show {name}` lists them.")
    trial = Trial.of(folder)
    row = trial.row
    if row.state != "complete":
        word = "not finished" if row.state == "running" else row.state
        raise InputError(f"trial {number} is {word}", where=name, fix="Take a complete one.")
    return TrainedModel(name, number, trial, row.value, row.overrides, None)


def register(trained: TrainedModel, settings: Settings, model: str) -> tuple[Version, bool]:
    """Make a version of a registered model; the same training is registered once.

    Args:
        trained: the model.
        settings: where the registry is.
        model: its name.

    Returns:
        The version, and whether it is new.

    Raises:
        InputError: a training of a person's own, of which only they know how its network is built.
        StudyError: the weights are not there, or the network cannot be carried away.
        PlaceError: the registry cannot be reached.

    """
    definition = trained.journal.definition() or {}
    recipe_type = recipe_class(definition["recipe_type"], definition["recipe"])
    if definition["train"] != OUR_TRAIN or not issubclass(recipe_type, Recipe):
        what = "it has a training of its own (train=), so its network cannot be built from the recipe"
        fix = "Register it with MLflow directly, with the weights in its folder."
        raise InputError(what, where=trained.study, fix=fix)
    training = trained.training
    weights = _weights(training)
    recipe = recipe_type.model_validate(training.recipe)
    facts = _facts(trained, settings, fingerprint(recipe), sha256(weights.read_bytes()).hexdigest())
    registry = tracking.open_registry(settings)
    for version in registry.versions(model):
        if _identity(version.tags) == (facts.uid, facts.weights_sha256):
            return version, False
    pack = same_data(training.about.get("data") or {}, where=trained.study)
    run = tracking.run_of(settings, trained.journal.folder.name, training.number)
    from study.engine.export import export  # noqa: PLC0415 - torch
    from study.tracking.registry import Package  # noqa: PLC0415 - mlflow

    with tempfile.TemporaryDirectory() as folder:
        files = export(recipe, weights, Path(folder), training.history.device or "cpu")
        facts = replace(facts, classes=files.classes, columns=files.columns, task=files.task, kind=pack.kind)
        package = Package(
            files.code, files.data, files.requirements, files.example, files.classes, files.levels, files.task
        )
        card = markdown(facts, model, files.requirements, files.own)
        return registry.add(model, run, package, tags(facts), card), True


def _weights(training: Trial) -> Path:
    from study.engine.export import judged_weights  # noqa: PLC0415 - torch

    return judged_weights(training.folder.last, training.folder.best, len(training.history.epochs))


def _facts(trained: TrainedModel, settings: Settings, recipe_fingerprint: str, weights_sha256: str) -> Facts:
    training = trained.training
    metric = results.metric_of(Journal(settings.study_folder(trained.study)))
    return Facts(
        study=trained.study,
        trial=trained.trial,
        made_by=f"{trained.journal.folder.name} trial {training.number}",
        uid=training.about["uid"],
        question=trained.question,
        metric=metric,
        search_value=trained.search_value,
        score=trained.score,
        failed=trained.failed,
        score_new=trained.score_new,
        own_score=(training.history.evaluation.get("test") or {}).get(metric.measure),
        recipe=training.recipe,
        fingerprint=recipe_fingerprint,
        overrides=trained.overrides,
        about=training.about,
        weights_sha256=weights_sha256,
    )


def _identity(known: Mapping[str, str]) -> tuple[str | None, str | None]:
    return known.get("study.uid"), known.get("study.weights_sha256")


def same_data(known: Mapping[str, Any], where: str) -> Pack:
    """Get the data set that something was trained on.

    Raises:
        DataError: it cannot be had, or is another one here.

    """
    from study.engine.sources import ensure  # noqa: PLC0415 - torchvision

    pack = ensure(known["name"])
    if pack.sha256 != known["sha256"]:
        raise DataError(f"the data set {pack.name} here differs from the one that it was trained on", where=where,
                        fix=f"Restore that one: its sha256 is {known['sha256'][:12]}….")  # fmt: skip
    return pack
