"""What must hold of a home after a fault: exact numbers, equal bits, three equal records, nothing left behind."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

import optuna

from study.record.journal import Journal
from study.sampling import storage as ours

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STATES = {"complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}
STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
TEMPORARY = re.compile(r"\.making-|\.room-|\..*\.\d+$|.*\.tmp$|.*\.damaged$")


def folders(home: Path, name: str = "small") -> dict[int, Any]:
    """Give what was computed, by number: recipe, epochs, state and value; no times."""
    found = {}
    for folder in Journal(home / "studies" / name).trials():
        history = folder.history()
        epochs = [(epoch.number, tuple(sorted(epoch.metrics.items()))) for epoch in history.epochs]
        ended = history.ended
        found[folder.number] = (folder.recipe(), epochs, ended and ended.state, ended and ended.value)
    return found


def differences(home: Path, trials: int, *, storage: str = "", name: str = "small", track: bool = True) -> list[str]:
    """List what does not hold; empty if all does.

    Args:
        home: of the results.
        trials: number of finished trials that were asked for, those enqueued included.
        storage: Optuna's; the SQLite file in the home if empty.
        name: of the study.
        track: whether MLflow was told.

    """
    found = [*_of_folders(home, trials, name), *_of_optuna(home, storage or f"sqlite:///{home}/optuna.db", name)]
    return [*found, *(_of_mlflow(home, name) if track else ()), *left_behind(home)]


def _of_folders(home: Path, trials: int, name: str) -> Iterator[str]:
    states = Counter(state for _, _, state, _ in folders(home, name).values())
    if states["complete"] + states["pruned"] != trials or len(states.keys() - {"complete", "pruned"}):
        yield f"{trials} trials were asked for, the folders have {dict(states)}"
    for number, (_, epochs, _, _) in folders(home, name).items():
        if [epoch for epoch, _ in epochs] != list(range(1, len(epochs) + 1)):
            yield f"trial {number} has the epochs {[epoch for epoch, _ in epochs]}"


def _of_optuna(home: Path, storage: str, name: str) -> Iterator[str]:
    journal = Journal(home / "studies" / name)
    with ours.opened(storage) as database:
        trials = optuna.load_study(study_name=name, storage=database).trials
    trials = [trial for trial in trials if trial.state.name != "WAITING"]  # enqueued, and not asked for yet
    by_uid = {trial.user_attrs.get("uid"): trial for trial in trials}
    if len(by_uid) != len(trials):
        yield f"Optuna has {len(trials)} trials of {len(by_uid)} uids: {Counter(t.state.name for t in trials)}"
    for folder in journal.trials():
        history, trial = folder.history(), by_uid.pop(folder.about()["uid"], None)
        if trial is None or history.ended is None:
            yield f"trial {folder.number}: {'not in Optuna' if trial is None else 'not ended'}"
            continue
        metric = folder.about()["metric"]
        if trial.intermediate_values != {epoch.number: epoch.metrics[metric] for epoch in history.epochs}:
            yield f"trial {folder.number}: Optuna has the epochs {trial.intermediate_values}"
        if (trial.state.name, trial.value) != (STATES[history.ended.state], history.ended.value):
            yield f"trial {folder.number}: Optuna has {trial.state.name} {trial.value}, the folder {history.ended}"
    for uid, trial in by_uid.items():
        yield f"Optuna alone has trial {trial.number}, {trial.state.name}, uid {uid}"


def _of_mlflow(home: Path, name: str) -> Iterator[str]:
    journal = Journal(home / "studies" / name)
    with closing(sqlite3.connect(home / "mlflow.db")) as connection:
        query = (
            "SELECT t.value, r.run_uuid, r.status FROM runs r JOIN tags t ON t.run_uuid = r.run_uuid WHERE t.key = ? "
        )
        query += "AND r.lifecycle_stage = 'active'"
        runs = connection.execute(query, ("study.uid",)).fetchall()
        points = connection.execute("SELECT run_uuid, key, step, value FROM metrics").fetchall()
    runs = [each for each in runs if not each[0].startswith("study-")]
    by_uid = {uid: (run, status) for uid, run, status in runs}
    if len(by_uid) != len(runs):
        yield f"MLflow has {len(runs)} runs of {len(by_uid)} trials"
    for folder in journal.trials():
        history = folder.history()
        run, status = by_uid.pop(folder.about()["uid"], (None, None))
        if run is None or history.ended is None:
            yield f"trial {folder.number}: {'not in MLflow' if run is None else 'not ended'}"
            continue
        metric = folder.about()["metric"]
        told = Counter((step, value) for where, key, step, value in points if (where, key) == (run, metric))
        if told != Counter((epoch.number, epoch.metrics[metric]) for epoch in history.epochs):
            yield f"trial {folder.number}: MLflow has the epochs {dict(told)}"
        if status != STATUS[history.ended.state]:
            yield f"trial {folder.number}: MLflow has {status}, the folder {history.ended.state}"
    if by_uid:
        yield f"MLflow alone has {len(by_uid)} trials"


def left_behind(home: Path) -> list[str]:
    """List the files that nobody needs any more."""
    every = [path for path in home.rglob("*") if path.is_file() or path.is_dir()]
    unfinished = [path for path in every if TEMPORARY.fullmatch(path.name) or path.name.startswith(".making-")]
    over = [path for path in every if path.name == "checkpoint.pt"]
    return [f"left behind: {path.relative_to(home)}" for path in (*unfinished, *over)]


def computed(home: Path, name: str = "small") -> str:
    """Give `folders` as text that two homes can be compared by."""
    return json.dumps(folders(home, name), sort_keys=True)
