"""Many trials told to Optuna's database in one transaction; its own way takes several for each trial and each epoch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy
from optuna.distributions import distribution_to_json
from optuna.storages._rdb import models  # tests/sampling/test_bulk.py compares with what Optuna writes
from sqlalchemy.orm import Session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial


@dataclass(frozen=True, slots=True)
class More:
    """What the database lacks of a trial that it has.

    Args:
        id: the trial's, in the database.
        attributes: new ones.
        values: objective by epoch, of new epochs.
        ended: the trial as it ended; None while it runs.

    """

    id: int
    attributes: Mapping[str, Any]
    values: Mapping[int, float]
    ended: FrozenTrial | None = None


class Gone(Exception):
    """A trial is not running any more in the database, or was deleted; nothing was written."""


def tell(database: RDBStorage, study: int, new: Sequence[FrozenTrial], more: Sequence[More]) -> list[int]:
    """Add trials, and what is new of others; gives the ids of the added ones.

    Args:
        database: Optuna's.
        study: the study's id.
        new: with parameters that the database has taken before, with the same distributions.
        more: of trials that run, as far as is known.

    Raises:
        Gone: one of them does not run.
        storage.ERRORS: as the database's; nothing was written.

    """
    table: Any = models.TrialModel
    with Session(database.engine) as session, session.begin():
        models.StudyModel.find_or_raise_by_id(study, session, for_update=True)  # as Optuna does for the numbers
        added: list[Any] = [
            table(
                study_id=study, number=None, state=trial.state, datetime_start=trial.datetime_start,
                datetime_complete=trial.datetime_complete,
            )
            for trial in new
        ]  # fmt: skip
        session.add_all(added)
        session.flush()
        if added:
            first = added[0].count_past_trials(session)
            for number, each in enumerate(added, first):
                each.number = number
        _end(session, [each for each in more if each.ended is not None])
        told = [(each.trial_id, trial) for each, trial in zip(added, new, strict=True)]
        _insert(session, models.TrialParamModel, [row for told_one in told for row in _params(*told_one)])
        ended = [(each.id, each.ended) for each in more if each.ended is not None]
        _insert(session, models.TrialValueModel, [row for one in [*told, *ended] for row in _value(*one)])
        attributes = [(number, trial.user_attrs) for number, trial in told]
        attributes += [(each.id, each.attributes) for each in more]
        rows = [
            {"trial_id": number, "key": key, "value_json": json.dumps(value)}
            for number, items in attributes
            for key, value in items.items()
        ]
        _insert(session, models.TrialUserAttributeModel, rows)
        values = [(number, trial.intermediate_values) for number, trial in told]
        values += [(each.id, each.values) for each in more]
        _insert(session, models.TrialIntermediateValueModel, [row for one in values for row in _epochs(*one)])
        return [number for number, _ in told]


def _insert(session: Session, model: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        session.execute(sqlalchemy.insert(model), rows)


def _params(number: int, trial: FrozenTrial) -> list[dict[str, Any]]:
    return [
        {
            "trial_id": number, "param_name": name,
            "param_value": trial.distributions[name].to_internal_repr(value),
            "distribution_json": distribution_to_json(trial.distributions[name]),
        }
        for name, value in trial.params.items()
    ]  # fmt: skip


def _value(number: int, trial: FrozenTrial) -> list[dict[str, Any]]:
    if trial.value is None:
        return []
    stored, kind = models.TrialValueModel.value_to_stored_repr(trial.value)
    return [{"trial_id": number, "objective": 0, "value": stored, "value_type": kind}]


def _epochs(number: int, values: Mapping[int, float]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for step, value in values.items():
        stored, kind = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr(value)
        found.append({"trial_id": number, "step": step, "intermediate_value": stored, "intermediate_value_type": kind})
    return found


def _end(session: Session, more: Sequence[More]) -> None:
    if not more:
        return
    named = models.TrialModel.trial_id.in_([each.id for each in more])
    found: Any = session.scalars(sqlalchemy.select(models.TrialModel).where(named))
    rows: dict[int, Any] = {row.trial_id: row for row in found}
    for each in more:
        row, trial = rows.get(each.id), each.ended
        if row is None or trial is None or row.state.name != "RUNNING":
            raise Gone
        row.state, row.datetime_complete = trial.state, datetime.now()  # noqa: DTZ005 - Optuna keeps local time
