"""The calls about registered models: register, promote, roll back, list, predict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from study.errors import InputError
from study.record import family, studies
from study.settings import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.registry.described import Models, Promotion, Registered, Rollback
    from study.registry.prediction import Predictions

# The registry loads MLflow and torch, so each call imports it.


def register(
    name: str,
    *,
    trial: int | None = None,
    model: str | None = None,
    home: str | Path | None = None,
    tracking_uri: str | None = None,
) -> Registered:
    """Register a study's confirmed winner, or a trial, as a version of a model; the same training is registered once.

    Args:
        name: of the study.
        trial: number of a trial of the search, marked unconfirmed; None is the confirmed winner.
        model: name of the model; None is the study's.
        home: folder of results; `STUDY_HOME`, else `mlruns`.
        tracking_uri: MLflow's; `MLFLOW_TRACKING_URI`, else SQLite in `home`.

    Raises:
        InputError: no such study or trial, not confirmed, or a training of a person's own.
        StudyError: the weights are missing.
        PlaceError: the registry cannot be reached.

    """
    places = resolve(home, None, tracking_uri)
    journal = family.find(name, places.home)
    from study.registry import registration  # noqa: PLC0415 - see above
    from study.registry.described import Registered  # noqa: PLC0415 - see above

    named = registration.checked_name(model, "--name") if model else registration.model_of(name)
    if trial is None:
        trained_model = registration.confirmed(family.Family(name, places.home).as_confirmed(), places)
    else:
        trained_model = registration.unconfirmed(journal, trial)
    version, is_new = registration.register(replace(trained_model, question=studies.describe(journal)), places, named)
    return Registered(version, is_new)


def promote(
    name: str,
    version: int | None = None,
    *,
    force: bool = False,
    reason: str | None = None,
    margin: float | None = None,
    home: str | Path | None = None,
    tracking_uri: str | None = None,
) -> Promotion:
    """Make a version the champion if it is shown to be no worse than the current and the first one on the test data.

    Args:
        name: of the model.
        version: its number; None is the newest.
        force: promote without the test.
        reason: why it is forced; kept with the model.
        margin: the loss that does not matter, above 0: of accuracy, or in the unit of the numbers that are predicted.
            None is half a point, of numbers a hundredth of their standard deviation.
        home: as in `register`.
        tracking_uri: as in `register`.

    Raises:
        InputError: no such model or version, one of other data, or `force` without `reason`.
        Undecided: there are too few test examples to tell.
        StudyError: it is worse; says by how much.

    """
    because = (reason or "").strip()
    if force != bool(because):
        what = "--force needs a reason" if force else "--reason is only for --force"
        raise InputError(what, where="study promote", fix="Give both: --force --reason TEXT.")
    from study.registry import promotion, registration  # noqa: PLC0415 - see above

    places, model = resolve(home, None, tracking_uri), registration.model_of(name)
    if force:
        return promotion.force(places, model, version, because)
    return promotion.promote(places, model, version, margin)


def rollback(name: str, *, home: str | Path | None = None, tracking_uri: str | None = None) -> Rollback:
    """Make the previous champion the champion again; repeat it to go further back.

    Args:
        name: of the model.
        home: as in `register`.
        tracking_uri: as in `register`.

    Raises:
        InputError: no such model, or no champion before.

    """
    from study.registry import promotion, registration  # noqa: PLC0415 - see above

    return promotion.rollback(resolve(home, None, tracking_uri), registration.model_of(name))


def models(name: str | None = None, *, home: str | Path | None = None, tracking_uri: str | None = None) -> Models:
    """List the versions of a model, or of all models, oldest first.

    Args:
        name: of the model; None is all.
        home: as in `register`.
        tracking_uri: as in `register`.

    Raises:
        InputError: no such model.
        PlaceError: the registry cannot be reached.

    """
    from study.registry import promotion, registration  # noqa: PLC0415 - see above
    from study.registry.described import Models, described  # noqa: PLC0415 - see above

    model = registration.model_of(name) if name else None
    return Models([described(each) for each in promotion.listed(resolve(home, None, tracking_uri), model)])


def predict(
    name: str,
    inputs: str | Path | Sequence[str | Path],
    *,
    version: int | None = None,
    resize: bool = False,
    home: str | Path | None = None,
    tracking_uri: str | None = None,
) -> Predictions:
    """Predict labels and probabilities with the champion.

    Args:
        name: of the model.
        inputs: images, folders of them, or one table (.csv, .parquet).
        version: number of another version.
        resize: cut and scale images of another size.
        home: as in `register`.
        tracking_uri: as in `register`.

    Raises:
        InputError: no such model or version, no champion, or inputs that do not fit it.

    """
    from study.registry import prediction, registration  # noqa: PLC0415 - see above

    paths = [Path(each) for each in ([inputs] if isinstance(inputs, str | Path) else inputs)]
    model = registration.model_of(name)
    return prediction.predict(resolve(home, None, tracking_uri), model, paths, version, resize=resize)
