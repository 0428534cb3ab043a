"""Many trials told in one transaction are in Optuna's database as if Optuna had been told of each."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import optuna
import pytest
import sqlalchemy
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from study.sampling import bulk, storage

SPACE = {
    "lr": FloatDistribution(1e-4, 1.0, log=True),
    "layers": IntDistribution(1, 9),
    "loss": CategoricalDistribution(("mse", None, 3)),
}
BEGAN = datetime(2026, 11, 29, 12, 30, 15, 250_000)  # noqa: DTZ001 - Optuna keeps local time


def trial(state=TrialState.RUNNING, value=None, values=(), **attributes):
    made = create_trial(
        state=state, value=value, params={"lr": 0.1, "layers": 4, "loss": None}, distributions=SPACE,
        user_attrs=attributes, intermediate_values=dict(enumerate(values, 1)),
    )  # fmt: skip
    made.datetime_start = BEGAN
    if state.is_finished():
        made.datetime_complete = BEGAN + timedelta(hours=1)
    return made


NEW = [
    trial(uid="a", values=[0.1, 0.2]),
    trial(TrialState.COMPLETE, 0.5, [0.4, 0.5], uid="b", overrides={"lr": 0.1}, variant="fast"),
    trial(TrialState.COMPLETE, math.inf, [math.nan, -math.inf], uid="c"),
    trial(TrialState.PRUNED, 0.1, [0.1], uid="d", reason="median pruner"),
    trial(TrialState.FAIL, uid="e", reason="boom"),
]
ENDED = [(TrialState.COMPLETE, 0.7), (TrialState.PRUNED, None), (TrialState.FAIL, None)]


@pytest.fixture
def database(tmp_path):
    with storage.opened(f"sqlite:///{tmp_path}/o.db") as made:
        yield made


def stored(database, study):
    """Every row of the study's trials but the ids, and when they ended if that is now."""
    found = []
    for each in database.get_all_trials(study):
        ended = each.datetime_complete
        is_now = ended is not None and abs(ended - datetime.now()) < timedelta(minutes=5)  # noqa: DTZ005
        about = (each.number, each.state, each.params, each.distributions, each.user_attrs, each.system_attrs)
        found.append(repr((*about, each.values, each.intermediate_values, each.datetime_start, is_now or ended)))
    return found


def test_they_are_as_optuna_writes_them(database):
    ours, theirs = (database.create_new_study([StudyDirection.MAXIMIZE], name) for name in ("ours", "theirs"))
    database.create_new_trial(ours, trial(uid="first"))
    bulk.tell(database, ours, NEW, [])
    running = bulk.tell(database, ours, [trial(uid=f"r{index}", values=[0.3]) for index in range(len(ENDED) + 1)], [])
    more = [
        bulk.More(number, {"audited": 2}, {2: 0.6, 3: 0.7}, trial(state, value) if state else None)
        for number, (state, value) in zip(running, [*ENDED, (None, None)], strict=True)
    ]
    assert bulk.tell(database, ours, [], more) == []

    for each in [trial(uid="first"), *NEW]:
        database.create_new_trial(theirs, each)
    for index, (state, value) in enumerate([*ENDED, (None, None)]):
        number = database.create_new_trial(theirs, trial(uid=f"r{index}", values=[0.3]))
        database.set_trial_user_attr(number, "audited", 2)
        database.set_trial_intermediate_value(number, 2, 0.6)
        database.set_trial_intermediate_value(number, 3, 0.7)
        if state:
            database.set_trial_state_values(number, state, None if value is None else [value])
    assert stored(database, ours) == stored(database, theirs)


def test_a_trial_that_has_ended_there_leaves_everything_unwritten(database):
    study = database.create_new_study([StudyDirection.MAXIMIZE], "some")
    first, second = bulk.tell(database, study, [trial(uid="a"), trial(uid="b")], [])
    database.set_trial_state_values(second, TrialState.FAIL)
    before = stored(database, study)
    ended = trial(TrialState.COMPLETE, 0.5)
    with pytest.raises(bulk.Gone):
        bulk.tell(database, study, [trial(uid="c")], [bulk.More(first, {}, {1: 0.1}), bulk.More(second, {}, {}, ended)])
    assert stored(database, study) == before


def test_it_is_one_transaction(database):
    study = database.create_new_study([StudyDirection.MAXIMIZE], "some")
    running = bulk.tell(database, study, [trial(uid=f"r{index}") for index in range(20)], [])
    commits = []
    sqlalchemy.event.listen(database.engine, "commit", commits.append)
    bulk.tell(database, study, NEW, [bulk.More(number, {}, {1: 0.1}, trial(*ENDED[0])) for number in running])
    assert len(commits) == 1
    assert len(optuna.load_study(study_name="some", storage=database).trials) == 25
