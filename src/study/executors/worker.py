"""A worker: trains a job, saves each checkpoint, then sends the epoch; it ends with the process that it works for."""

from __future__ import annotations

import inspect
import json
import math
import multiprocessing
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from study import processes
from study.errors import PlaceError, StudyError
from study.events import Died, Epoch, Event, Failed, Finished, Started, Stopped, Stuck
from study.executors.calls import Asked, Raised, Returned, Told
from study.executors.own_program import as_its_own_program
from study.executors.printed import output_to
from study.imports import import_object
from study.knobs import explain

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from multiprocessing.connection import Connection

    from study.executors import Job
    from study.metric import Metric


def perform(job: Job, device: str) -> Iterator[Event]:
    """Run a job and yield its events; to stop it after an epoch, stop iterating."""
    try:
        yield from _train(job, device)
    except PlaceError as error:
        yield Stuck(error)
    except (GeneratorExit, KeyboardInterrupt):  # of the caller
        raise
    except BaseException as error:  # a training may raise anything; its trial fails, the search goes on
        yield _failure(error)


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".split("\n")[0]


def _failure(error: BaseException) -> Failed | Died:
    """Describe what a training raised: its trial fails, or this process can use its device no more."""
    from study.engine import device  # noqa: PLC0415 - torch, which the coordinator's process does not load

    trace = _traceback(error)
    line = _line(error)
    if device.has_failed(error):
        sys.stderr.write(trace)  # a worker's is the trial's output.log
        return Died(f"the device failed: {line}")
    if isinstance(error, SystemExit):
        return Failed(f"the training called sys.exit({'' if error.code is None else repr(error.code)})", trace)
    return Failed(str(error) if isinstance(error, StudyError) else line, trace)


def _traceback(error: BaseException) -> str:
    """Write the traceback of what a training raised, from its own code on."""
    step = error.__traceback__
    while step is not None and step.tb_frame.f_code.co_filename == __file__:
        step = step.tb_next
    return "".join(traceback.format_exception(type(error), error, step or error.__traceback__))


def _train(job: Job, device: str) -> Iterator[Event]:
    from study.engine import checkpoint  # noqa: PLC0415 - torch, which the coordinator's process does not load

    train = import_object(job.train)
    try:
        recipe = import_object(job.recipe_type).model_validate(job.recipe)
    except ValidationError as error:
        raise StudyError(f"its recipe class has been changed since: {explain(error)}") from error
    if job.data:
        from study.engine.data import require_same  # noqa: PLC0415 - as above

        require_same(recipe, *job.data)
    saved, damaged = checkpoint.recover(job.checkpoint)
    anew = ""
    if saved and any(job.metric.name not in epoch["metrics"] for epoch in saved["epochs"]):
        saved, anew = None, f"the study is judged by {job.metric.name!r} now, which its epochs do not have"
    epochs = [Epoch(**epoch, last=False) for epoch in saved["epochs"]] if saved else []
    known = len(epochs)
    yield Started(known, device, damaged, anew=anew)
    yield from epochs[:-1]
    weights = saved["state"].get("model") if saved else None  # of the last epoch
    with as_its_own_program(job.train):
        training = _call(train, recipe, saved["state"] if saved else None, {"device": device, "test": job.test})
    steps = _Steps(training, job.train, job.metric.name)
    if epochs:
        epochs[-1] = replace(epochs[-1], last=steps.is_last(replace(epochs[-1], last=None), recipe))
        yield epochs[-1]
    while True:
        taken = steps.take()
        if taken is None:
            _keep_last(job, epochs, weights)
            yield Finished(_report(job, _keep_correct(job, steps.result)))
            return
        epoch, seconds = taken
        epoch = _checked(job, epoch, len(epochs))
        if not epoch.seconds:
            epoch = replace(epoch, seconds=seconds)
        weights = _keep(job, epochs, epoch, is_first=len(epochs) == known)
        epochs.append(replace(epoch, state=None, last=steps.is_last(epoch, recipe)))
        yield epochs[-1]


class _Steps:
    """A training, run ahead by an epoch only where nothing else tells which epoch is its last."""

    def __init__(self, training: Generator[Epoch, None, Any], program: str, metric: str) -> None:
        self._training, self._program, self._metric = training, program, metric
        self._ahead: list[tuple[Epoch, float] | BaseException | None] = []
        self.result: Any = None

    def take(self) -> tuple[Epoch, float] | None:
        """Give the next epoch and the seconds that it took; None after the last one, whose result is then known."""
        taken = self._ahead.pop() if self._ahead else self._run()
        if isinstance(taken, BaseException):
            raise taken
        return taken

    def is_last(self, epoch: Epoch, recipe: Any) -> bool:
        """Tell whether an epoch, the one taken last, is the training's final one."""
        if epoch.last is not None:
            return epoch.last
        if (length := getattr(recipe, "epochs", None)) is not None:
            return epoch.number >= length
        if not math.isfinite(epoch.metrics[self._metric]):  # it is stopped
            return False
        try:
            self._ahead = [self._run()]
        except KeyboardInterrupt:  # of the caller
            raise
        except BaseException as error:  # the training's own, raised again when its turn comes: this epoch is told first
            self._ahead = [error]
        return self._ahead == [None]

    def _run(self) -> tuple[Epoch, float] | None:
        began = time.perf_counter()
        try:
            with as_its_own_program(self._program):
                return next(self._training), time.perf_counter() - began
        except StopIteration as end:
            self.result = end.value
            return None


def _call(train: Any, recipe: Any, resume: Any, offered: Mapping[str, Any]) -> Generator[Epoch, None, Any]:
    """Call the training with those of the offered arguments that its signature has."""
    taken = {name: value for name, value in offered.items() if name in inspect.signature(train).parameters}
    return cast("Generator[Epoch, None, Any]", iter(train(recipe, resume, **taken)))


def _checked(job: Job, epoch: Any, before: int) -> Epoch:
    """Check that a training yields the next epoch, with numbers as metrics; convert these to floats."""
    if not isinstance(epoch, Epoch):
        raise StudyError(f"the training yields {type(epoch).__name__}, not study.Epoch")
    if not 1 <= epoch.number <= before + 1:
        raise StudyError(f"the training yields epoch {epoch.number} where epoch {before + 1} is due: they count from 1")
    if job.metric.name not in epoch.metrics:
        there = ", ".join(epoch.metrics) or "none"
        raise StudyError(
            f"epoch {epoch.number} has no metric {job.metric.name!r}, by which the study judges; it has {there}"
        )
    return replace(epoch, metrics={name: _number(name, value) for name, value in epoch.metrics.items()})


def _number(name: str, value: Any) -> float:
    """Convert a number of Python, NumPy or torch to a float."""
    try:
        return float(value if hasattr(value, "__float__") else "")
    except (TypeError, ValueError, RuntimeError) as error:
        kind = type(value).__name__
        raise StudyError(f"metric {name!r} is a {kind}, not a number: {value!r}"[:200]) from error


def _keep(job: Job, before: list[Epoch], epoch: Epoch, *, is_first: bool) -> Mapping[str, Any] | None:
    """Save the checkpoint, and the weights if they are the best so far; return the epoch's weights.

    The first checkpoint of a process is also loaded: what could not be is refused before more epochs are trained.
    """
    from study.engine import checkpoint  # noqa: PLC0415 - as above

    if epoch.state is None or not math.isfinite(epoch.metrics[job.metric.name]):
        return None
    state = epoch.state()
    if "model" in state and _is_best(job.metric, before, epoch):
        checkpoint.save_weights(job.best, state["model"], _about(job, epoch))
    done = [
        {"number": past.number, "metrics": dict(past.metrics), "seconds": past.seconds} for past in (*before, epoch)
    ]
    checkpoint.save(job.checkpoint, {"epochs": done, "state": state}, is_tried=is_first)
    return state.get("model")


def _keep_last(job: Job, epochs: list[Epoch], weights: Mapping[str, Any] | None) -> None:
    """Save the weights of the last epoch, by which the training is judged, unless they are saved as the best ones."""
    from study.engine import checkpoint  # noqa: PLC0415 - as above

    if weights is not None and not _is_best(job.metric, epochs[:-1], epochs[-1]):
        checkpoint.save_weights(job.last, weights, _about(job, epochs[-1]))


def _report(job: Job, result: Any) -> dict[str, Any] | None:
    """Check what a training returns, less `correct`; arrays and numbers of NumPy and torch become JSON values."""
    if result is None:
        return None
    if not isinstance(result, Mapping):
        raise StudyError(f"the training returns a {type(result).__name__}, not a dict or nothing")
    tested = result.get("test")
    if not isinstance(tested, Mapping | None):
        raise StudyError(f"the training returns a {type(tested).__name__} as 'test', not a dict of scores")
    if tested and (value := tested.get(job.metric.measure)) is not None:
        result = {**result, "test": {**tested, job.metric.measure: _number(job.metric.measure, value)}}
    try:
        return json.loads(json.dumps(dict(result), default=_as_json))
    except (TypeError, ValueError) as error:
        raise StudyError(f"what the training returns is not JSON: {error}") from error


def _as_json(value: Any) -> Any:
    """Convert an array, a tensor or a number of NumPy or torch, or a mapping."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__}: {value!r}"[:200])


def _keep_correct(job: Job, result: Any) -> Any:
    """Save which test examples were right, if the training tells; return its report without them."""
    from study.record import correct  # noqa: PLC0415 - numpy, as above

    tested = result.get("test") if isinstance(result, Mapping) else None
    if not isinstance(tested, Mapping) or "correct" not in tested:
        return result
    if job.correct is not None:
        correct.write(job.correct, tested["correct"])
    return {**result, "test": {name: value for name, value in tested.items() if name != "correct"}}


def _about(job: Job, epoch: Epoch) -> dict[str, str]:
    return {"epoch": str(epoch.number), job.metric.name: repr(epoch.metrics[job.metric.name])}


def _is_best(metric: Metric, before: Iterable[Epoch], epoch: Epoch) -> bool:
    """Tell whether a finite epoch is better than all finite ones before it; of equal ones the first is the best."""
    earlier = metric.best(past.metrics[metric.name] for past in before)
    return earlier is None or metric.better(epoch.metrics[metric.name], earlier)


def main(connection: Connection, environment: Mapping[str, str]) -> None:
    """Run jobs and calls from the connection; the process ends when the other side closes it or ends.

    Messages in: a Job with its device, then True (go on) or False (stop) for every Epoch; or Asked. Messages out: the
    job's events; or Told, as often as there is something to tell, then Returned or Raised.
    """
    import torch  # noqa: PLC0415 - as above

    processes.lead_group()
    multiprocessing.current_process()._config["daemon"] = False  # noqa: SLF001 # pyright: ignore - may have children
    os.environ.clear()
    os.environ.update(environment)
    torch.set_num_threads(1)
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, messages), daemon=True).start()
    os.dup2(2, 1)  # what a person's own modules print as they are imported: stdout is for data
    while True:
        message = messages.get()
        if isinstance(message, Asked):
            connection.send(call_function(message, connection.send))
            continue
        job, device = message
        end: Event = Stopped()
        try:
            with output_to(job.checkpoint.with_name("output.log")):
                for event in events(job, device):
                    if not isinstance(event, Started | Epoch):
                        end = event
                        break
                    connection.send(event)
                    if isinstance(event, Epoch) and not messages.get():
                        break
        except PlaceError as error:
            end = Stuck(error)
        connection.send(end)  # once the files of the trial are as they stay


def events(job: Job, device: str) -> Iterator[Event]:
    """Run a job in a process that gets no Ctrl-C: if there is a KeyboardInterrupt, the training has raised it."""
    try:
        yield from perform(job, device)
    except KeyboardInterrupt as error:
        yield Failed("KeyboardInterrupt: raised by the training", _traceback(error))


def call_function(asked: Asked, send: Callable[[Told], None]) -> Returned | Raised:
    """Call a function, whatever it raises; `send` gets what it tells."""

    def tell(text: str, share: float | None) -> None:
        send(Told(text, share))

    try:
        function = import_object(asked.function)
        return Returned(function(*asked.arguments, **({"report": tell} if asked.reports else {})))
    except StudyError as error:
        return Raised(error)
    except (Exception, SystemExit) as error:  # a bug of ours, or a person's module that ends its program
        return Raised(StudyError(_line(error), where=asked.function), traceback.format_exc())


def _listen(connection: Connection, messages: queue.SimpleQueue[Any]) -> None:
    while True:
        try:
            messages.put(connection.recv())
        except (EOFError, OSError):
            processes.end_own_group()  # the coordinator is gone; the checkpoint is intact at every moment
