"""Tells what a Ray cluster has, as lines of JSON on stdout: `study serve` watches it so, and never loads Ray itself.

A line comes at the start and with each change: the trials that the nodes have room for, and each node. The last one
may be `{"error": TEXT}`. It ends with the process that has started it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import closing
from typing import Any

from study.errors import StudyError
from study.executors import cluster

LOOK = 2.0  # seconds between two looks


def seen(cpus: float, gpus: float | None) -> dict[str, Any]:
    """Describe the nodes of the cluster that this process is connected to.

    Args:
        cpus: of a node that a trial takes.
        gpus: of a node that a trial takes; None is one where the cluster has any.

    Returns:
        `slots` of all nodes, and `nodes`, each with `host`, `slots`, `used` for people, and `gpu`, its model or "".

    """
    share = cluster.gpus_of_trial(gpus)
    each: list[dict[str, Any]] = []
    for node, used in cluster.usage():
        gpu = next((kind.partition(":")[2] for kind in node["Resources"] if kind.startswith("accelerator_type:")), "")
        room = cluster.room(node, cpus, share)
        each.append({"host": node["NodeManagerHostname"], "slots": room, "used": used, "gpu": gpu})
    return {"slots": sum(node["slots"] for node in each), "nodes": sorted(each, key=lambda node: node["host"])}


def main(address: str, cpus: float, gpus: float | None) -> None:
    """Watch until the process that started this one is gone."""
    parent, before = os.getppid(), None
    try:
        with closing(cluster.connect(address)):
            while os.getppid() == parent:
                if (now := seen(cpus, gpus)) != before:
                    _say(now)
                before = now
                time.sleep(LOOK)
    except (StudyError, cluster.RayError) as error:
        _say({"error": str(error)})
        sys.exit(2)


def _say(what: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]) if sys.argv[3:] else None)
