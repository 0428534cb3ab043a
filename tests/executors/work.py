"""A training for tests of executors: fast, and it raises, meets a full disk or kills its process when told to."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path

import torch
from pydantic import BaseModel

from study import Epoch, Study
from study.errors import PlaceError, StudyError

RAISED = {
    "device": RuntimeError("CUDA error: device-side assert triggered"),
    "wrapped": StudyError("mine:Net: RuntimeError: cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    "accelerator": torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
    "memory": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
    "interrupt": KeyboardInterrupt(),
    "cancelled": asyncio.CancelledError("late"),
}
RAISED["wrapped"].__cause__ = RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED")


class Work(BaseModel):
    """What the training does, and before which epoch.

    Args:
        fault: raises, prints, exits, quits (by sys.exit), forks, hangs (once), loads (with processes of its own), full
            (the disk, once), kills (its own process, once), or a name of `RAISED`; empty for none.
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
    if fault == "quits":
        sys.exit("bad data")
    if fault == "forks":
        child = multiprocessing.Process(target=time.sleep, args=(600,))
        child.start()
        Path("child").write_text(str(child.pid))
    if fault == "loads":
        from torch.utils.data import DataLoader

        assert [int(each) for each in DataLoader(range(4), batch_size=None, num_workers=2)] == [0, 1, 2, 3]
    if fault in RAISED:
        raise RAISED[fault]
    if Path("struck").exists():
        return
    Path("struck").touch()
    if fault == "full":  # the checkpoint is written beside its place first: there, every write finds the disk full
        for pid in {os.getpid(), int(Path("caller").read_text())}:  # of whoever writes it
            Path(f"0/.checkpoint.pt.{pid}").symlink_to("/dev/full")
    if fault == "hangs":
        time.sleep(3600)
    if fault == "kills":
        os.kill(os.getpid(), signal.SIGKILL)


study = Study(name="work", recipe=Work(), train=train, metric="score")
