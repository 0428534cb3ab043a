"""A worker: takes a job, trains, saves the checkpoint, then tells; ends with the process that it works for."""

from __future__ import annotations

import inspect
import math
import os
import queue
import sys
import threading
import time
import traceback
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from study.errors import PlaceError, StudyError
from study.events import Epoch, Event, Failed, Finished, Started, Stopped, Stuck
from study.imports import import_object

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from multiprocessing.connection import Connection
    from pathlib import Path

    from study.executors import Job


def perform(job: Job, device: str) -> Iterator[Event]:
    """Run a job and yield its events; whoever iterates stops it by asking no more."""
    try:
        yield from _train(job, device)
    except PlaceError as error:
        yield Stuck(error)
    except StudyError as error:
        yield Failed(str(error), traceback.format_exc())
    except Exception as error:  # a training may raise anything; its trial fails, the search goes on
        yield Failed(f"{type(error).__name__}: {error}".split("\n")[0], traceback.format_exc())


def _train(job: Job, device: str) -> Iterator[Event]:
    from study.engine import checkpoint  # noqa: PLC0415 - torch, which the coordinator's process does without

    train = import_object(job.train)
    recipe = import_object(job.recipe_type).model_validate(job.recipe)
    saved = checkpoint.load(job.checkpoint)
    epochs = [Epoch(**epoch) for epoch in saved["epochs"]] if saved else []
    yield Started(len(epochs), device)
    yield from epochs
    training = _call(train, recipe, saved["state"] if saved else None, {"device": device, "test": job.test})
    while True:
        began = time.perf_counter()
        try:
            epoch = next(training)
        except StopIteration as end:
            yield Finished(end.value)
            return
        if not epoch.seconds:
            epoch = replace(epoch, seconds=time.perf_counter() - began)
        _require_metric(job, epoch)
        _keep(job, epochs, epoch)
        epochs.append(replace(epoch, state=None))
        yield epochs[-1]


def _call(train: Any, recipe: Any, resume: Any, offered: Mapping[str, Any]) -> Generator[Epoch, None, Any]:
    """Call the training with what its signature takes of what is offered."""
    taken = {name: value for name, value in offered.items() if name in inspect.signature(train).parameters}
    return cast("Generator[Epoch, None, Any]", iter(train(recipe, resume, **taken)))


def _require_metric(job: Job, epoch: Epoch) -> None:
    if job.metric not in epoch.metrics:
        there = ", ".join(epoch.metrics) or "none"
        raise StudyError(
            f"epoch {epoch.number} has no metric {job.metric!r}, by which the study judges; it has {there}"
        )


def _keep(job: Job, before: list[Epoch], epoch: Epoch) -> None:
    """Save the best weights and what is needed to go on, before anyone hears of the epoch."""
    from study.engine import checkpoint  # noqa: PLC0415 - as above

    if epoch.state is None or not all(map(math.isfinite, epoch.metrics.values())):
        return
    state = epoch.state()
    sign = 1 if job.maximize else -1
    value = sign * epoch.metrics[job.metric]
    if "model" in state and all(value > sign * past.metrics[job.metric] for past in before):
        about = {"epoch": str(epoch.number), job.metric: repr(epoch.metrics[job.metric])}
        checkpoint.save_best(job.best, state["model"], about)
    done = [
        {"number": past.number, "metrics": dict(past.metrics), "seconds": past.seconds} for past in (*before, epoch)
    ]
    checkpoint.save(job.checkpoint, {"epochs": done, "state": state})


def main(connection: Connection, environment: Mapping[str, str], device: str) -> None:
    """Serve jobs from the connection until it closes; the process ends when its other side does.

    Messages in: a Job, then True (go on) or False (stop) for every Epoch. Messages out: events.
    """
    import torch  # noqa: PLC0415 - as above

    os.environ.clear()
    os.environ.update(environment)
    torch.set_num_threads(1)
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, messages), daemon=True).start()
    while True:
        job = messages.get()
        with _output_to(job.checkpoint.with_name("output.log")):
            for event in perform(job, device):
                connection.send(event)
                if isinstance(event, Epoch) and not messages.get():
                    connection.send(Stopped())
                    break


def _listen(connection: Connection, messages: queue.SimpleQueue[Any]) -> None:
    while True:
        try:
            messages.put(connection.recv())
        except (EOFError, OSError):
            os._exit(0)  # whoever wanted the result is gone; the checkpoint is whole at every moment


@contextmanager
def _output_to(path: Path) -> Generator[None]:
    """Let what a training prints go to a file of its trial: stdout is for data, the terminal for the live view."""
    sys.stdout.flush()
    sys.stderr.flush()
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        if path.stat().st_size == 0:
            path.unlink()
