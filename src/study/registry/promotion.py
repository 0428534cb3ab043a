"""The gate in front of the alias `champion`: who would become it meets the present one on the same test examples.

It must be shown to be no worse by more than a margin, and no worse by more than that than the first champion on these
data: a chain of promotions, each worse by a little, ends there.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from study import tracking
from study.errors import InputError, StudyError, Undecided
from study.formatting import number
from study.metric import Metric
from study.record.journal import Journal
from study.registry.described import Promotion, Rollback, in_words

if TYPE_CHECKING:
    import numpy as np

    from study.registry.described import Met
    from study.settings import Settings
    from study.tracking.registry import Registry, Version

OF_SPREAD = 0.01  # of the standard deviation of the numbers to predict: the usual margin of their errors
FORCE = "--force --reason TEXT promotes it anyway."


def promote(settings: Settings, model: str, number: int | None = None, margin: float | None = None) -> Promotion:
    """Make a version champion if it is shown to be no worse than the present and the first one on the same test data.

    Args:
        settings: where the registry is.
        model: its name.
        number: of the version; None is the newest.
        margin: the loss that does not matter, above 0: of accuracy, below 1, or in the unit of the numbers. None is
            half a point of accuracy, of labels half a point of those that are right, and of numbers a hundredth of
            their standard deviation over the test examples.

    Raises:
        InputError: no such model or version, one of other data, data that is not here, or no such margin.
        Undecided: there are too few test examples to tell.
        StudyError: it is worse; says by how much.

    """
    if margin is not None and not 0 < margin < math.inf:
        raise InputError(f"--margin must be above 0, not {margin:g}", fix="Half a point of accuracy is 0.005.")
    registry = reach(settings)
    candidate, champion = _version(registry, model, number), champion_of(registry, model)
    if champion is None or champion.number == candidate.number:
        if champion is None:
            _set_champion(registry, candidate, "the first champion")
        return Promotion(candidate, champion, None, None)
    if candidate.tags.get("study.data_sha256", "") != champion.tags.get("study.data_sha256"):
        one, other = (f"version {each.number} ({each.tags.get('study.data')})" for each in (candidate, champion))
        what = f"{one} was trained on other data than the champion, {other}, so their figures cannot be compared"
        raise InputError(what, where=model, fix=FORCE)
    first = _first(registry, candidate, champion)
    _record_look(settings, candidate, champion, *([first] if first else []))
    of_champion, *of_first = _meet(registry, margin, candidate, champion, *([first] if first else []))
    _require_no_worse(candidate, champion, "the champion", of_champion)
    if first:
        _require_no_worse(candidate, first, "the first champion", of_first[0])
    _set_champion(registry, candidate, f"no worse than version {champion.number}: {in_words(of_champion)}")
    return Promotion(candidate, champion, of_champion, of_first[0] if first else None)


def _require_no_worse(candidate: Version, other: Version, named: str, found: Met) -> None:
    """Raises Undecided or StudyError."""
    from study.stats.errors import PairedErrors  # noqa: PLC0415 - SciPy

    if found.answer == "no worse":
        return
    if found.answer == "worse":
        what = f"version {candidate.number} is worse than {named}, version {other.number}: {in_words(found)}"
        raise StudyError(what, where=candidate.model, fix=f"Not promoted; {FORCE}")
    if isinstance(found, PairedErrors):
        points, smallest = number(found.margin), number(found.high)
    else:
        points, smallest = f"{100 * found.margin:g} points", f"{-100 * found.interval.low:.2f} points"
    what = (
        f"too few test examples to tell whether version {candidate.number} is no more than {points} worse than "
        f"{named}, version {other.number}: {in_words(found)}"
    )
    shown = f"They can show a margin of {smallest} (--margin)"
    raise Undecided(what, where=candidate.model, fix=f"Not promoted. {shown}; {FORCE}")


def _first(registry: Registry, candidate: Version, champion: Version) -> Version | None:
    """Find the first champion of the same data; None if that is the present one or the candidate itself."""
    versions = {each.number: each for each in registry.versions(candidate.model)}
    past = [versions[number] for number in registry.champions(candidate.model) if number in versions]
    sha256 = candidate.tags.get("study.data_sha256", "")
    first = next((each for each in past if each.tags.get("study.data_sha256") == sha256), None)
    return first if first and first.number not in {candidate.number, champion.number} else None


def force(settings: Settings, model: str, number: int | None, reason: str) -> Promotion:
    """Make a version champion without a test; the reason is recorded with it. Raises as `promote`."""
    registry = reach(settings)
    candidate, champion = _version(registry, model, number), champion_of(registry, model)
    if champion is None or champion.number != candidate.number:
        _set_champion(registry, candidate, f"forced: {reason}")
    return Promotion(candidate, champion, None, None)


def rollback(settings: Settings, model: str) -> Rollback:
    """Make the previous champion the champion again.

    Raises:
        InputError: no such model, or there is none before.

    """
    registry = reach(settings)
    versions = {version.number: version for version in _versions(registry, model)}
    past = registry.champions(model)
    before = [number for number in past[:-1] if number != past[-1]]
    if not before:
        what = "there is no previous champion" if past else "there is no champion"
        raise InputError(what, where=model, fix=f"`study models {model}` lists its versions.")
    registry.set_champion(model, before, _now(), f"rollback from version {past[-1]}")
    return Rollback(versions[before[-1]], versions[past[-1]], None, None)


def reach(settings: Settings) -> Registry:
    """Reach the registry, which is to hold models already.

    Raises:
        InputError: there is none yet.
        PlaceError: it cannot be reached.

    """
    if not tracking.is_made(settings):
        fix = "`study register NAME` makes the first one."
        raise InputError("no model is registered yet", where=f"MLflow at {tracking.server_name(settings)}", fix=fix)
    return tracking.open_registry(settings)


def listed(settings: Settings, model: str | None = None) -> list[Version]:
    """List the versions of a model, or of all models that were made of studies, oldest first.

    Raises:
        InputError: no such model.

    """
    if model is None and not tracking.is_made(settings):
        return []
    registry = reach(settings)
    if model is not None:
        return _versions(registry, model)
    return [version for each in registry.models() for version in registry.versions(each)]


def chosen(registry: Registry, model: str, number: int | None) -> Version:
    """Find the version to predict with: that of the number, else the champion.

    Raises:
        InputError: no such model or version, or no champion.

    """
    if number is not None:
        return _version(registry, model, number)
    _versions(registry, model)
    champion = champion_of(registry, model)
    if champion is None:
        raise InputError("there is no champion", where=model,
                         fix=f"`study promote {model}` makes one; --version N takes any version.")  # fmt: skip
    return champion


def champion_of(registry: Registry, model: str) -> Version | None:
    """Find the present champion."""
    return next((each for each in registry.versions(model) if "champion" in each.aliases), None)


def _versions(registry: Registry, model: str) -> list[Version]:
    versions = registry.versions(model)
    if not versions:
        there = ", ".join(registry.models()) or "none"
        fix = f"There are: {there}. `study register {model}` makes one."
        raise InputError(f"no registered model {model!r}", where=f"MLflow at {registry.server}", fix=fix)
    return versions


def _version(registry: Registry, model: str, number: int | None) -> Version:
    versions = _versions(registry, model)
    found = versions[-1] if number is None else next((each for each in versions if each.number == number), None)
    if found is None:
        there = ", ".join(str(each.number) for each in versions)
        raise InputError(f"there is no version {number}", where=model, fix=f"There are: {there}.")
    return found


def _set_champion(registry: Registry, version: Version, reason: str) -> None:
    past = [number for number in registry.champions(version.model) if number != version.number]
    registry.set_champion(version.model, [*past, version.number], _now(), reason)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def _record_look(settings: Settings, *versions: Version) -> None:
    """Write the look at the test split down where looks are kept, if the study is here."""
    journal = Journal(settings.study_folder(versions[0].tags["study"]))
    if journal.definition() is not None:
        recipes = sorted(
            {version.tags.get("study.recipe_fingerprint", version.tags["study.uid"]) for version in versions}
        )
        from study.questions import replicates  # noqa: PLC0415 - Optuna

        journal.record_opening(replicates.opening(journal.folder.name, recipes, 1))


def _meet(registry: Registry, margin: float | None, candidate: Version, *others: Version) -> list[Met]:
    """Let versions predict the same test examples; compares the candidate with each of the others."""
    from study.stats import errors, noninferiority  # noqa: PLC0415 - SciPy

    examples, true = _test_examples(candidate)
    if true.dtype.kind == "f":
        name = str(candidate.tags.get("study.metric", ""))
        measure, usual = "mae" if Metric(name, "minimize").measure == "mae" else "rmse", OF_SPREAD * float(true.std())
        one = _errors(registry, candidate, examples, true)
        return [
            errors.compare(one, _errors(registry, each, examples, true), measure, margin or usual) for each in others
        ]
    if margin is not None and margin >= 1:
        fix = "An accuracy lies between 0 and 1: half a point is --margin 0.005."
        raise InputError(f"--margin must be above 0 and below 1, not {margin:g}", where=candidate.model, fix=fix)
    points = margin or noninferiority.MARGIN
    if true.ndim == 2:
        one = _errors(registry, candidate, examples, true)
        return [errors.compare(one, _errors(registry, each, examples, true), "wrong", points) for each in others]
    right = _labels(registry, candidate, examples) == true
    return [noninferiority.compare(right, _labels(registry, each, examples) == true, points) for each in others]


def _labels(registry: Registry, version: Version, examples: Any) -> np.ndarray:
    return registry.load(version).predict(examples)["label"].to_numpy(dtype=str)


def _errors(registry: Registry, version: Version, examples: Any, true: np.ndarray) -> np.ndarray:
    """Compute the absolute error of each example; for several labels the share that is wrong."""
    found = registry.load(version).predict(examples).to_numpy(dtype=float)
    return ((found > 0.5) != true).mean(1) if true.ndim == 2 else abs(found[:, 0] - true)


def _test_examples(version: Version) -> tuple[Any, np.ndarray]:
    """Read the raw test examples of a version's data set, and their classes by name, numbers, or labels as 0 and 1."""
    import numpy as np  # noqa: PLC0415 - only where something is promoted

    from study.data import packed  # noqa: PLC0415 - as above
    from study.engine.export import raw  # noqa: PLC0415 - torch
    from study.registry.registration import same_data  # noqa: PLC0415 - Optuna

    known = {"name": version.tags["study.data"], "sha256": version.tags["study.data_sha256"]}
    pack = same_data(known, where=f"{version.model}, version {version.number}")
    arrays = packed.read(pack)
    true = arrays["test_y"]
    if pack.task == "classification":
        true = np.asarray(pack.classes, dtype=str)[true]
    return raw(pack, arrays["train_x"], arrays["test_x"]), true
