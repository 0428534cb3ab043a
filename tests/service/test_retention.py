"""`study gc`: what is old goes, what is evidence stays, and nothing goes in a dry run."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from study import settings
from study.errors import InputError
from study.schemas.service import Submitted
from study.service import people, queue, retention, store, tables
from tests.service.conftest import ADMIN, PASSWORD

DAY = 86400


def weights(home):
    return sorted(file.relative_to(home).as_posix() for file in Path(home).rglob("*.safetensors"))


def listed(home="mlruns"):
    """All that is in a home but for the databases, which SQLite touches as it reads them."""
    return {file: file.stat().st_size for file in Path(home).rglob("*") if file.is_file() and ".db" not in file.name}


@pytest.fixture
def old(made):
    """The study `made`, with weights of each trial, all ended but the last; trial 2 is the best."""
    for trial in made.trials():
        trial.best.write_bytes(b"x" * 100)
    return made


def test_old_weights_go_but_for_the_best_ones_and_those_of_what_runs(study, old):
    before = listed()
    words = ("gc", "--weights-days", "0", "--best", "2")
    assert study(*words, "--dry-run", "--json").json == {
        "trials": {"made": 4}, "kept": {}, "messages": 0, "events": 0, "bytes": 400,
    }  # fmt: skip
    assert listed() == before
    refused = study(*words)
    assert (refused.code, listed()) == (2, before)
    assert study("gc", "--yes").code == 0
    assert listed() == before  # nothing is as old as thirty days
    assert study(*words, "--yes").code == 0
    assert [trial.number for trial in old.trials() if trial.best.exists()] == [1, 2, 6]
    assert {file for file in before if file.suffix != ".safetensors"} <= listed().keys()
    assert study("show", "made").code == 0
    assert study("doctor", "--json").json is not None


@pytest.mark.parametrize("option", ["weights_days", "log_days"])
@pytest.mark.parametrize("days", [math.nan, -1.0])
def test_days_that_are_no_number_let_nothing_go(study, old, option, days):
    before, name = listed(), f"--{option.replace('_', '-')}"
    with pytest.raises(InputError, match=f"{name} must be 0 or more, not"):
        retention.find(settings.resolve(), retention.Rules(**{option: days}, best=0))
    answer = study("gc", name, days, "--best", "0", "--yes")
    assert (answer.code, listed()) == (2, before)
    assert name in answer.err


def test_the_family_of_a_registered_model_keeps_all_its_weights(study, registry_home):
    assert study("register", "little").code == 0
    assert study("promote", "little").code == 0
    before = weights("mlruns/studies")
    said = study("gc", "--weights-days", "0", "--best", "0", "--yes", "--json").json
    assert said["kept"] == {"little": "of which version 1 of little is registered, the champion"}
    assert said["trials"].keys() == {"cells"}
    gone = [path for path in before if path not in weights("mlruns/studies")]
    assert gone
    assert {path.partition("/")[0] for path in gone} == {"cells"}
    assert study("predict", "little", "--help").code == 0
    assert study("models", "--json").json[0]["aliases"] == ["champion"]


def test_a_registry_that_cannot_be_asked_lets_nothing_go(study, old):
    Path("mlruns/mlflow.db").write_bytes(b"no database")
    before = listed()
    answer = study("gc", "--weights-days", "0", "--best", "0", "--yes")
    assert answer.code != 0
    assert listed() == before


def test_old_messages_and_events_go_and_live_runs_keep_theirs(study, tmp_path):
    Path("mlruns").mkdir()
    database = store.opened(f"sqlite:///{Path('mlruns/service.db').absolute()}")
    people.accept(database, people.invite(database, "serve"), "admin", PASSWORD)
    runs = {name: queue.submit(database, ADMIN, Submitted(study=name))[0].id for name in ("over", "live", "new")}
    with database.write() as connection:
        long_ago = time.time() - 100 * DAY
        for name, ended in (("over", long_ago), ("new", time.time())):
            mine = tables.runs.c.id == runs[name]
            connection.execute(sa.update(tables.runs).where(mine).values(status="done", ended=ended))
        mine = tables.events.c.run != runs["new"]
        connection.execute(sa.update(tables.events).where(mine).values(time=long_ago))
    for run in runs.values():
        Path(f"mlruns/service/runs/{run}").mkdir(parents=True)
        Path(f"mlruns/service/runs/{run}/messages.log").write_text("said")
    assert study("gc", "--json", "--yes").json == {"trials": {}, "kept": {}, "messages": 1, "events": 1, "bytes": 4}
    assert {path.name for path in Path("mlruns/service/runs").iterdir()} == {runs["live"], runs["new"]}
    with database.read() as connection:
        assert {row.run for row in connection.execute(sa.select(tables.events))} == {runs["live"], runs["new"]}
        last = connection.execute(sa.select(tables.audit).order_by(tables.audit.c.id.desc())).first()
        assert (last.person, last.subject) == ("study gc", "1 events")
    database.close()
