"""The trainers on a Ray cluster: one for each place that its nodes have, as nodes come and go."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from study.errors import PlaceError
from study.executors import cluster
from study.executors.cluster import ActorDiedError, GetTimeoutError, RayActorError, RayError, RayTaskError, ray
from study.executors.shares import Share
from study.executors.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from study.executors import Job, Resources

log = logging.getLogger("study")
LOOK = 1.0  # seconds between two looks at the cluster's nodes
STARTS = 5  # trainers that may be lost as they start, before the first is ready
FETCHING = 60.0  # seconds in which a reply must arrive that is ready on its node


@dataclass(slots=True, eq=False)
class Slot:
    """A trainer.

    Args:
        actor: Ray's handle of it.
        about: what it says of itself; empty until it is ready.
        job: that it trains, or None.
        attempt: number of the job's attempt.
        anew: why the job does not go on from its checkpoint; empty if it does, or has none.
        gpus: what it takes of its node.
        place: folder of the attempt, in which it writes the job's files; None if it sends them.

    """

    actor: Any
    about: dict[str, Any] = field(default_factory=dict[str, Any])
    job: Job | None = None
    attempt: int = 0
    anew: str = ""
    gpus: float = 0.0
    place: Path | None = None

    @property
    def is_idle(self) -> bool:
        """Whether it is ready and trains nothing."""
        return bool(self.about) and self.job is None


class Pool:
    """Asks for trainers, hears of them, and forgets those that are lost."""

    def __init__(self, resources: Resources) -> None:
        """Ask for the first ones.

        Raises:
            PlaceError: no node has room for one.

        """
        self.slots: list[Slot] = []
        self.is_strict = True  # whether a node that cannot be used is an error
        self._resources, self.share = resources, Share(_gpus(resources), is_measured=resources.gpus == "auto")
        self._waits: dict[Any, Slot] = {}  # by the reference of what it was asked
        self._refused: set[str] = set()
        self._looked = 0.0
        self._tried = 0  # trainers that were lost as they started, since one was ready
        self._require_room()
        self.look()

    @property
    def ready(self) -> list[Slot]:
        """The trainers that are ready, those that train included."""
        return [slot for slot in self.slots if slot.about]

    def ask(self, slot: Slot, reference: Any) -> None:
        """Wait for what a trainer was asked."""
        self._waits[reference] = slot

    def wait(self, timeout: float) -> Iterator[tuple[Slot, Any]]:
        """Wait for trainers; gives the replies of those that train, or the error that is the end of one."""
        if self._waits:
            found, _ = ray.wait(list(self._waits), num_returns=1, timeout=timeout)
            if found:
                found, _ = ray.wait(list(self._waits), num_returns=len(self._waits), timeout=0)
            for reference in found:
                yield from self._take(reference)
        elif timeout:
            time.sleep(min(timeout, LOOK / 2))
        if time.monotonic() - self._looked > LOOK:
            self.look()

    def look(self) -> None:
        """Ask for as many trainers as the nodes that are there have room for; forget idle ones of lost nodes."""
        self._looked = time.monotonic()
        nodes = cluster.alive()
        for slot in [slot for slot in self.slots if slot.is_idle and slot.about["node"] not in nodes]:
            self.drop(slot)
        for slot in list(self.slots):
            self.renew(slot)
        wanted = sum(self._room(node) for name, node in nodes.items() if name not in self._refused)
        wanted = min(wanted, self._resources.workers or wanted)
        spare = [slot for slot in self.slots if not slot.about][: max(0, len(self.slots) - wanted)]
        for slot in spare:
            self.drop(slot)
        for _ in range(wanted - len(self.slots)):
            self.slots.append(slot := Slot(self._make(), gpus=self.share.gpus))
            self.ask(slot, slot.actor.ready.remote())

    def renew(self, slot: Slot) -> None:
        """Drop a trainer that trains nothing and takes more or less than a trial is to take: another one follows."""
        if slot.job is None and slot.gpus != self.share.gpus:
            self.drop(slot)

    def drop(self, slot: Slot) -> None:
        """Kill a trainer and read nothing of it any more."""
        with suppress(RayError, ValueError):
            ray.kill(slot.actor, no_restart=True)
        self._waits = {reference: other for reference, other in self._waits.items() if other is not slot}
        slot.job = None
        if slot in self.slots:
            self.slots.remove(slot)

    def _take(self, reference: Any) -> Iterator[tuple[Slot, Any]]:
        slot = self._waits.pop(reference, None)
        if slot is None:  # it was dropped meanwhile
            return
        try:
            reply: Any = ray.get(reference, timeout=FETCHING)
        except (RayError, GetTimeoutError) as error:
            if slot.about:
                yield slot, error
            else:
                self._could_not_start(slot, error)
            return
        if slot.about:
            yield slot, reply
            return
        try:
            cluster.require_same(reply["versions"], reply["host"])
        except PlaceError as error:
            self.drop(slot)
            self._refused.add(reply["node"])
            if self.is_strict:
                raise
            log.warning("%s It is not used.", error)
        else:
            slot.about, self._tried = reply, 0

    def _could_not_start(self, slot: Slot, error: Exception) -> None:
        """Tell a node that cannot train from a trainer that was lost with its node or killed: another one is tried."""
        self.drop(slot)
        reason = cause(error)
        is_unfit = isinstance(error, RayTaskError) or (isinstance(error, ActorDiedError) and error.actor_init_failed)
        self._tried += 1
        if self.is_strict and (is_unfit or self._tried > STARTS):
            raise PlaceError(f"a node cannot train: {reason}", fix="See `study doctor` on that node.")
        if is_unfit:
            log.warning("a node cannot train: %s", reason)

    def _make(self) -> Any:
        kind: Any = ray.remote(Trainer)
        resources = {"num_cpus": self._resources.cpus, "num_gpus": self.share.gpus}
        avoiding = {"label_selector": {"ray.io/node-id": f"!in({', '.join(self._refused)})"}} if self._refused else {}
        options = {"max_restarts": 0, "max_task_retries": 0, **resources, **avoiding}
        return kind.options(**options).remote(self._resources.device)

    def _room(self, node: dict[str, Any]) -> int:
        return cluster.room(node, self._resources.cpus, self.share.gpus)

    def _require_room(self) -> None:
        nodes = [node["Resources"] for node in cluster.alive().values()]
        if any(map(self._room, cluster.alive().values())):
            return
        largest = max(nodes, key=lambda each: (each.get("GPU", 0), each.get("CPU", 0)), default={})
        what = f"no node has {self._resources.cpus:g} CPUs and {self.share.gpus:g} GPUs for a trial"
        has = f"The largest has {largest.get('CPU', 0):g} and {largest.get('GPU', 0):g}."
        raise PlaceError(what, fix=f"{has} See --cpus-per-trial and --gpus-per-trial.")


def is_lost(slot: Slot, error: Exception) -> bool:
    """Tell whether a trainer has died with its node, or cannot be reached, rather than by itself."""
    gone = slot.about["node"] not in cluster.alive()
    return gone or not isinstance(error, ActorDiedError) or "its node has died" in str(error)


def cause(error: Exception) -> str:
    """Say in one line what a trainer has died of."""
    if isinstance(error, RayActorError) and "worker process has died" in str(error):
        return "the worker was ended by SIGKILL (out of memory?), or has crashed"
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1].strip()}"[:300]


def _gpus(resources: Resources) -> float:
    if resources.device == "cpu":
        return 0.0
    return cluster.gpus_of_trial(None if resources.gpus == "auto" else resources.gpus)
