"""kill -9 under one plan: `study run` beside plain Optuna, whose documented ways of going on are both tried.

    python -m benchmarks.reliability_optuna --trials 40 --kills 10 --seed 0

Each searches tests/faults/small.py with two worker processes, is killed as a whole after a number of epochs that the
seed decides, and started again, until a start ends by itself. Optuna runs `study.optimize` with `load_if_exists` and
`MaxTrialsCallback`, on SQLite: once as it is, once with a heartbeat and `RetryFailedTrialCallback`.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
from optuna.storages import RDBStorage, RetryFailedTrialCallback
from optuna.study import MaxTrialsCallback
from optuna.trial import TrialState

from study.record.journal import Journal
from tests.faults import small

if TYPE_CHECKING:
    from collections.abc import Callable

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
SECONDS = 0.1  # that each epoch takes longer
WORKERS = 2
HEARTBEAT = 1  # second, Optuna's least; a trial counts as dead after two of them


def storage(url: str, *, heartbeat: bool) -> RDBStorage:
    """Open Optuna's database as its documentation does."""
    if not heartbeat:
        return RDBStorage(url)
    return RDBStorage(
        url, heartbeat_interval=HEARTBEAT, grace_period=2 * HEARTBEAT, failed_trial_callback=RetryFailedTrialCallback()
    )


def optimize(url: str, trials: int, *, heartbeat: bool) -> None:
    """Be one of Optuna's processes."""
    study = optuna.create_study(
        study_name="small", storage=storage(url, heartbeat=heartbeat), direction="maximize", load_if_exists=True
    )

    def objective(trial: optuna.Trial) -> float:
        score = 0.0
        recipe = small.Small(lr=trial.suggest_float("lr", 1e-3, 0.3, log=True), seconds=SECONDS)
        for epoch in small.train(recipe, None):
            score = epoch.metrics["score"]
            trial.report(score, epoch.number)
            if trial.should_prune():
                raise optuna.TrialPruned
        return score

    study.optimize(objective, callbacks=[MaxTrialsCallback(trials, states=FINISHED)])


def killed(start: Callable[[], list[subprocess.Popen]], epochs: Callable[[], int], kills: int, seed: int) -> int:
    """Kill everything after some epochs, again and again, then let it end; give the number of kills."""
    chance, done = random.Random(seed), 0  # noqa: S311 - the plan of the kills
    while True:
        processes = start()
        until = epochs() + chance.randint(1, 8)
        while any(each.poll() is None for each in processes):
            if done < kills and epochs() >= until:
                done += 1
                time.sleep(chance.uniform(0, 0.2))
                for each in processes:
                    with suppress(ProcessLookupError):
                        os.killpg(each.pid, signal.SIGKILL)
                break
            time.sleep(0.02)
        codes = [each.wait() for each in processes]
        if not any(codes):
            return done


def spawn(*command: str) -> subprocess.Popen:
    """Start a process with a group of its own, and throw away what it prints."""
    return subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def optunas(trials: int, kills: int, seed: int, folder: Path, *, heartbeat: bool) -> tuple[int, Counter[str]]:
    """Run plain Optuna under the plan; count the states in its database."""
    file = folder / f"optuna-{heartbeat}.db"
    url, how = f"sqlite:///{file}", "heartbeat" if heartbeat else "plain"
    storage(url, heartbeat=heartbeat).engine.dispose()

    def epochs() -> int:
        with closing(sqlite3.connect(file, timeout=60)) as connection:
            return connection.execute("SELECT COUNT(*) FROM trial_intermediate_values").fetchone()[0]

    def start() -> list[subprocess.Popen]:
        command = ("-m", "benchmarks.reliability_optuna", "--worker", url, "--how", how, "--trials", str(trials))
        return [spawn(*command) for _ in range(WORKERS)]

    done = killed(start, epochs, kills, seed)
    every = optuna.load_study(study_name="small", storage=url).trials
    count = Counter(trial.state.name for trial in every)
    count["same parameters"] = len(every) - len({trial.params.get("lr") for trial in every})
    return done, count


def ours(trials: int, kills: int, seed: int, folder: Path) -> tuple[int, Counter[str]]:
    """Run `study` under the plan; count the states in Optuna's database, which it tells."""
    home = folder / "home"
    command = (
        "-m", "study", "run", small.__file__, "--trials", str(trials), "--home", str(home), "--workers", str(WORKERS),
        "--set", f"seconds={SECONDS}",
    )  # fmt: skip
    journal = Journal(home / "studies" / "small")

    def epochs() -> int:
        logs = journal.folder.glob("trials/*/log.jsonl")
        return sum(log.read_bytes().count(b'"kind": "epoch"') for log in logs)

    done = killed(lambda: [spawn(*command)], epochs, kills, seed)
    every = optuna.load_study(study_name="small", storage=f"sqlite:///{home}/optuna.db").trials
    count = Counter(trial.state.name for trial in every)
    count["same parameters"] = len(every) - len({trial.params.get("lr", trial.number) for trial in every})
    return done, count


def main() -> None:
    """Run all three and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--how", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if asked.worker:
        optimize(asked.worker, asked.trials, heartbeat=asked.how == "heartbeat")
        return
    columns = ("COMPLETE", "PRUNED", "FAIL", "RUNNING", "same parameters")
    print("| who | kills | finished |", *(f"{name.lower()} |" for name in columns))
    print("|---" * (3 + len(columns)), end="|\n")
    with tempfile.TemporaryDirectory(prefix="study-reliability-") as folder:
        plan = (asked.trials, asked.kills, asked.seed, Path(folder))
        for who, (kills, count) in {
            "study": ours(*plan),
            "Optuna": optunas(*plan, heartbeat=False),
            "Optuna, heartbeat and retry": optunas(*plan, heartbeat=True),
        }.items():
            finished = f"{count['COMPLETE'] + count['PRUNED']} of {asked.trials}"
            print(f"| {who} | {kills} | {finished} |", *(f"{count[name]} |" for name in columns))


if __name__ == "__main__":
    main()
