"""The executor for a Ray cluster: an actor for each slot, which come and go with the cluster's nodes.

All that a trainer sends is a reply to a call of ours, so what an older attempt sends later is read by nobody. Ray
restarts and retries nothing: what is to happen with a trial whose trainer has died is decided by the loop.
"""

from __future__ import annotations

import atexit
import logging
import os
import platform
import time
import uuid
from collections import deque
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.errors import PlaceError, StudyError
from study.events import Died, Epoch, Event, Failed, Started, Stuck
from study.executors import calls, cluster, wire
from study.executors.cluster import RayError, ray
from study.executors.object_store import Uploader
from study.executors.pool import LOOK, Pool, Slot, cause, is_lost
from study.executors.shares import OUT_OF_MEMORY
from study.executors.trainer import Order
from study.record import atomic_files
from study.record.journal import ATTEMPT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from study.executors import Job, Resources

log = logging.getLogger("study")
STARTING = 120.0  # seconds in which a first slot must be ready: a node loads torch, or others use the cluster
TOGETHER = 3.0  # seconds after it in which the others are waited for, too
WAITING = 30.0  # seconds that a job waits where there is no slot at all
ENDING = 5.0  # seconds in which killed trainers end
ENSURE = {"study.engine.sources:ensure", "study.engine.made:make"}  # they make a file of this machine's


class Ray:
    """Runs each job in an actor; its slots are the actors that are ready."""

    def __init__(self, connection: cluster.Connection, resources: Resources) -> None:
        """Ask for the actors; `wait_for_slots` waits for them.

        Raises:
            InputError: no node has room for one job.

        """
        self._connection = connection
        self._pool, self._is_shared = Pool(resources), resources.shared_home
        self._uploader = Uploader(ray.put, ray.get_runtime_context().get_node_id())
        self._queue: deque[tuple[float, Job]] = deque()  # with the moment until which it waits
        self._found: list[tuple[int, Event]] = []
        self._attempts: dict[int, int] = {}
        self._closed = False
        atexit.register(self.close)

    @property
    def slots(self) -> int:
        """How many trainers are ready, those that train included."""
        return len(self._pool.ready)

    def wait_for_slots(self) -> None:
        """Wait until the trainers are ready, or one of them is and the others take longer: they join the search later.

        Raises:
            InputError: a node has other versions or lacks the device; or none has become free.

        """
        until = time.monotonic() + STARTING
        while len(self._pool.slots) > self.slots and time.monotonic() < until:
            before = self.slots
            list(self._pool.wait(LOOK))
            if self.slots and not before:
                until = time.monotonic() + TOGETHER
        self._pool.is_strict = False
        if not self.slots:
            raise _no_room()

    def call(self, function: str, *arguments: Any, report: Callable[[str, float | None], None] | None = None) -> Any:
        """Call a function in an idle trainer, or on this machine what makes a file here: see `Call`."""
        if function in ENSURE:
            from study.executors.local import Local  # noqa: PLC0415 - starts a server, and is rarely used

            with closing(Local()) as here:
                return here.call(function, *arguments, report=report)
        slot = self._idle()
        asked = calls.Asked(function, arguments, reports=report is not None)
        what = (asked, str(Path.cwd()), self._uploader.upload(function, arguments))
        try:
            sent = slot.actor.call.options(num_returns="streaming").remote(*what)
            return calls.result_of(map(ray.get, sent), function, report)
        except RayError as error:
            self._pool.drop(slot)
            raise StudyError(cause(error), where=function) from error

    def submit(self, job: Job) -> None:
        """Give the job to an idle trainer, or let it wait for one."""
        self._queue.append((time.monotonic() + WAITING, job))
        self._assign()

    def events(self, timeout: float) -> Sequence[tuple[int, Event]]:
        """Wait for a trainer to send an event or to die; look for new and lost nodes now and then."""
        if not self._closed:
            self._hear(0.0 if self._found else timeout)
            self._assign()
        found, self._found = self._found, []
        return found

    def answer(self, number: int, *, go_on: bool) -> None:
        """Pass the answer to the trainer."""
        for slot in self._training(number):
            self._pool.ask(slot, slot.actor.next.remote() if go_on else slot.actor.stop.remote())

    def kill(self, number: int) -> None:
        """Kill the job's trainer, and read nothing of it any more; a job that waits for one goes on waiting."""
        for slot in self._training(number):
            self._pool.drop(slot)
            self._found.append((number, Died("the worker was killed")))

    def close(self) -> None:
        """Kill all trainers and disconnect."""
        atexit.unregister(self.close)
        if self._closed:
            return
        self._closed = True
        slots = list(self._pool.slots)
        for slot in slots:
            self._pool.drop(slot)
        _wait_for_end(slots)
        self._queue.clear()
        self._connection.close()

    def _hear(self, timeout: float) -> None:
        """Wait for what trainers send, and take it."""
        for slot, reply in self._pool.wait(timeout):
            if isinstance(reply, wire.Reply):
                self._take(slot, reply)
            else:
                self._bury(slot, reply)

    def _idle(self) -> Slot:
        """Wait for a trainer that trains nothing.

        Raises:
            PlaceError: there is none for too long.

        """
        until = time.monotonic() + STARTING
        while (slot := next((slot for slot in self._pool.slots if slot.is_idle), None)) is None:
            if time.monotonic() > until:
                raise _no_room()
            self._hear(LOOK)
        return slot

    def _training(self, number: int) -> list[Slot]:
        return [slot for slot in self._pool.slots if slot.job and slot.job.number == number]

    def _take(self, slot: Slot, reply: wire.Reply) -> None:
        job = slot.job
        if job is None or reply.attempt != slot.attempt:
            return
        try:
            event = wire.decode(reply.event)
            wire.write(job, reply.files)
            if slot.place is not None:
                wire.take(job, reply.moved, slot.place)
        except wire.BadMessage as error:
            event = Died(f"the worker sent {error}")
        except PlaceError as error:
            self._pool.drop(slot)
            event = Stuck(error)
        event = self._measured(slot, event, reply.memory)
        if isinstance(event, Started):
            event = replace(event, chip=slot.about["chip"], host=slot.about["host"], anew=slot.anew or event.anew)
            self._pool.ask(slot, slot.actor.next.remote())
        elif isinstance(event, Died):
            self._pool.drop(slot)
        elif not isinstance(event, Epoch):
            slot.job = None
            self._pool.renew(slot)
        self._found.append((job.number, event))

    def _measured(self, slot: Slot, event: Event, memory: float) -> Event:
        """Learn what a trial needs of a GPU, where that is measured; one with too little is to be trained again."""
        share = self._pool.share
        if isinstance(event, Epoch) and share.learn(memory):
            log.info("trials take %.3g of a GPU now: one has needed %.0f %% of its memory", share.gpus, 100 * memory)
        elif isinstance(event, Failed) and event.reason.startswith(OUT_OF_MEMORY) and share.widen(slot.gpus):
            what = f"too little memory with {slot.gpus:.3g} of a GPU; trials take {share.gpus:.3g} now"
            return Died(what, is_own=False)
        return event

    def _bury(self, slot: Slot, error: Exception) -> None:
        job, lost = slot.job, is_lost(slot, error)
        self._pool.drop(slot)
        if job is not None:
            reason = f"node {slot.about['host']} is lost" if lost else cause(error)
            self._found.append((job.number, Died(reason, is_own=not lost)))

    def _assign(self) -> None:
        """Give waiting jobs to idle trainers; one with a checkpoint to its kind of chip, as long as there is one."""
        left: deque[tuple[float, Job]] = deque()
        for until, job in self._queue:
            chips = {slot.about["chip"] for slot in self._pool.ready}
            bound = job.chip if job.chip in chips and any(place.exists() for place in _checkpoints(job)) else ""
            idle = [slot for slot in self._pool.slots if slot.is_idle and bound in {"", slot.about["chip"]}]
            if idle:
                self._start(idle[0], job)
            elif chips or time.monotonic() < until:
                left.append((until, job))
            else:
                self._found.append((job.number, Died("no node of the cluster has room for it", is_own=False)))
        self._queue = left

    def _start(self, slot: Slot, job: Job) -> None:
        saved, chip = [place.absolute() for place in _checkpoints(job) if place.exists()], slot.about["chip"]
        moved = bool(saved and job.chip and job.chip != chip)
        slot.job, slot.anew = job, ""
        if moved:
            slot.anew = f"it was begun on {job.chip}, of which no node is left, and is on {chip} now"
        slot.attempt = self._attempts[job.number] = self._attempts.get(job.number, 0) + 1
        inputs = self._uploader.upload(job.train, job.recipe_type, dict(job.recipe))
        saved, slot.place = [] if moved else saved, None
        if self._is_shared:
            slot.place = job.checkpoint.absolute().with_name(f"{ATTEMPT}{uuid.uuid4().hex}")
            paths = tuple(map(str, saved))
            order = Order(job, slot.attempt, {}, str(Path.cwd()), inputs, str(slot.place), paths)
        else:
            files = {place.name: place.read_bytes() for place in saved}
            order = Order(job, slot.attempt, files, str(Path.cwd()), inputs)
        self._pool.ask(slot, slot.actor.start.remote(order))


def make(resources: Resources) -> Ray:
    """Make the executor, on the cluster at the address or at RAY_ADDRESS; without one it starts Ray here.

    Raises:
        InputError: no cluster answers, it refuses us, has other versions or no room for a trial.

    """
    address = resources.address or os.environ.get("RAY_ADDRESS", "")
    with ExitStack() as undo:
        connection = undo.enter_context(closing(cluster.connect(address)))
        made = undo.enter_context(closing(Ray(connection, resources)))
        made.wait_for_slots()
        undo.pop_all()
    return made


def _no_room() -> PlaceError:
    fix = "Do others use all of it? See `ray status`."
    return PlaceError(f"the cluster has had no room for a trial within {STARTING:.0f} s", fix=fix)


def _checkpoints(job: Job) -> tuple[Path, Path]:
    return job.checkpoint, atomic_files.before(job.checkpoint)


def _wait_for_end(slots: Sequence[Slot]) -> None:
    """Wait until the trainers of this machine have ended, as far as they do soon."""
    until = time.monotonic() + ENDING
    pids = [slot.about["pid"] for slot in slots if slot.about.get("host") == platform.node()]
    while any(map(atomic_files.is_alive, pids)) and time.monotonic() < until:
        time.sleep(0.02)
