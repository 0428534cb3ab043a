"""Fixtures: a clean environment for every test, the repository, the shared data where they are there."""

from __future__ import annotations

import gc
import importlib.util
import json
import logging
import os
import shutil
import socket
import sys
from pathlib import Path
from threading import Event
from typing import NamedTuple

import pytest
from xdist.scheduler import LoadFileScheduling

from study import Study
from study.recipe import Recipe, to_json
from study.record.journal import Journal
from study.settings import Settings, resolve
from tests.clusters import Cluster
from tests.postgres import databases

REPOSITORY = Path(__file__).parents[1]
SHARED = REPOSITORY.parent / "shared" / "data"


def script(name):
    """A script of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(Path(name).stem, REPOSITORY / "docs" / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def free_port():
    """A port of this machine that nobody listens to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


LONGEST = (  # files that take minutes; those that share a cluster one after the other, best in one process
    "faults/test_campaign.py", "executors/test_ray.py", "contracts/test_executor.py", "faults/test_kill.py",
    "docs/test_blocks.py", "docker/test_compose.py",
)  # fmt: skip


def pytest_xdist_make_scheduler(config, log):
    """With `-n 2`: a file's tests in one process, in the order of the collection."""
    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)


def pytest_configure():
    """One thread for torch, before it is loaded: two in each of two processes wait for each other."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(config, items):
    """With `-n 2`: the longest files first, so that at the end no process works alone."""
    if hasattr(config, "workerinput"):
        turns = {REPOSITORY / "tests" / name: turn for turn, name in enumerate(LONGEST)}
        items.sort(key=lambda item: turns.get(item.path, len(LONGEST)))


class Answer(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"not strict JSON: {name}"))

    @property
    def complaint(self):
        """What it said on stderr, without the first line of a command that trains: that torch is being loaded."""
        lines = self.err.splitlines(keepends=True)
        first = ("loading torch", "connecting to Ray")
        return "".join(line for line in lines if not (line.startswith("[I ") and any(text in line for text in first)))


def pytest_collection_finish():
    """What is loaded by now stays: the collector need not look through it again."""
    gc.freeze()


@pytest.fixture(autouse=True)
def clean_env(monkeypatch, tmp_path):
    """No variable of ours or of the tools leaks in or out; home, cache and the working folder are empty folders.

    Nor do modules that lie in these folders: a later test may have others of the same names.
    """
    before = dict(os.environ)
    for name in list(os.environ):
        if name.startswith(("STUDY_", "OPTUNA_", "MLFLOW_", "CUDA_", "RAY_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "home").mkdir()
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(f"{tmp_path}{os.sep}"):
            del sys.modules[name]
    if "mlflow" in sys.modules:  # a block of the docs may have set it for its process
        sys.modules["mlflow"].set_tracking_uri(None)
    monkeypatch.undo()  # first, as it would bring back what a test took out
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def study(capsys):
    """Run a command line in this process, as the console script would, and put logging back as it was."""
    from study import cli

    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def run(*arguments):
        capsys.readouterr()
        code = cli.exit_code([str(argument) for argument in arguments])
        answered = capsys.readouterr()
        return Answer(code, answered.out, answered.err)

    yield run
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


LEFT_OUT = "from study.options import Options; Options.__init__.__kwdefaults__['track'] = False"
WITHOUT_MLFLOW = [sys.executable, "-c", f"{LEFT_OUT}; from study.cli import main; main()"]  # else `python -m study`


def leave_mlflow_out(patch):
    """Let no search of this process tell MLflow unless asked to: each has a process for it, which takes seconds."""
    from study.options import Options

    patch.setitem(Options.__init__.__kwdefaults__, "track", value=False)


@pytest.fixture
def untracked(monkeypatch):
    """MLflow is left out."""
    leave_mlflow_out(monkeypatch)


@pytest.fixture
def mnist(monkeypatch):
    """Point STUDY_DATA at real MNIST, or skip."""
    if not (SHARED / "MNIST").is_dir():
        pytest.skip("no shared data beside the repository")
    monkeypatch.setenv("STUDY_DATA", str(SHARED))
    return SHARED


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server for the whole run; gives a function that makes an empty database's URL."""
    with databases() as make:
        yield make


@pytest.fixture(scope="session")
def one_cluster():
    """A Ray cluster for the whole run, of a head and a node with two slots."""
    with Cluster.started() as made:
        yield made


@pytest.fixture
def cluster(one_cluster, monkeypatch):
    """The cluster, named by the variables that Ray reads."""
    for name, value in one_cluster.variables.items():
        monkeypatch.setenv(name, value)
    return one_cluster


RECIPE = Recipe(dataset="digits", model="mlp", hidden=(64, 32), epochs=3)


def make_trial(journal, number, overrides, values, *, variant=None, end=None):
    """Write one trial's folder: an epoch for each value, then perhaps an end."""
    recipe = Recipe.model_validate({**RECIPE.model_dump(), **overrides})
    about = {
        "uid": f"uid{number}", "variant": variant, "overrides": overrides, "params": {}, "distributions": {},
        "created": 1_795_000_000 + 60 * number, "study": journal.folder.name, "metric": "val_accuracy",
        "direction": "maximize", "environment": {"torch": "2.15.0"},
    }  # fmt: skip
    folder = journal.create(number, to_json(recipe), about)
    folder.append("started", device="cpu")
    for epoch, value in enumerate(values, 1):
        metrics = {"val_accuracy": value, "val_loss": 1 - value}
        folder.append("epoch", number=epoch, metrics=metrics, seconds=0.5)
    if end is not None:
        value = values[-1] if values else None
        folder.append("ended", **{"state": "complete", "value": value, "reason": "", "evaluation": None, **end})
    return folder


@pytest.fixture
def made():
    """Seven trials of a study `made`: two variants, pruned, failed, diverged and unfinished ones."""
    journal = Journal(Path("mlruns/studies/made").absolute())
    journal.store_definition({
        "study": "made", "metric": "val_accuracy", "direction": "maximize", "train": "study.engine:train",
        "recipe_type": "study.recipe:Recipe", "recipe": RECIPE.model_dump(mode="json"), "space": {}, "fixed": {},
        "variants": {"baseline": {}, "norm_inputs": {"normalize": True}},
        "sampler": "tpe", "pruner": "median", "seed": 0, "data": {},
    })  # fmt: skip
    evaluation = {
        "accuracy": 0.7, "classes": ["cat", "dog"], "confusion": [[9, 1], [2, 8]],
        "per_class": [{"class": "cat", "f1": 0.86}, {"class": "dog", "f1": 0.84}],
    }  # fmt: skip
    make_trial(journal, 0, {}, [0.5, 0.6, 0.7], variant="baseline", end={"evaluation": evaluation})
    make_trial(journal, 1, {"normalize": True}, [0.6, 0.8, 0.75], variant="norm_inputs", end={})
    make_trial(journal, 2, {"lr": 0.0123456, "batch_size": "full"}, [0.7, 0.8, 0.9125], end={})
    make_trial(journal, 3, {"lr": 0.5}, [0.1], end={"state": "pruned", "reason": "median pruner"})
    make_trial(journal, 4, {"lr": 0.6}, [], end={"state": "failed", "reason": "ValueError: boom"})
    diverged = {"state": "pruned", "value": None, "reason": "diverged in epoch 1: val_loss is nan"}
    make_trial(journal, 5, {"lr": 5.0}, [float("nan")], end=diverged)
    make_trial(journal, 6, {"activation": "tanh", "lr": 0.01}, [0.4, 0.5])
    return journal


LITTLE = Study(
    name="little",
    recipe=RECIPE,
    variants={"baseline": {"lr": 1e-5, "epochs": 1}, "good": {"lr": 0.01}, "fair": {"lr": 0.003, "epochs": 2}},
)
CELLS = Study(name="cells", recipe=Recipe(dataset="breast_cancer", model="logistic", lr=0.01, epochs=3))


@pytest.fixture(scope="session")
def database(tmp_path_factory):
    """An MLflow database without runs, made once: its migrations take seconds."""
    from study import tracking

    home = tmp_path_factory.mktemp("template")
    tracking.connect(Settings(home, "", f"sqlite:///{home / 'mlflow.db'}"))
    return home / "mlflow.db"


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A home with two searches, `little` confirmed and `cells` not, the packs they were made of beside it."""
    from study.options import Options
    from study.questions import confirmation, search

    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STUDY_CACHE", str(folder / "cache"))
        patch.chdir(folder)
        places, stop = Settings(folder / "mlruns", f"sqlite:///{folder}/o.db", "sqlite://"), Event()
        for study in (LITTLE, CELLS):
            trials = len(study.variants) or 1
            list(search.run(study, places, Options(trials=trials, executor="inline", track=False), stop))
        question, how = confirmation.ask(LITTLE, places, 1, 2), Options(executor="inline", track=False)
        list(confirmation.run(LITTLE, places, how, question, stop))
    return folder


@pytest.fixture
def registry_home(trained, database, tmp_path, monkeypatch):
    """A copy of what was trained, with an MLflow of its own."""
    monkeypatch.setenv("STUDY_CACHE", str(trained / "cache"))
    shutil.copytree(trained / "mlruns", tmp_path / "work" / "mlruns")
    shutil.copy(database, tmp_path / "work" / "mlruns" / "mlflow.db")
    return resolve()
