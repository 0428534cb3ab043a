"""`study doctor` names each damaged file; `--repair` restores what its copies tell, or lets the trial be run again."""

from __future__ import annotations

import json
import shutil

import pytest

import study
from study.record import checked, damage
from study.record.journal import Journal
from tests.faults import records
from tests.faults.running import SMALL

TRIALS = 3


@pytest.fixture(scope="module")
def searched(tmp_path_factory, database):
    """A home in which a search has ended and MLflow has been told."""
    place = tmp_path_factory.mktemp("searched") / "home"
    place.mkdir()
    shutil.copy(database, place / "mlflow.db")
    study.run(study.load(str(SMALL)), TRIALS, home=place, executor="inline")
    assert records.differences(place, TRIALS) == []
    return place


@pytest.fixture
def home(searched, tmp_path):
    """A copy of it."""
    return shutil.copytree(searched, tmp_path / "copy")


def journal_in(home) -> Journal:
    return Journal(home / "studies" / "small")


def complete(home):
    return next(each for each in journal_in(home).trials() if each.history().ended.state == "complete")


def flip(file, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)


def looked(home, **how) -> list:
    return [each for each in study.doctor(home=home, **how) if each.check in {"results", "repair"}]


def broken(home) -> list[str]:
    return [each.found for each in looked(home) if not each.ok]


def plain(history) -> tuple:
    ended = history.ended
    return history.epochs, ended.state, ended.value, ended.reason, ended.evaluation


@pytest.mark.parametrize("name", ["study.json", "run.json", "mirror.json", "groups.json", "openings.json"])
def test_a_damaged_file_of_a_study_is_named_and_cured_after_a_copy(home, name):
    journal = journal_in(home)
    journal.store_groups({"baseline": {"mean": 0.5, "n": 1.0}})
    journal.record_opening({"time": 1.5, "command": "x", "study": "small", "recipes": [], "seeds": []})
    definition = journal.definition()
    flip(journal.folder / name, -9)
    damaged = (journal.folder / name).read_bytes()
    assert broken(home) == [f"small: {name}: damaged: its checksum does not match"]
    told = looked(home, repair=True)
    assert [each.ok for each in told] == [True, True]
    (copy,) = (home / "backups").rglob(name)
    assert copy.read_bytes() == damaged
    assert journal.definition() == definition
    assert broken(home) == []
    study.run(study.load(str(SMALL)), TRIALS, home=home, executor="inline")
    assert study.sync(home=home).ok
    assert records.differences(home, TRIALS, track=False) == []  # of MLflow's runs one is of the group


@pytest.mark.parametrize("name", ["recipe.json", "trial.json", "best.safetensors"])
def test_a_damaged_file_of_a_trial_is_restored_from_its_copies(home, name):
    trial = complete(home)
    file = trial.path / name
    before = checked.read(file) if name.endswith("json") else file.read_bytes()
    computed = records.computed(home)
    flip(file, file.stat().st_size // 2)
    (line,) = broken(home)
    assert line.startswith(f"small: trial {trial.number}, {name}: damaged")
    assert [each.ok for each in looked(home, repair=True)] == [True, True]
    after = checked.read(file) if name.endswith("json") else file.read_bytes()
    if name == "trial.json":  # Optuna has the time to the microsecond
        assert after.pop("created") == pytest.approx(before.pop("created"), abs=1e-5)
    assert after == before
    assert records.computed(home) == computed


@pytest.mark.parametrize("line", ["an epoch", "the end", "both"])
def test_damaged_lines_of_a_log_are_restored_from_their_copies(home, line):
    trial = complete(home)
    before, lines = trial.history(), trial.log.read_bytes().split(b"\n")
    for each in {"an epoch": [1], "the end": [-2], "both": [2, -2]}[line]:
        lines[each] = lines[each].replace(b"0.", b"7.", 1)
    trial.log.write_bytes(b"\n".join(lines))
    assert f"trial {trial.number}, log.jsonl: damaged line" in broken(home)[0]
    assert [each.ok for each in looked(home, repair=True)] == [True, True]
    after = trial.history()
    assert plain(after) == plain(before)
    assert [epoch.seconds for epoch in after.epochs] == [epoch.seconds for epoch in before.epochs]
    assert records.differences(home, TRIALS) == []


def test_what_no_copy_tells_stays_damaged_and_is_run_again_where_a_person_asks_for_that(home):
    trial, computed = complete(home), records.computed(home)
    (home / "mlflow.db").unlink()
    (home / "optuna.db").unlink()
    flip(trial.log, trial.log.read_bytes().index(b'"epoch"') + 60)
    (told, still) = looked(home, repair=True)
    assert (told.ok, still.ok) == (False, False)
    assert "not restored" in told.found
    assert "--run-again" in told.cure
    assert [each.ok for each in looked(home, repair=True, run_again=True)] == [True, True]
    study.run(study.load(str(SMALL)), TRIALS, home=home, executor="inline")
    assert records.differences(home, TRIALS) == []
    assert records.computed(home) == computed


def test_a_trial_that_is_run_again_has_the_same_epochs_and_is_in_the_databases_once(home):
    trial, computed = complete(home), records.computed(home)
    flip(trial.log, 70)
    assert [each.ok for each in looked(home, repair=True, run_again=True)] == [True, True]
    assert trial.history().ended is None
    study.run(study.load(str(SMALL)), TRIALS, home=home, executor="inline")
    assert records.differences(home, TRIALS) == []
    assert records.computed(home) == computed


def test_a_search_goes_on_beside_a_damaged_trial_and_names_it(home, caplog):
    trial = complete(home)
    flip(trial.log, 70)
    found = study.run(study.load(str(SMALL)), TRIALS + 1, home=home, executor="inline")
    assert f"trial {trial.number} of small is left out" in caplog.text
    assert trial.number not in {row.number for row in found.trials}
    assert len(found.trials) == TRIALS  # one of four is left out; Optuna's copy of it counts
    assert list(damage.find(journal_in(home)))
    assert [each.ok for each in looked(home, repair=True)] == [True, True]
    study.sync(home=home)
    assert records.differences(home, TRIALS + 1) == []


def test_the_end_of_a_trial_that_is_still_running_is_cut_off_and_done_again(home):
    trial, computed = journal_in(home).trials()[-1], records.computed(home)
    content = trial.log.read_bytes()
    (home / "optuna.db").unlink()
    lines = content.split(b"\n")
    trial.log.write_bytes(b"\n".join([*lines[:2], lines[2].replace(b"0.", b"7.", 1), b""]))
    assert [each.ok for each in looked(home, repair=True)] == [True, True]
    assert len(trial.history().epochs) == 1
    study.run(study.load(str(SMALL)), TRIALS, home=home, executor="inline")
    assert records.computed(home) == computed


def test_doctor_says_it_in_json(home):
    flip(complete(home).path / "recipe.json", 60)
    found = [each for each in json.loads(study.doctor(home=home).to_json()) if each["check"] == "results"]
    assert [(each["ok"], "recipe.json" in each["found"], bool(each["cure"])) for each in found] == [(False, True, True)]
