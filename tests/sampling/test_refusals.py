"""What a database refuses is left out and named, and all else is told: on SQLite and on PostgreSQL."""

from __future__ import annotations

import math

import optuna
import pytest
from optuna.distributions import FloatDistribution, distribution_to_json

from study.record.journal import Journal
from study.sampling import storage
from study.sampling.teller import Teller

HARD = {"a lone surrogate": "x\udcff", "NUL": "x\0y", "too long": "x" * 3000}


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "s")


def make(journal, number, *, parameter="lr", state="complete", value=0.5, reason="", variant=None):
    about = {
        "uid": f"u{number}", "created": 1.7e9, "variant": variant, "overrides": {parameter: 0.1}, "metric": "score",
        "params": {parameter: 0.1, "good": 0.2}, "distributions": {
            name: distribution_to_json(FloatDistribution(0.0, 1.0)) for name in (parameter, "good")
        },
    }  # fmt: skip
    folder = journal.create(number, "{}", about)
    folder.append("epoch", number=1, metrics={"score": 0.5}, seconds=1.0)
    folder.append("ended", state=state, value=value, reason=reason, evaluation=None)


def lines(teller):
    found = []
    while not teller.refused.empty():
        found.append(teller.refused.get())
    return found


@pytest.mark.parametrize("name", HARD.values(), ids=HARD.keys())
def test_a_parameter_that_the_database_refuses_is_named_and_the_rest_of_its_trial_is_told(database, journal, name):
    make(journal, 0, parameter=name)
    make(journal, 1)
    teller = Teller(journal, database, "s", "maximize")
    teller.tell()
    said = lines(teller)
    first, second = optuna.load_study(study_name="s", storage=database).trials
    assert (first.state.name, first.value, first.params["good"]) == ("COMPLETE", 0.5, 0.2)
    assert (first.user_attrs["uid"], first.intermediate_values) == ("u0", {1: 0.5})
    assert second.params == {"lr": 0.1, "good": 0.2}
    assert len(said) == (name not in first.params)
    assert all(line.startswith(f"Optuna refuses the parameter {name[:80]!r} of trial 0: ") for line in said)
    assert (teller.pending(), teller.tell(), lines(teller)) == (0, 0, [])
    assert Teller(journal, database, "s", "maximize").tell() == 0


def test_a_parameter_is_refused_by_each_database_at_least_once(database, journal):
    make(journal, 0, parameter=HARD["a lone surrogate"])
    teller = Teller(journal, database, "s", "maximize")
    teller.tell()
    assert len(lines(teller)) == 1


@pytest.mark.parametrize("text", HARD.values(), ids=HARD.keys())
def test_a_reason_or_a_variant_may_be_any_text(database, journal, text):
    make(journal, 0, state="failed", reason=100 * text, variant=text)
    teller = Teller(journal, database, "s", "maximize")
    teller.tell()
    (trial,) = optuna.load_study(study_name="s", storage=database).trials
    assert (trial.state.name, trial.user_attrs["reason"], trial.user_attrs["variant"]) == ("FAIL", 100 * text, text)
    assert lines(teller) == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_bars_nobody_from_the_study(database, journal, value):
    make(journal, 0, value=value)
    make(journal, 1)
    Teller(journal, database, "s", "maximize").tell()
    first, second = optuna.load_study(study_name="s", storage=database).trials
    assert first.value == value or (math.isnan(value) and first.state.name == "FAIL")
    assert second.value == 0.5


def test_a_trial_that_ends_before_it_starts_ends_as_it_starts(database, journal, monkeypatch):
    monkeypatch.setattr("study.record.journal.time.time", lambda: 1.6e9)
    make(journal, 0)
    Teller(journal, database, "s", "maximize").tell()
    (trial,) = optuna.load_study(study_name="s", storage=database).trials
    assert trial.datetime_complete == trial.datetime_start


def test_a_missing_table_is_no_refusal(database):
    with database.engine.connect() as connection:
        with pytest.raises(storage.DATABASE_ERRORS) as caught:
            connection.exec_driver_sql("SELECT * FROM nowhere")
        with pytest.raises(storage.DATABASE_ERRORS):
            storage.require_refusal(caught.value)
