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
    from collections.abc import Sequence

    import numpy as np

    from study.registry.described import Met
    from study.settings import Settings
    from study.stats.errors import Measure
    from study.tracking.registry import Model, Registry, Version

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
    candidate, past = _version(registry, model, number), _champions(registry, model)
    champion = past[-1] if past else None
    if champion is None or champion.number == candidate.number:
        if "champion" not in candidate.aliases:
            _set_champion(registry, candidate, "champion again" if champion else "the first champion")
        return Promotion(candidate, champion, None, None)
    if candidate.tags.get("study.data_sha256", "") != champion.tags.get("study.data_sha256"):
        one, other = (f"version {each.number} ({each.tags.get('study.data')})" for each in (candidate, champion))
        what = f"{one} was trained on other data than the champion, {other}, so their figures cannot be compared"
        raise InputError(what, where=model, fix=FORCE)
    first = _first(past, candidate)
    versions = [candidate, champion, *([first] if first else [])]
    examples, true = _test_examples(candidate)
    _require_share(candidate, margin, true)
    models = [registry.load(each) for each in versions]
    _record_look(settings, *versions)  # all is there: from here on the examples are seen
    of_champion, *of_first = _meet(candidate, models, examples, true, margin)
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
        points, bound = number(found.margin), found.high
    else:
        points, bound = f"{100 * found.margin:g} points", -found.interval.low
    what = (
        f"too few test examples to tell whether version {candidate.number} is no more than {points} worse than "
        f"{named}, version {other.number}: {in_words(found)}"
    )
    fix = f"Not promoted. They are enough for --margin {_above(bound):g}; {FORCE}"
    raise Undecided(what, where=candidate.model, fix=fix)


def _above(bound: float) -> float:
    """Find the next number of two significant digits above a positive one."""
    step = 10.0 ** (math.floor(math.log10(bound)) - 1)
    return (math.floor(bound / step + 1e-9) + 1) * step


def _champions(registry: Registry, model: str) -> list[Version]:
    """List the versions that were champions, oldest first: the last is the present one, unless that was deleted."""
    versions = {each.number: each for each in registry.versions(model)}
    return [versions[number] for number in registry.champions(model) if number in versions]


def _first(past: Sequence[Version], candidate: Version) -> Version | None:
    """Find the first champion of the same data; None if that is the last one or the candidate itself."""
    sha256 = candidate.tags.get("study.data_sha256", "")
    first = next((each for each in past if each.tags.get("study.data_sha256") == sha256), None)
    return first if first and first.number not in {candidate.number, past[-1].number} else None


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
    _versions(registry, model)
    before = _champions(registry, model)
    left = before.pop() if before and "champion" in before[-1].aliases else None
    if not before:
        what = "there is no previous champion" if left else "there is no champion"
        raise InputError(what, where=model, fix=f"`study models {model}` lists its versions.")
    reason = f"rollback from version {left.number}" if left else "rollback from a version that was deleted"
    registry.set_champion(model, [each.number for each in before], _now(), reason)
    return Rollback(before[-1], left, None, None)


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


def _require_share(candidate: Version, margin: float | None, true: np.ndarray) -> None:
    """Raises InputError: a margin of 1 or more where a share of the examples or labels is compared."""
    if margin is not None and margin >= 1 and true.dtype.kind != "f":
        fix = "An accuracy lies between 0 and 1: half a point is --margin 0.005."
        raise InputError(f"--margin must be above 0 and below 1, not {margin:g}", where=candidate.model, fix=fix)


def _meet(
    candidate: Version, models: Sequence[Model], examples: Any, true: np.ndarray, margin: float | None
) -> list[Met]:
    """Let models predict the same test examples; compares the first, the candidate, with each of the others."""
    from study.stats import errors, noninferiority  # noqa: PLC0415 - SciPy

    if true.dtype.kind == "f" or true.ndim == 2:
        measure, usual = _measure(candidate, true)
        one, *others = (_errors(each, examples, true) for each in models)
        return [errors.compare(one, each, measure, margin or usual) for each in others]
    right, *others = (each.predict(examples)["label"].to_numpy(dtype=str) == true for each in models)
    return [noninferiority.compare(right, each, margin or noninferiority.MARGIN) for each in others]


def _measure(candidate: Version, true: np.ndarray) -> tuple[Measure, float]:
    """Choose how errors are summed up, and the usual margin."""
    from study.stats import noninferiority  # noqa: PLC0415 - SciPy

    if true.dtype.kind != "f":
        return "wrong", noninferiority.MARGIN
    name = str(candidate.tags.get("study.metric", ""))
    return ("mae" if Metric(name, "minimize").measure == "mae" else "rmse"), OF_SPREAD * float(true.std())


def _errors(model: Model, examples: Any, true: np.ndarray) -> np.ndarray:
    """Compute the absolute error of each example; for several labels the share that is wrong."""
    found = model.predict(examples).to_numpy(dtype=float)
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
