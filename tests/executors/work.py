"""A training for tests of executors: fast, and it raises, meets a full disk or kills its process when told to."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from pydantic import BaseModel

from study import Epoch, Study
from study.errors import PlaceError


class Work(BaseModel):
    """What the training does, and before which epoch.

    Args:
        fault: raises, prints, exits, full (the disk, once), kills (its own process, once); empty for none.
        at: the epoch that the fault comes before.
        seconds: length of an epoch.
        variable: name of an environment variable, the value of which is reported.

    """

    x: float = 0.0
    epochs: int = 3
    fault: str = ""
    at: int = 2
    seconds: float = 0.0
    variable: str = ""


def train(recipe, resume):
    """Score x + epoch / 10; report the process and the first epoch that was trained in it."""
    first = resume["epoch"] + 1 if resume else 1
    for number in range(first, recipe.epochs + 1):
        with Path("begun").open("a") as file:
            file.write(f"{recipe.x} {number}\n")
        time.sleep(recipe.seconds)
        if recipe.fault and number == recipe.at:
            strike(recipe.fault)
        metrics = {"score": recipe.x + number / 10, "first": float(first), "pid": float(os.getpid())}
        if recipe.variable:
            metrics["variable"] = float(os.environ[recipe.variable])
        yield Epoch(number, metrics, state=lambda number=number: {"epoch": number})
    return {"score": recipe.x}


def half_done(number, report=None):
    """Double a number, and tell of it on the way."""
    if report:
        report("half", 0.5)
    return 2 * number


def refuse():
    """Raise an error of three parts."""
    raise PlaceError("full", where="disk", fix="Free some.")


def strike(fault):
    """Let the fault happen; a fault that happens once leaves a file `struck`."""
    if fault == "raises":
        raise ValueError("boom")
    if fault == "prints":
        sys.stdout.write("printed\n")
    if fault == "exits":
        os._exit(3)
    if Path("struck").exists():
        return
    Path("struck").touch()
    if fault == "full":  # the checkpoint is written beside its place first: there, every write finds the disk full
        Path(f"0/.checkpoint.pt.{os.getpid()}").symlink_to("/dev/full")
    if fault == "kills":
        os.kill(os.getpid(), signal.SIGKILL)


study = Study(name="work", recipe=Work(), train=train, metric="score")
