"""The executors that `--executor` offers. A new one is a file in this folder and a row here."""

from __future__ import annotations

from study.choices import Choice

# Each factory takes `study.executors.Resources`. tests/contracts/test_executor.py runs over every row.
EXECUTORS = {
    "local": Choice("worker processes on this machine", "study.executors.local:make"),
    "inline": Choice("this process, one training at a time (for a debugger)", "study.executors.inline:make"),
    "ray": Choice("the nodes of a Ray cluster, or Ray on this machine", "study.executors.ray:make", extra="ray"),
}
