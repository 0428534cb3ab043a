"""What Optuna's database still tells of trials whose folders are damaged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optuna.distributions import distribution_to_json

from study.sampling.storage import STATES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optuna.storages import RDBStorage

NAMES = {theirs: ours for ours, theirs in STATES.items()}


@dataclass(frozen=True, slots=True)
class Copy:
    """A trial in Optuna's database.

    Args:
        number: there.
        state: complete, pruned or failed; None while it is running.
        value: its objective.
        reason: why it was pruned or failed.
        values: the objective after each epoch, by number.
        about: those fields of `trial.json` that Optuna has.
        ended: when it ended, in seconds since 1970; None while it is running.

    """

    number: int
    state: str | None
    value: float | None
    reason: str
    values: Mapping[int, float]
    about: Mapping[str, Any]
    ended: float | None


def of(database: RDBStorage, name: str) -> dict[str, Copy]:
    """Read the trials of a study, by uid; empty if the database does not know it."""
    try:
        study = database.get_study_id_from_name(name)
    except KeyError:
        return {}
    found: dict[str, Copy] = {}
    for trial in database.get_all_trials(study, deepcopy=False):
        attributes = trial.user_attrs
        if uid := attributes.get("uid"):
            about = {
                "uid": uid,
                "variant": attributes.get("variant"),
                "overrides": attributes.get("overrides", {}),
                "params": dict(trial.params),
                "distributions": {each: distribution_to_json(of) for each, of in trial.distributions.items()},
                "created": trial.datetime_start.timestamp() if trial.datetime_start else None,
            }
            ended = trial.datetime_complete.timestamp() if trial.datetime_complete else None
            state, value = NAMES.get(trial.state), trial.value
            values = dict(trial.intermediate_values)
            found[uid] = Copy(trial.number, state, value, attributes.get("reason", ""), values, about, ended)
    return found
