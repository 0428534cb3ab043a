"""Killed, or without power, at any durable operation: the next search ends as one that nothing disturbed.

cuts.py tries every operation, with MLflow too; here a share of them, without it.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.faults import cuts
from tests.faults.disk import Disk, everything, nothing
from tests.faults.shim import Shim

KILLS = int(os.environ.get("STUDY_KILL_SHARE", "40"))  # every so-many-th operation
CUTS = int(os.environ.get("STUDY_CUT_SHARE", "25"))

pytestmark = pytest.mark.skipif(os.uname().sysname != "Linux", reason="LD_PRELOAD and /proc are Linux's")


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """The library, a process that has loaded everything, and the home of an undisturbed search."""
    with cuts.ready(tmp_path_factory.mktemp("cuts"), track=False) as made:
        yield made


@pytest.mark.slow
def test_a_kill_before_or_after_any_durable_operation_changes_nothing(ready):
    count, violations = cuts.kill_points(*ready, share=KILLS, seed=0)
    assert violations == []
    assert count["kills"] > 0
    assert count["operations"] > 200


@pytest.mark.slow
def test_a_power_cut_after_any_durable_operation_changes_nothing(ready):
    count, violations = cuts.power_cuts(*ready, share=CUTS, seed=0)
    assert violations == []
    assert count["cuts"] > 20


@pytest.mark.slow
def test_what_a_search_has_recorded_survives_a_power_cut_that_keeps_nothing_but_what_was_flushed(ready):
    shim, warm, _ = ready
    home, place = shim.root / "flushed", Disk(shim.root)
    shim.set(record=1)
    assert warm.search(home) == 0, warm.said()
    shim.off()
    for operation in shim.operations():
        place.take(operation)
    left = place.after_a_cut(nothing, nothing)
    kept = ("study.json", "recipe.json", "trial.json", "log.jsonl", ".safetensors")
    files = [file for file in home.rglob("*") if file.name.endswith(kept)]
    assert len(files) >= 1 + 3 * cuts.TRIALS
    lost = [str(file) for file in files if left.get(str(file.relative_to(shim.root))) != file.read_bytes()]
    assert lost == []


WRITES = """
import os, sys
from pathlib import Path
folder = Path(sys.argv[1])
(folder / "new").mkdir()
(folder / "new" / "inside").write_bytes(b"inside")
handle = os.open(folder / "flushed", os.O_WRONLY | os.O_CREAT)
os.write(handle, b"flushed")
os.fsync(handle)
os.write(handle, b", and more")
os.rename(folder / "flushed", folder / "renamed")
(folder / "old").unlink()
if sys.argv[2] == "sync":
    os.fsync(os.open(folder, os.O_RDONLY))
"""


@pytest.mark.parametrize("sync", ["sync", "lazy"])
def test_the_disk_keeps_what_was_flushed_and_may_lose_all_else(tmp_path, sync):

    root = tmp_path / "root"
    root.mkdir()
    (root / "old").write_bytes(b"old")
    shim, disk = Shim(tmp_path / "shim", root), Disk(root)
    shim.set(record=1)
    subprocess.run([sys.executable, "-c", WRITES, str(root), sync], check=True, env=shim.environment)
    shim.off()
    for operation in shim.operations():
        disk.take(operation)
    whole = {"new": None, "new/inside": b"inside", "renamed": b"flushed, and more"}
    assert disk.after_a_cut(everything, everything) == whole
    lost = {"new": None, "renamed": b"flushed"} if sync == "sync" else {"old": b"old"}
    assert disk.after_a_cut(nothing, nothing) == lost
