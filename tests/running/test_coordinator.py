"""The coordinator: one at a time, nothing written where nothing is to be done, both programs told at the end."""

from __future__ import annotations

import shutil
import threading
from contextlib import closing
from pathlib import Path

import optuna
import pytest

from study import settings, tracking
from study.errors import DefinitionChanged, Interrupted, StudyLocked
from study.options import Options
from study.progress import Notice, SearchStarted, TrialEpoch
from study.questions.search import Asking
from study.record.journal import Journal
from study.running.coordinator import conduct
from study.sampling import space, storage
from study.study_files import load
from study.tracking import mirror

TOY = load(str(Path(__file__).parents[1] / "toy.py"))


def definition(study=TOY):
    return space.describe(study, space.probe(study), sampler="tpe", pruner="none", seed=0, data={})


def conducted(trials, *, study=TOY, stop=None, **more):
    options = Options(trials=trials, executor="inline", track=False, pruner="none", **more)
    source, stop = Asking(study, trials), stop or threading.Event()
    with closing(options.make_executor()) as executor:
        yield from conduct(study, settings.resolve(), options, executor, stop, source, definition(study))


def stored():
    return optuna.load_study(study_name="toy", storage=settings.resolve().storage)


def test_the_question_is_kept_and_the_database_is_equal_when_it_ends():
    list(conducted(3))
    journal = Journal(settings.resolve().study_folder("toy"))
    assert journal.question("run")["trials"] == 3
    assert [trial.user_attrs["uid"] for trial in stored().trials] == [each.about()["uid"] for each in journal.trials()]
    assert all(trial.state.is_finished() for trial in stored().trials)


def test_done_it_runs_nothing_and_gives_back_what_others_have_enqueued():
    list(conducted(3))
    stored().enqueue_trial({"x": 0.125})
    assert list(conducted(3)) == [SearchStarted("toy", 3, 3, 0, 0, None)]
    assert stored().trials[3].state == optuna.trial.TrialState.WAITING
    list(conducted(4))
    assert stored().trials[3].params == {"x": 0.125}


def conducted_in(places):
    """Run a search of two trials in another place, with MLflow."""
    options = Options(trials=2, executor="inline")
    with closing(options.make_executor()) as executor:
        yield from conduct(TOY, places, options, executor, threading.Event(), Asking(TOY, 2), definition())


def finished_again(**more):
    """What a search that is finished says when it is run again, with an MLflow."""
    list(conducted(2))
    places = settings.resolve(**more)
    return places, [each.text for each in conducted_in(places) if isinstance(each, Notice)]


def test_done_it_tells_mlflow_what_that_lacks(database, tmp_path):
    shutil.copy(database, tmp_path / "m.db")
    places, said = finished_again(tracking_uri=f"sqlite:///{tmp_path / 'm.db'}")
    assert said == []
    assert mirror.is_told(Journal(places.study_folder("toy")), tracking.server_name(places))


def test_done_it_names_the_command_that_tells_an_mlflow_that_is_away():
    _, said = finished_again(tracking_uri="http://127.0.0.1:9")
    (line,) = said
    assert line.startswith("MLflow does not have all of it yet: MLflow at http://127.0.0.1:9")
    assert line.endswith("`study sync toy` sends it")


def test_done_by_the_trials_of_another_machine_it_has_nothing_to_tell(tmp_path):
    list(conducted(2))
    elsewhere = settings.resolve(tmp_path / "elsewhere", settings.resolve().storage, "http://127.0.0.1:9")
    assert list(conducted_in(elsewhere))[-1] == SearchStarted("toy", 2, 2, 0, 0, None)


def test_a_second_one_is_refused_while_the_first_runs():
    first = conducted(3)
    next(first)
    with pytest.raises(StudyLocked):
        next(conducted(3))
    first.close()


def test_stopped_it_tells_the_database_and_raises_interrupted():
    stop = threading.Event()
    progress = (stop.set() for each in conducted(2, stop=stop) if isinstance(each, TrialEpoch))
    with pytest.raises(Interrupted, match="stopped with 0 of 2 trials finished"):
        list(progress)
    (trial,) = stored().trials
    assert list(trial.intermediate_values) == [1, 2]


def test_a_changed_definition_is_refused_unless_it_is_accepted_and_that_is_kept():
    list(conducted(2))
    changed = TOY.fix({"epochs": 2})
    with pytest.raises(DefinitionChanged):
        list(conducted(3, study=changed))
    list(conducted(3, study=changed, accept=True))
    kept = Journal(settings.resolve().study_folder("toy")).definition()
    assert kept["accepted"][0]["differences"]


def test_trials_that_count_and_have_no_folder_here_are_said():
    list(conducted(2))
    for trials, said in ((4, "1 finished trial has no folder here"), (5, "2 finished trials have no folder here")):
        with storage.opened(settings.resolve().storage) as database:
            optuna.load_study(study_name="toy", storage=database).add_trial(optuna.trial.create_trial(value=0.5))
        notices = [each.text for each in conducted(trials) if isinstance(each, Notice)]
        assert notices[0].startswith(said)
        assert notices[0].endswith("and `study remove toy` deletes the whole study")
