"""`python -m benchmarks.gpu --cpu` runs all of its code, and needs no more packages than it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The five, and what they import themselves.
MAY_BE_IMPORTED = {
    "torch", "numpy", "pydantic", "optuna", "safetensors",
    "pydantic_core", "annotated_types", "typing_inspection", "typing_extensions", "colorlog", "tqdm", "packaging",
    "sympy", "mpmath", "torchgen", "functorch", "filelock",
}  # fmt: skip
# Refuses all other packages, as if they were not installed, in each process that has it on its path.
SITE = f"""
import sys
REFUSED = {sorted(set(packages_distributions()) - MAY_BE_IMPORTED - {"study", "tests"})!r}
class Without:
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in REFUSED else self.finder.find_spec(name, path, target)
sys.meta_path[:] = map(Without, sys.meta_path)
"""


@pytest.mark.slow
def test_all_rows_are_there_on_a_cpu_and_no_other_package_is_imported(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(SITE)
    file = tmp_path / "gpu.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", "--cpu", "--json", str(file)],
        cwd=ROOT, capture_output=True, text=True, timeout=240, env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(file.read_text())
    assert told["about"]["device"] == "cpu"
    rows = {row["what"]: row for row in told["rows"]}
    ran = {what for what, row in rows.items() if row["found"] != "not run"}
    assert not [row for row in rows.values() if "error" in row["found"] or "failed" in row["found"]]
    assert {row["note"] for what, row in rows.items() if what not in ran} <= {"no GPU", "no GPU on this machine"}
    for begins in (
        "test OnACpu: two runs", "waits of the host", "optimizers in whose", "epoch of cnn3", "step of cnn3",
        "MNIST perceptron, one after", "2 MNIST perceptrons as lanes", "bits of a lane", "processes: 2",
        "MNIST perceptrons in 2", "2 trainings of 1 epochs, cifar_tricks",
    ):  # fmt: skip
        assert [what for what in ran if what.startswith(begins)], begins
    assert "random images" in done.stdout
