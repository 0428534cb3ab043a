"""Each command by the command line and from Python, in two homes: the answers, the files and MLflow are the same."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

import study
from study.cli import exit_code
from tests.conftest import leave_mlflow_out

pytestmark = pytest.mark.slow

FILE = '''"""A small study."""

from study import Recipe, Study

study = Study(
    name="small",
    recipe=Recipe(dataset="digits", model="mlp", hidden=(16,), optimizer="adam", lr=0.003, train_size=300, epochs=2),
    space=lambda trial: {"lr": trial.suggest_float("lr", 0.001, 0.1, log=True)},
    variants={"baseline": {}, "norm_inputs": {"normalize": True}},
)
'''
TRAINED = {"executor": "inline", "device": "cpu"}
FLAGS = ["--executor", "inline", "--device", "cpu"]
QUIET = {"ask": lambda _: None}
# What a command is called by in both ways, in an order in which each finds what it needs.
WAYS = {
    "run": (["run", "small", "--trials", "4", *FLAGS], lambda: study.run("small", 4, **TRAINED)),
    "compare": (["compare", "small", "--seeds", "2", *FLAGS], lambda: study.compare("small", seeds=2, **TRAINED)),
    "confirm": (
        ["confirm", "small", "--top", "2", "--seeds", "2", *FLAGS],
        lambda: study.confirm("small", top=2, seeds=2, **TRAINED),
    ),
    "ablate": (["ablate", "small", "--seeds", "2", *FLAGS], lambda: study.ablate("small", seeds=2, **TRAINED)),
    "show": (["show", "small"], lambda: study.show("small")),
    "show a trial": (["show", "small", "--trial", "1"], lambda: study.show("small", 1)),
    "importance": (["show", "small", "--importance"], lambda: study.importance("small")),
    "pruning": (["show", "small", "--pruning"], lambda: study.pruning("small")),
    "plan": (["plan", "small"], lambda: study.plan("small")),
    "best": (["best", "small"], lambda: study.best("small")),
    "export": (["export", "small", "--format", "json"], lambda: study.export("small")),
    "report": (["report", "small"], lambda: study.write_report("small")),
    "register": (["register", "small"], lambda: study.register("small")),
    "promote": (["promote", "small"], lambda: study.promote("small")),
    "models": (["models"], study.models),
    "check": (["check", "small"], lambda: study.check("small")),
    "list": (["list"], study.list_studies),
    "data list": (["data", "list"], study.list_data),
    "sync": (["sync"], study.sync),
    "remove": (["remove", "small", "--yes"], lambda: study.remove("small", **QUIET)),
}
WITHOUT_JSON = {"best", "export", "remove"}  # commands that have no --json; the first two print JSON all the same
SILENT = {"remove"}
TOLD_LATER = {"compare", "confirm", "ablate"}  # to MLflow, by `register` and `sync`
# Keys whose values differ from one run to the next.
OWN = {
    "at", "bytes", "command", "crc", "created", "pid", "promoted_at", "seconds", "seconds_per_training", "since",
    "size", "started", "time", "uid",
}  # fmt: skip
WITH_TIMES = {".png", ".svg", ".html", ".md", ".lock", ".db"}  # files that are compared by their names
MLFLOW = """
SELECT runs.name, runs.artifact_uri, runs.status, runs.run_uuid FROM runs WHERE runs.lifecycle_stage = 'active'
"""


@dataclass(frozen=True)
class Did:
    """What a command left behind, and what it answered."""

    answer: Any
    files: dict[str, Any]
    runs: list[Any]


def plain(value, home):
    """Leave out what differs from one run to the next: times, identities, places."""
    match value:
        case dict():
            kept = {name: plain(each, home) for name, each in value.items() if name not in OWN}
            return dict(sorted((name, each) for name, each in kept.items()))
        case list():
            return [plain(each, home) for each in value]
        case str():
            timeless = re.sub(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d", "TIME", value)
            return re.sub(r"[0-9a-f]{32}", "ID", timeless.replace(str(home), "HOME"))
    return value


def content(file, home):
    """Read a file as far as two runs must agree in it."""
    if file.suffix in WITH_TIMES or file.name in {"lock", "mirror.json", "run.json"}:
        return None
    if file.suffix == ".json":
        return plain(json.loads(file.read_bytes()), home)
    if file.suffix == ".jsonl":
        return [plain(json.loads(line), home) for line in file.read_text().splitlines()]
    if file.suffix == ".csv":
        lines = [line.split(",") for line in file.read_text().splitlines()]
        timed = [number for number, name in enumerate(lines[0]) if name in OWN]
        return [[cell for number, cell in enumerate(line) if number not in timed] for line in lines]
    if file.suffix == ".safetensors":  # the order of its metadata is left to chance, and with it the file's checksum
        with safe_open(file, framework="numpy") as opened:
            about = {name: value for name, value in opened.metadata().items() if name != "sha256"}
            return about, {name: opened.get_tensor(name).tolist() for name in sorted(opened.keys())}
    return file.read_bytes()


def files(home):
    """Read all files of the studies."""
    return {
        str(file.relative_to(home)): content(file, home)
        for file in sorted((home / "mlruns" / "studies").rglob("*"))
        if file.is_file()
    }


def runs(home):
    """Read what MLflow knows: each run with its parameters, metrics and artifacts."""
    with contextlib.closing(sqlite3.connect(home / "mlruns" / "mlflow.db")) as connection:
        found = []
        for name, place, status, uuid in connection.execute(MLFLOW).fetchall():
            folder = Path(place.removeprefix("file://"))
            params = connection.execute("SELECT key, value FROM params WHERE run_uuid = ?", [uuid]).fetchall()
            metrics = connection.execute("SELECT key, step, value FROM metrics WHERE run_uuid = ?", [uuid]).fetchall()
            kept = sorted(each for each in metrics if not re.search("second|time|duration", each[0]))
            there = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
            found.append((name, status, sorted(params), kept, there))
    return sorted(found)


def typed(words):
    """Run a command line and read the last JSON that it prints."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    with contextlib.redirect_stdout(out):
        assert exit_code(words) == 0, words
    printed = out.buffer.getvalue().decode()
    try:
        return json.loads(printed or "null")
    except json.JSONDecodeError:
        return json.loads(printed.splitlines()[-1])


def called(call):
    """Call a function and read the JSON of its answer."""
    answer = call()
    return json.loads(answer.to_json()) if hasattr(answer, "to_json") else None


def do_all(home, act):
    """Do every command in its order."""
    done, before = {}, {}
    for name, (words, call) in WAYS.items():
        with pytest.MonkeyPatch.context() as patch:
            if name in TOLD_LATER:
                leave_mlflow_out(patch)
            answer = plain(act([*words, *([] if name in WITHOUT_JSON else ["--json"])], call), home)
        after = files(home)
        done[name] = Did(
            answer, {each: after[each] for each in after if before.get(each, ...) != after[each]}, runs(home)
        )
        before = after
    return done


@pytest.fixture(scope="module")
def both(tmp_path_factory, database):
    """Do everything by command line in one folder, and from Python in another."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    folder, found = tmp_path_factory.mktemp("ways"), []
    acts = {"typed": lambda words, _: typed(words), "called": lambda _, call: called(call)}
    for name, act in acts.items():
        home = folder / name
        (home / "studies").mkdir(parents=True)
        (home / "mlruns").mkdir()
        (home / "studies" / "small.py").write_text(FILE)
        shutil.copy(database, home / "mlruns" / "mlflow.db")
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(home)
            patch.setenv("STUDY_CACHE", str(folder / "cache"))
            found.append(do_all(home, act))
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    return found


@pytest.mark.parametrize("command", WAYS)
def test_a_command_and_its_function_answer_alike_and_leave_the_same_behind(both, command):
    typed_, called_ = (each[command] for each in both)
    assert called_.files == typed_.files
    assert called_.runs == typed_.runs
    if command == "run":  # the last line says, besides, how the search ended
        assert {**typed_.answer, **(called_.answer or {}), "type": "summary"} == typed_.answer
    elif command not in SILENT:
        assert called_.answer == typed_.answer
