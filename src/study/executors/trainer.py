"""The actor that Ray runs on a node for each slot: trains there, and writes only into a folder of its own.

What changes in that folder goes to the coordinator with each event, which writes it before it answers.
"""

from __future__ import annotations

import os
import platform
import queue
import shutil
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study import environment, scratch
from study.errors import PlaceError, StudyError
from study.events import Failed, Stopped, Stuck
from study.executors import calls, worker
from study.executors.object_store import Downloader
from study.executors.printed import output_to
from study.executors.wire import OUTPUT, Reply, encode, places_of
from study.record import atomic_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from study.events import Event
    from study.executors import Job
    from study.executors.object_store import Inputs


@dataclass(frozen=True, slots=True)
class Order:
    """A job for a trainer.

    Args:
        job: its paths are the coordinator's, and are not used.
        attempt: number of the attempt, from 1.
        files: content of its checkpoints, by name.
        folder: the coordinator's working folder, which the training sees too if this node has it.
        shared: folder of this attempt alone that the coordinator sees, too; empty to send files.
        resumed: paths of its checkpoints, which it sees as well.
        inputs: data and code that the training needs.

    """

    job: Job
    attempt: int
    files: Mapping[str, bytes]
    folder: str
    inputs: Inputs
    shared: str = ""
    resumed: tuple[str, ...] = ()


class Trainer:
    """Runs one job or call at a time; its methods are called by the coordinator, one after the other."""

    def __init__(self, device: str) -> None:
        """Load torch, and make the folder.

        Args:
            device: as a person names it.

        """
        import_module("study.executors.preload")  # in this process alone: it sets malloc, threads and signals
        import ray  # noqa: PLC0415 - what starts this process has it
        import torch  # noqa: PLC0415

        from study.engine import device as devices  # noqa: PLC0415 - as above

        torch.set_num_threads(1)
        self._device = devices.pick(device)
        self._forget_memory, self._memory_share = devices.forget_memory, devices.memory_share
        top = scratch.folder("trainer")
        self._folder = top / "trial"
        self._folder.mkdir()
        self._downloader = Downloader(ray.get, ray.get_runtime_context().get_node_id(), top)
        self._attempt, self._place = 0, self._folder  # where the job's files are written
        self._events: Iterator[Event] = iter(())
        self._names: set[str] = set()  # of the job's files
        self._known: dict[str, tuple[int, int]] = {}
        self._shown = 0  # bytes of the output that were sent

    def ready(self) -> dict[str, Any]:
        """Tell where this is, what it runs with, and on which processor or GPU: equal ones give equal bits."""
        import ray  # noqa: PLC0415 - what starts this process has it
        import torch  # noqa: PLC0415 - as above

        here = environment.versions()
        chip = torch.cuda.get_device_name(self._device) if self._device.startswith("cuda") else here["processor"]
        return {
            "pid": os.getpid(),
            "device": self._device,
            "chip": chip,
            "node": ray.get_runtime_context().get_node_id(),
            "host": platform.node(),
            "versions": {**{name: here[name] for name in ("python", "torch", "study")}, "ray": version("ray")},
        }

    def start(self, order: Order) -> Reply:
        """Begin a job; gives its first event."""
        for left in self._folder.iterdir():
            left.unlink()
        self._attempt, self._shown, self._place = order.attempt, 0, Path(order.shared or self._folder)
        for name, content in order.files.items():
            atomic_files.write(self._folder / name, [content])
        if order.shared:
            try:
                _take_up(self._place, order.resumed)
            except OSError as error:
                fix = "With --shared-home all nodes must see the home folder at the same path, and may write there."
                self._events = iter((Stuck(PlaceError(f"{platform.node()}: {error}", fix=fix)),))
                return self._step()
        job = order.job
        here = {name: self._place / place.name for name, place in places_of(job).items()}
        os.chdir(order.folder if Path(order.folder).is_dir() else self._folder)
        self._names = {place.name for place in here.values()}
        self._known = self._marks()
        self._events = self._run(replace(job, **here), order.inputs)
        self._forget_memory(self._device)
        return self._step()

    def next(self) -> Reply:
        """Train the next epoch; gives the next event."""
        return self._step()

    def stop(self) -> Reply:
        """Stop the job after its last epoch."""
        self._events = iter((Stopped(),))
        return self._step()

    def call(
        self, asked: calls.Asked, folder: str, inputs: Inputs
    ) -> Iterator[calls.Told | calls.Returned | calls.Raised]:
        """Call a function; gives how far it is, and last what it returned or raised."""
        if Path(folder).is_dir():
            os.chdir(folder)
        self._downloader.download(inputs)
        told: queue.SimpleQueue[Any] = queue.SimpleQueue()
        end = threading.Thread(target=lambda: told.put(worker.call_function(asked, told.put)), daemon=True)
        end.start()
        while True:
            message = told.get()
            yield message
            if not isinstance(message, calls.Told):
                return

    def _run(self, job: Job, inputs: Inputs) -> Iterator[Event]:
        try:
            self._downloader.download(inputs)
        except PlaceError as error:
            yield Stuck(error)
        except StudyError as error:
            yield Failed(str(error), "")
        else:
            yield from worker.events(job, self._device)

    def _step(self) -> Reply:
        with output_to(self._folder / OUTPUT):
            text = encode(next(self._events))
        files = dict(self._changed())
        moved = tuple(files.keys() - {OUTPUT}) if self._place != self._folder else ()
        sent = {name: content for name, content in files.items() if name not in moved}
        return Reply(self._attempt, text, sent, self._memory_share(self._device), moved)

    def _marks(self) -> dict[str, tuple[int, int]]:
        return {
            file.name: ((stat := file.stat()).st_ino, stat.st_mtime_ns)
            for file in (self._place.iterdir() if self._place.is_dir() else ())
            if file.name in self._names
        }

    def _changed(self) -> Iterator[tuple[str, bytes]]:
        marks = self._marks()
        for name, mark in marks.items():
            if mark != self._known.get(name):
                yield name, b"" if self._place != self._folder else (self._place / name).read_bytes()
        self._known = marks
        with suppress(FileNotFoundError), (self._folder / OUTPUT).open("rb") as file:
            file.seek(self._shown)
            if more := file.read():
                self._shown += len(more)
                yield OUTPUT, more


def _take_up(folder: Path, resumed: Iterable[str]) -> None:
    """Make the folder of an attempt, with the checkpoints that it goes on from. Raises OSError."""
    folder.mkdir()
    for place in map(Path, resumed):
        try:
            os.link(place, folder / place.name)
        except OSError:  # a file system without hard links
            shutil.copy2(place, folder / place.name)
