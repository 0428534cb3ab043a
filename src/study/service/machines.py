"""Where the runs of the queue train: on this machine, or on the nodes of a Ray cluster, which come and go."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol, Self

from study import choices
from study.errors import InputError, PlaceError
from study.executors import Resources
from study.formatting import plural
from study.service import commands, devices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.options import Options
    from study.settings import Settings

STARTING = 60.0  # seconds in which a cluster must have told of its nodes: Ray is loaded, and connects
AGAIN = 5.0  # seconds after which a cluster that has gone is looked for again
log = logging.getLogger("study.service")


class Machines(Protocol):
    """What trains, and how a command is told of it."""

    @property
    def slots(self) -> int:
        """Trials at a time, now."""
        ...

    @property
    def nodes(self) -> Sequence[dict[str, Any]] | None:
        """The nodes of a cluster, as `study.executors.nodes.seen` gives them; None for this machine alone."""
        ...

    @property
    def taken(self) -> str:
        """What a trial takes of a node, for people; "" for this machine alone."""
        ...

    def words(self, device: str | None) -> list[str]:
        """Give the options by which a command that was asked for a device trains there."""
        ...

    def named(self, device: str) -> str:
        """Name what a run that was asked for a device has used."""
        ...

    def __enter__(self) -> object:
        """Begin to look at it. Raises InputError if it cannot be used."""
        ...

    def __exit__(self, *error: object) -> None:
        """Look no more."""
        ...


def of(options: Options, places: Settings, slots: int | None) -> Machines:
    """Make what an administrator has chosen.

    Args:
        options: executor, address, and what a trial takes of a node.
        places: where results are.
        slots: trials at a time at most; one a GPU, or a core, if None, or as many as the cluster has room for.

    Raises:
        InputError: the executor is none for a service, or what it needs is not given or installed.

    """
    options.check()
    where, gpus = f"--executor {options.executor}", options.gpus_per_trial
    if options.executor == "local":
        return Here(slots or devices.default_slots())
    if options.executor != "ray":
        raise InputError("a service trains by local or ray", where=where)
    if not options.address:
        raise InputError("which cluster?", where=where, fix="Add --address auto or --address HOST:PORT.")
    if isinstance(gpus, str):
        what = "a service has to know how many trials a GPU takes"
        raise InputError(what, where=f"--gpus-per-trial {gpus}", fix="Write a number, such as 0.25.")
    if find_spec("ray") is None:
        raise choices.not_installed("ray", "ray", where)
    taken = Resources("auto", None, options.address, options.cpus_per_trial, gpus, options.shared_home)
    return Cluster(places, taken, slots)


@dataclass(frozen=True, slots=True)
class Here:
    """This machine."""

    slots: int
    nodes: None = None
    taken: str = ""

    def words(self, device: str | None) -> list[str]:  # noqa: ARG002 - see Machines
        """Say nothing: commands train on their machine."""
        return []

    def named(self, device: str) -> str:
        """Name the device."""
        return devices.named(device)

    def __enter__(self) -> Self:
        """Do nothing."""
        return self

    def __exit__(self, *error: object) -> None:
        """Do nothing."""


@dataclass
class Cluster:
    """A Ray cluster, watched by a process that is started again whenever it ends.

    Args:
        places: where results are; the watching process is the commands' user's.
        resources: the cluster's address, and what a trial takes of a node.
        limit: trials at a time at most; None for as many as there is room for.

    """

    places: Settings
    resources: Resources
    limit: int | None = None
    _seen: dict[str, Any] = field(default_factory=dict[str, Any])
    _trouble: str = ""
    _told: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)
    _process: subprocess.Popen[str] | None = None

    @property
    def slots(self) -> int:
        """Trials that its nodes have room for."""
        room: int = self._seen.get("slots", 0)
        return room if self.limit is None else min(room, self.limit)

    @property
    def nodes(self) -> Sequence[dict[str, Any]]:
        """Its nodes that have something to train with, those too small for a trial included."""
        return [node for node in self._seen.get("nodes", ()) if node["used"]]

    @property
    def taken(self) -> str:
        """What a trial takes of a node."""
        cpus, gpus = plural(int(self.resources.cpus), "CPU"), self.resources.gpus
        return f"{cpus}, and a GPU where there are any" if gpus is None else f"{cpus}, {gpus:g} GPU" if gpus else cpus

    def words(self, device: str | None) -> list[str]:
        """Name the cluster, and what a trial takes; where no GPU is asked for, none of it."""
        asked, gpus = self.resources, None if device == "cpu" else self.resources.gpus
        given = {"address": asked.address, "cpus-per-trial": f"{asked.cpus:g}", "gpus-per-trial": gpus}
        words = [f"--{name}={value}" for name, value in given.items() if value is not None]
        return ["--executor=ray", *words, *(["--shared-home"] if asked.shared_home else [])]

    def named(self, device: str) -> str:
        """Name the GPUs of the nodes, else cpu."""
        models = dict.fromkeys(node["gpu"] for node in self.nodes if node["slots"] and node["gpu"])
        return "cpu" if device == "cpu" else " or ".join(models)[: devices.WIDTH] or "cpu"

    def __enter__(self) -> Self:
        """Watch it, and wait for what it has.

        Raises:
            InputError: it cannot be used, and why.

        """
        threading.Thread(target=self._watch, name="cluster", daemon=True).start()
        if not self._told.wait(STARTING):
            self._trouble = f"{self.resources.address}: the cluster has told nothing within {STARTING:.0f} s"
        if self._trouble:
            self.__exit__()
            raise PlaceError(self._trouble)
        return self

    def __exit__(self, *error: object) -> None:
        """End the process that watches."""
        self._over.set()
        if self._process is not None:
            self._process.kill()

    def _watch(self) -> None:
        asked = self.resources
        command = [sys.executable, "-m", "study.executors.nodes", asked.address, f"{asked.cpus:g}"]
        command += [] if asked.gpus is None else [f"{asked.gpus:g}"]
        while not self._over.is_set():
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                start_new_session=True, **commands.started(self.places),
            )  # fmt: skip
            with self._process as process:
                assert process.stdout
                for line in process.stdout:
                    if line.startswith("{"):  # Ray may say something, too
                        self._take(json.loads(line))
            if self._over.is_set():
                return
            if self._seen or not self._told.is_set():  # it has not said why
                self._take({"error": f"{self.resources.address} no longer answers"})
            self._over.wait(AGAIN)

    def _take(self, seen: dict[str, Any]) -> None:
        if trouble := seen.get("error", ""):
            if self._seen:
                log.warning("cluster: %s; runs wait for it", trouble)
            self._seen = {}
        else:
            if seen.get("slots") != self._seen.get("slots"):
                none = f"no node has room for a trial, which takes {self.taken}; runs wait for one"
                room = f"room for {plural(seen['slots'], 'trial')}" if seen["slots"] else none
                log.info("cluster %s: %s", self.resources.address, room)
            self._seen = seen
        self._trouble = trouble
        self._told.set()
