"""The teller of Optuna's database: each trial is there once, each enqueued one is trained once, whatever is killed."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from study import settings as places
from study.errors import PlaceError
from study.options import Options
from study.progress import Notice, TrialEnded, TrialStarted
from study.questions.search import run
from study.record import checked
from study.record.journal import Journal
from study.record.trial import Trial
from study.sampling import storage, telling
from study.sampling.teller import Teller
from study.study_files import load
from tests.sampling.folders import make, told

TOY = Path(__file__).parents[1] / "toy.py"


def test_a_lost_database_is_made_again_from_the_folders(database, journal):
    for number, state in enumerate(["complete", "pruned", "failed", None]):
        make(journal, number, end=state)
    assert told(journal, database) == 4
    assert told(journal, database) == 0
    trials = optuna.load_study(study_name="s", storage=database).trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING]  # fmt: skip  # noqa: E501
    assert trials[0].value == 0.5
    assert trials[1].params == {"lr": 0.2}
    assert trials[1].user_attrs["reason"] == "why"
    assert trials[3].intermediate_values == {1: 0.8}


def test_a_trial_that_ended_while_the_database_was_away_ends_there_too(database, journal):
    folder = make(journal, 0)
    told(journal, database)
    folder.append("epoch", number=2, metrics={"val_accuracy": 0.75}, seconds=1.0)
    folder.append("ended", state="complete", value=0.75, reason="", evaluation=None)
    assert told(journal, database) == 1
    trial = optuna.load_study(study_name="s", storage=database).trials[0]
    assert (trial.state, trial.value, trial.intermediate_values) == (TrialState.COMPLETE, 0.75, {1: 0.5, 2: 0.75})


def test_folders_of_another_study_are_not_mixed_in(database, journal, tmp_path):
    make(journal, 0, end="complete")
    told(journal, database)
    other = Journal(tmp_path / "elsewhere")
    make(other, 0)
    about = other.trial(0).path / "trial.json"
    checked.write(about, {**checked.read(about), "uid": "x"})
    with pytest.raises(PlaceError, match="another one than this folder's"):
        told(other, database)


def test_a_trial_is_found_by_its_uid_where_somebody_else_took_its_number(database, journal):
    make(journal, 0, end="complete")
    live = Teller(journal, database, "s", "maximize", takes=True)
    live.tell()
    theirs = optuna.load_study(study_name="s", storage=database)
    theirs.enqueue_trial({"lr": 0.7})  # number 1, which the next folder has
    make(journal, 1)
    assert live.tell() == 1
    journal.trial(1).append("ended", state="complete", value=0.6, reason="", evaluation=None)
    assert live.tell() == 1
    assert [(trial.state, trial.user_attrs["uid"] == "u1") for trial in theirs.trials[1:]] == [
        (TrialState.RUNNING, False),
        (TrialState.COMPLETE, True),
    ]
    arrived = live.arrivals.get()
    assert arrived.system_attrs["fixed_params"] == {"lr": 0.7}
    assert live.arrivals.empty()
    again = Teller(journal, database, "s", "maximize")
    assert again.tell() == 0


def test_only_one_of_two_claims_a_waiting_trial(database):
    number = storage.study_id(database, "s", "maximize")
    optuna.load_study(study_name="s", storage=database).enqueue_trial({"lr": 0.7}, user_attrs={"uid": "of another"})
    (waiting,) = storage.not_running(database, number)
    assert storage.claim(database, waiting, "first")
    assert not storage.claim(database, waiting, "second")
    assert database.get_trial(waiting).user_attrs == {"uid": "first"}
    assert optuna.load_study(study_name="s", storage=database).ask().number == 1  # nor does Optuna take it again


def test_a_claimed_trial_without_a_folder_waits_again_when_it_is_given_back(database, journal):
    make(journal, 0, end="complete")
    told(journal, database)
    theirs = optuna.load_study(study_name="s", storage=database)
    theirs.enqueue_trial({"lr": 0.7})
    live = Teller(journal, database, "s", "maximize", takes=True)
    live.tell()
    assert theirs.trials[1].state == TrialState.RUNNING
    live.give_back()
    assert theirs.trials[1].state == TrialState.WAITING
    assert "uid" not in theirs.trials[1].user_attrs


def test_a_trial_that_somebody_runs_by_optunas_own_means_is_left_alone_until_it_has_ended(database, journal):
    make(journal, 0, end="complete")
    live = Teller(journal, database, "s", "maximize", takes=True)
    live.tell()
    theirs = optuna.load_study(study_name="s", storage=database)
    trial = theirs.ask()
    live.tell()
    Teller(journal, database, "s", "maximize", takes=True).tell()
    assert live.arrivals.empty()
    theirs.tell(trial, 0.25)
    live.tell()
    live.tell()
    assert live.arrivals.get().value == 0.25
    assert live.arrivals.empty()


def test_a_study_that_was_deleted_from_the_database_is_made_again_at_the_next_call_but_one(database, journal):
    make(journal, 0)
    live = Teller(journal, database, "s", "maximize")
    live.tell()
    storage.forget(database, "s")
    make(journal, 1)
    with pytest.raises(PlaceError, match="Optuna's storage is away"):
        live.tell()
    assert live.pending() == 1
    assert live.tell() == 2
    assert live.pending() == 0


def test_a_damaged_folder_is_named_and_all_others_are_told(database, journal, caplog):
    for number in range(3):
        make(journal, number)
    log = journal.trial(1).path / "log.jsonl"
    log.write_bytes(b"rubbish\n" + log.read_bytes())
    live = Teller(journal, database, "s", "maximize")
    assert live.tell() == 2
    assert "trial 1 of s is left out" in caplog.text
    assert "log.jsonl, line 1: damaged line" in caplog.text
    assert {trial.user_attrs["uid"] for trial in optuna.load_study(study_name="s", storage=database).trials} == {
        "u0",
        "u2",
    }
    assert live.pending() == 0


def test_sync_leaves_a_study_alone_that_another_process_runs(database, journal):
    journal.store_definition({"direction": "maximize"})
    make(journal, 0)
    with storage.held("s", journal.folder, database):
        assert telling.sync(journal, database) == (None, set())
    assert telling.sync(journal, database) == (1, set())


def trained(name="toy"):
    """How often each x was trained, by the folders."""
    folders = Journal(places.resolve().study_folder(name)).trials()
    return Counter(folder.recipe()["x"] for folder in folders)


def search(trials):
    return run(
        load(str(TOY)), places.resolve(), Options(trials=trials, executor="inline", track=False), threading.Event()
    )


def stored():
    return optuna.load_study(study_name="toy", storage=places.resolve().storage)


def assert_equal_to_the_folders():
    folders = Journal(places.resolve().study_folder("toy")).trials()
    trials = {trial.user_attrs["uid"]: trial for trial in stored().trials}
    assert len(trials) == len(stored().trials) == len(folders)
    for folder in folders:
        trial, ended = trials[folder.about()["uid"]], folder.history().ended
        assert trial.state == storage.STATES[ended.state]
        assert (trial.value, trial.params) == (ended.value, folder.about()["params"])


def test_of_thirty_trials_enqueued_while_it_runs_each_is_trained_once():
    wanted = [-1 + number / 64 for number in range(30)]
    list(search(2))
    done = threading.Event()

    def enqueue():
        for x in wanted:
            stored().enqueue_trial({"x": x})
        done.set()

    thread = threading.Thread(target=enqueue)
    thread.start()
    trials = 2
    while not done.is_set() or any(trained()[x] == 0 for x in wanted):
        trials += 10
        list(search(trials))
        assert trials < 1000
    thread.join()
    assert {trained()[x] for x in wanted} == {1}
    assert_equal_to_the_folders()


def test_a_trial_enqueued_while_a_search_goes_on_is_taken_within_the_search():
    list(search(2))
    enqueued = False
    for progress in run(
        load(str(TOY)).fix({"seconds": 0.1}),
        places.resolve(),
        Options(trials=12, executor="inline", track=False, accept=True),
        threading.Event(),
    ):
        if isinstance(progress, TrialStarted) and not enqueued:
            stored().enqueue_trial({"x": 0.125})
            enqueued = True
    assert trained()[0.125] == 1


KILLED = """
import os, sys, threading
from study import settings
from study.study_files import load
from study.options import Options
from study.questions.search import run
from study.record.journal import Journal
from study.sampling.teller import Teller
where = sys.argv[2]
if where == "between the claim and the folder":
    Journal.create_all = lambda *_: os._exit(9)
else:
    Teller._complete = lambda *_: os._exit(9)
list(run(load(sys.argv[1]), settings.resolve(), Options(trials=4, executor="inline", track=False), threading.Event()))
"""


@pytest.mark.parametrize("where", ["between the claim and the folder", "between the folder and the database"])
def test_an_enqueued_trial_killed(where):
    list(search(2))
    stored().enqueue_trial({"x": 0.125})
    done = subprocess.run([sys.executable, "-c", KILLED, str(TOY), where], capture_output=True, text=True, check=False)
    assert done.returncode == 9, done.stderr
    assert stored().trials[2].state == TrialState.RUNNING
    list(search(4))
    assert trained()[0.125] == 1
    assert len(stored().trials) == 4
    assert_equal_to_the_folders()


def test_an_enqueued_trial_whose_folder_an_earlier_version_made_before_it_was_killed_is_recognized():
    list(search(2))
    stored().enqueue_trial({"x": 0.125})
    list(search(3))
    with storage.opened(places.resolve().storage) as database:
        storage.forget(database, "toy")
        study = storage.study_id(database, "toy", "maximize")
        for folder in Journal(places.resolve().study_folder("toy")).trials()[:2]:
            database.create_new_trial(study, storage.frozen(Trial.of(folder)))
    stored().enqueue_trial({"x": 0.125})
    list(search(4))
    assert trained()[0.125] == 1
    assert_equal_to_the_folders()


def test_a_search_that_ends_while_the_database_is_away_names_the_command_that_catches_up(postgres):
    import psycopg
    import sqlalchemy

    url = postgres()
    name = sqlalchemy.make_url(url).database
    notices = []
    progress = run(
        load(str(TOY)),
        places.resolve(storage=url),
        Options(trials=3, executor="inline", track=False),
        threading.Event(),
    )
    for each in progress:
        if isinstance(each, TrialEnded) and each.trial == 0:
            with psycopg.connect(url.replace(f"/{name}?", "/postgres?"), autocommit=True) as connection:
                connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
                connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        if isinstance(each, Notice):
            notices.append(each.text)
    assert notices[-1].endswith("trials yet: `study sync toy` sends the rest")
    assert len(trained()) == 3
