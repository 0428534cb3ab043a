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
from study.registry.card import Facts, markdown, tags
from study.stored_recipe import recipe_class

if TYPE_CHECKING:
    from collections.abc import Mapping

    from study.data.packed import Pack
    from study.record.journal import TrialFolder
    from study.settings import Settings
    from study.stats.intervals import Mean
    from study.tracking.registry import Version


@dataclass(frozen=True, slots=True)
class Candidate:
    """A finished training that can be registered.

    Args:
        study: the search's name.
        trial: its number in the search.
        folder: of the training whose weights are taken.
        search_value: what the search saw of it.
        overrides: the knobs in which it differs from the study's recipe.
        score: on the test split over fresh seeds; None if unconfirmed.
        question: what the study is about, one line.

    """

    study: str
    trial: int
    folder: TrialFolder
    search_value: float | None
    overrides: Mapping[str, Any]
    score: Mean | None
    question: str = ""

    @property
    def journal(self) -> Journal:
        """The journal that the training is in: the search's, or that of the final seeds."""
        return Journal(self.folder.path.parents[1])


def model_of(name: str) -> str:
    """Name a study's registered model: MLflow reads what follows an @ as an alias."""
    return name.replace("@", "-")


def checked_name(model: str) -> str:
    """Let a name pass that MLflow can load a version by.

    Raises:
        InputError: it cannot.

    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]*", model, re.ASCII):
        raise InputError(
            f"not a name for a model: {model!r}", where="--name", fix="Use letters, digits and . _ - + only."
        )
    return model


def confirmed(study: Study, settings: Settings) -> Candidate:
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
    folders = [finals.trial(number) for number in found.score.trials]
    folder = next((each for each in folders if results.row(each, results.metric_of(finals)).state == "complete"), None)
    if folder is None:
        raise InputError("its confirmed winner diverged on every final seed", where=study.name)
    return Candidate(study.name, winner.trial, folder, winner.search_value, winner.settings, found.score.mean)


def unconfirmed(journal: Journal, number: int) -> Candidate:
    """Take a trial of the search as it is.

    Raises:
        InputError: there is no such trial, or it is not complete.

    """
    name, folder = journal.folder.name, journal.trial(number)
    if not folder.path.is_dir():
        raise InputError(f"there is no trial {number}", where=name, fix=f"`study show {name}` lists them.")
    row = results.row(folder, results.metric_of(journal))
    if row.state != "complete":
        word = "not finished" if row.state == "running" else row.state
        raise InputError(f"trial {number} is {word}", where=name, fix="Take a complete one.")
    return Candidate(name, number, folder, row.value, row.overrides, None)


def register(candidate: Candidate, settings: Settings, model: str) -> tuple[Version, bool]:
    """Make a version of a registered model; the same training is registered once.

    Args:
        candidate: the training.
        settings: where the registry is.
        model: its name.

    Returns:
        The version, and whether it is new.

    Raises:
        InputError: a training of a person's own, of which only they know how its network is built.
        StudyError: the weights are not there, or the network cannot be carried away.
        PlaceError: the registry cannot be reached.

    """
    definition = candidate.journal.definition() or {}
    recipe_type = recipe_class(definition["recipe_type"], definition["recipe"])
    if definition["train"] != OUR_TRAIN or not issubclass(recipe_type, Recipe):
        what = "it has a training of its own (train=), so its network cannot be built from the recipe"
        raise InputError(
            what, where=candidate.study, fix="Register it with MLflow directly, with the weights in its folder."
        )
    weights = _weights(candidate.folder)
    recipe = recipe_type.model_validate(candidate.folder.recipe())
    facts = _facts(candidate, settings, fingerprint(recipe), sha256(weights.read_bytes()).hexdigest())
    registry = tracking.open_registry(settings)
    for version in registry.versions(model):
        if _identity(version.tags) == (facts.uid, facts.weights_sha256):
            return version, False
    same_data(candidate.folder.about().get("data") or {}, where=candidate.study)
    run = tracking.run_of(settings, candidate.journal.folder.name, candidate.folder.number)
    from study.engine.export import export  # noqa: PLC0415 - torch
    from study.tracking.registry import Package  # noqa: PLC0415 - mlflow

    with tempfile.TemporaryDirectory() as folder:
        files = export(recipe, weights, Path(folder), (candidate.folder.history().devices or ["cpu"])[-1])
        facts = replace(facts, classes=files.classes, columns=files.columns)
        package = Package(files.code, files.data, files.requirements, files.example, files.classes)
        card = markdown(facts, model, files.requirements, files.own)
        return registry.add(model, run, package, tags(facts), card), True


def _weights(folder: TrialFolder) -> Path:
    from study.engine.export import judged_weights  # noqa: PLC0415 - torch

    return judged_weights(folder.last, folder.best, len(folder.history().epochs))


def _facts(candidate: Candidate, settings: Settings, recipe_fingerprint: str, weights_sha256: str) -> Facts:
    about, history = candidate.folder.about(), candidate.folder.history()
    evaluation = (history.ended.evaluation if history.ended else None) or {}
    return Facts(
        study=candidate.study,
        trial=candidate.trial,
        made_by=f"{candidate.journal.folder.name} trial {candidate.folder.number}",
        uid=about["uid"],
        question=candidate.question,
        metric=results.metric_of(Journal(settings.study_folder(candidate.study))),
        search_value=candidate.search_value,
        score=candidate.score,
        own_score=(evaluation.get("test") or {}).get("accuracy"),
        recipe=candidate.folder.recipe(),
        fingerprint=recipe_fingerprint,
        overrides=candidate.overrides,
        about=about,
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
