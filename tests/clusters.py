"""A Ray cluster for tests: real nodes, all on this machine, which are added and lost."""

from __future__ import annotations

import importlib
import os
import secrets
import shutil
import signal
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STARTS = 3  # tries: on a busy machine a node may not find its head in time


@dataclass
class Cluster:
    """A head without slots, and nodes.

    Args:
        nodes: of Ray's cluster, the head apart.
        variables: of the environment, by which Ray finds it and is let in.

    """

    nodes: Any
    variables: dict[str, str] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def started(cls, cpus=2):
        """Start one, with a node."""
        folder = tempfile.mkdtemp(prefix="ray-")  # sockets have short paths only
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        before = dict(os.environ)
        os.environ.update(token, RAY_raylet_start_wait_time_s="120")
        try:
            nodes = _started(folder, cpus)
            yield cls(nodes, {**token, "RAY_ADDRESS": nodes.address})
            nodes.shutdown()
        finally:
            os.environ.clear()
            os.environ.update(before)
            shutil.rmtree(folder, ignore_errors=True)

    def add(self, cpus=1, **more):
        """Add a node, in up to three tries."""
        for _ in range(STARTS - 1):
            with suppress(Exception):
                return self.nodes.add_node(num_cpus=cpus, **more)
        return self.nodes.add_node(num_cpus=cpus, **more)

    def lose(self, node):
        """Kill a node with all that runs on it, without a word to anybody: the raylet first, which would tell."""
        raylet = node.all_processes["raylet"][0].process.pid
        there = [raylet, *_children(raylet)]
        for pid in there:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.nodes.remove_node(node, allow_graceful=False)

    def trainers(self):
        """Give the processes that train on its nodes, of which Ray says so in their names; of no other cluster."""
        raylets = [node.all_processes["raylet"][0].process.pid for node in self.nodes.list_all_nodes()]
        found = []
        for pid in [pid for raylet in raylets for pid in _children(raylet)]:
            with suppress(OSError):
                if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::Trainer"):
                    found.append(pid)
        return found

    def remove(self, node):
        """Take a node away as its owner would: it says so, and the cluster knows at once."""
        self.nodes.remove_node(node)


def _children(parent):
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if place.read_text().rpartition(")")[2].split()[1] == str(parent):
                yield int(place.parent.name)


def _started(folder, cpus):
    importlib.import_module("study.executors.cluster")  # tells Ray what it must be told before its import
    from ray.cluster_utils import Cluster as Nodes

    for tried in range(1, STARTS + 1):
        made = Nodes()
        try:
            made.add_node(num_cpus=0, include_dashboard=False, temp_dir=folder)
            made.add_node(num_cpus=cpus)
        except Exception:
            made.shutdown()
            if tried == STARTS:
                raise
        else:
            return made
    raise AssertionError
