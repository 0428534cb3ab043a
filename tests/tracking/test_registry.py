"""MLflow's registry on SQLite and over HTTP: versions, the champion and those before, files that come back."""

import importlib
import json
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from study import tracking
from study.errors import PlaceError, StudyError
from study.settings import resolve
from study.tracking.registry import Package

SERVING = """
import json
from pathlib import Path

import pandas as pd


class Constant:
    def __init__(self, answer):
        self.answer = answer

    def predict(self, model_input, params=None):
        return pd.DataFrame({"label": [self.answer] * len(model_input), "probability_a": 1.0})


def _load_pyfunc(path):
    return Constant(json.loads((Path(path) / "answer.json").read_text()))
"""


@pytest.fixture
def package(tmp_path):
    """Make a model's files that answers always the same."""

    def make(answer, example=None):
        code, data = tmp_path / f"served_{answer}", tmp_path / f"data_{answer}"
        code.mkdir()
        data.mkdir()
        (code / "__init__.py").touch()
        (code / "serving.py").write_text(SERVING)
        (data / "answer.json").write_text(json.dumps(answer))
        return Package(code, data, ["pandas"], np.zeros((2, 4, 4), np.uint8) if example is None else example, ["a"])

    return make


@pytest.fixture(params=["sqlite", "http"])
def there(request, settings):
    """The settings of a SQLite file, or of a server."""
    if request.param == "sqlite":
        return settings
    server = request.getfixturevalue("lasting_server")
    return resolve(settings.home, None, server.uri)


def add(settings, folders, package, model, **tags):
    """A version whose run is the folders' first trial's."""
    name = folders.journal.folder.name
    run = tracking.run_of(settings, name, 0)
    return tracking.open_registry(settings).add(model, run, package, {"study": name, **tags}, "# A card")


@pytest.fixture
def one(there, study_folders):
    """A study with one trial that has ended; its name is new on a lasting server."""
    folders = study_folders(f"registry{time.time_ns()}")
    folders.trial(epochs=1, end="complete")
    return folders


def test_a_version_comes_back_with_its_tags_and_predicts(there, one, package):
    model = one.journal.folder.name
    made = add(there, one, package("a"), model, **{"study.uid": "u1"})
    registry = tracking.open_registry(there)
    (found,) = registry.versions(model)
    assert (found.model, found.number, found.aliases) == (made.model, made.number, ()) == (model, 1, ())
    assert found.tags == {"study": model, "study.uid": "u1"}
    assert abs(found.created - time.time()) < 60
    assert model in registry.models()
    assert registry.versions("nobody") == []
    loaded = registry.load(found)
    assert loaded.shape == (4, 4)
    assert loaded.predict(np.zeros((3, 4, 4), np.uint8))["label"].tolist() == ["a"] * 3


def test_two_versions_at_hand_at_once_do_not_mix(there, one, package):
    model = one.journal.folder.name
    versions = [add(there, one, package(answer), model) for answer in ("a", "b")]
    loaded = [tracking.open_registry(there).load(version) for version in versions]
    answers = [each.predict(np.zeros((1, 4, 4), np.uint8))["label"][0] for each in loaded]
    assert answers == ["a", "b"]


def test_a_network_whose_module_is_not_here_is_named_and_one_in_the_working_folder_is_found(settings, one, package):
    module = f"nets_{time.time_ns()}"
    files = package(module)
    text = (files.code / "serving.py").read_text()
    (files.code / "serving.py").write_text(f"import {module}\n{text}")
    version = add(settings, one, files, "own")
    registry = tracking.open_registry(settings)
    with pytest.raises(StudyError, match=f"own: version 1 needs the module '{module}'"):
        registry.load(version)
    Path(f"{module}.py").touch()
    importlib.invalidate_caches()
    assert registry.load(version).shape == (4, 4)


def test_the_champion_and_those_before_are_kept_by_the_model_itself(there, one, package):
    model = one.journal.folder.name
    add(there, one, package("a"), model)
    add(there, one, package("b"), model)
    registry = tracking.open_registry(there)
    assert registry.champions(model) == []
    registry.set_champion(model, [1], "2026-11-21T10:00:00", "the first")
    registry.set_champion(model, [1, 2], "2026-11-21T11:00:00", "better")
    assert registry.champions(model) == [1, 2]
    aliases = {version.number: version.aliases for version in registry.versions(model)}
    assert aliases == {1: (), 2: ("champion",)}
    log = json.loads(registry._client.get_registered_model(model).tags["study.champion_log"])
    assert [(entry["version"], entry["reason"]) for entry in log] == [(1, "the first"), (2, "better")]


def test_a_trial_whose_run_was_deleted_in_mlflow_is_sent_again_for_a_version(there, one, package):
    model = one.journal.folder.name
    first = tracking.run_of(there, model, 0)
    client = tracking.open_registry(there)._client
    client.delete_run(first)
    again = tracking.run_of(there, model, 0)
    assert again != first
    assert client.get_run(again).info.lifecycle_stage == "active"
    assert tracking.run_of(there, model, 0) == again
    made = tracking.open_registry(there).add(model, again, package("a"), {"study": model}, "# A card")
    assert made.number == 1


def test_after_its_experiment_was_deleted_a_trial_is_refused_with_what_to_do(there, one):
    model = one.journal.folder.name
    run = tracking.run_of(there, model, 0)
    client = tracking.open_registry(there)._client
    experiment = client.get_run(run).info.experiment_id
    client.delete_experiment(experiment)
    with pytest.raises(PlaceError, match=r"MLflow has no run of trial 0: .*was deleted. Restore it there"):
        tracking.run_of(there, model, 0)
    client.restore_experiment(experiment)
    assert tracking.run_of(there, model, 0) == run


@pytest.mark.parametrize(("cut", "left"), [([1, 2, 3], [[1, 2], [1, 2, 3]]), ([1], [[1, 2], [1]])])
def test_a_kill_between_list_and_alias_leaves_no_champion_that_never_was(
    settings, one, package, cut, left, monkeypatch
):
    for answer in ("a", "b", "c"):
        add(settings, one, package(answer), "cut")
    registry = tracking.open_registry(settings)
    registry.set_champion("cut", [1], "2026-11-21T10:00:00", "the first")
    registry.set_champion("cut", [1, 2], "2026-11-21T11:00:00", "better")
    client = registry._client
    steps = [client.set_registered_model_tag, client.set_registered_model_alias]
    done = []

    def killed(step):
        def act(model, name, value):
            if name in ("study.champions", "champion"):
                if done:
                    raise KeyboardInterrupt
                done.append(name)
            step(model, name, value)

        return act

    for step in steps:
        monkeypatch.setattr(client, step.__name__, killed(step))
    with pytest.raises(KeyboardInterrupt):
        registry.set_champion("cut", cut, "2026-11-21T12:00:00", "cut off")
    assert registry.champions("cut") in left


def test_a_table_s_columns_may_hold_whole_numbers_fractions_and_nothing(settings, one, package):
    example = pd.DataFrame({"age": [1.5, 2.0], "colour": ["red", None]})
    version = add(settings, one, package("a", example), "table")
    loaded = tracking.open_registry(settings).load(version)
    assert (loaded.shape, loaded.columns, loaded.text) == (None, ("age", "colour"), {"colour"})
    for ages in ([1, 2], [1.5, None], [True, False]):
        assert len(loaded.predict(pd.DataFrame({"age": ages, "colour": ["red", "blue"]}))) == 2


def test_a_server_that_listens_and_never_answers_is_given_up_within_seconds(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        held = []
        threading.Thread(target=lambda: held.append(listening.accept()), daemon=True).start()
        began = time.monotonic()
        with pytest.raises(PlaceError, match="does not answer in time"):
            tracking.open_registry(resolve(tmp_path, None, f"http://127.0.0.1:{listening.getsockname()[1]}"))
        assert time.monotonic() - began < 100
        held[0][0].close()
