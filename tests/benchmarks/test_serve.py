"""The load on the server: real searches, followers and pages, and figures of each."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "serve.py"


@pytest.mark.slow
def test_pages_are_timed_and_epochs_counted_with_load_and_without(database, monkeypatch):
    monkeypatch.setenv("STUDY_TRACKING_URI", f"sqlite:///{Path(shutil.copy(database, 'mlflow.db')).absolute()}")
    words = ["--quick", "--clients", "20", "--rate", "22", "--study", "schedules", "--fixed", '{"train_size": 200}']
    done = subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text, _, row = done.stdout.rstrip().rpartition("\n")
    found = json.loads(text)
    assert found["requests"] == 88
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    assert min(found["p99_ms_by_path"].values()) > 0
    assert min(found["epochs_a_second"].values()) > 0
    assert found["cores_used"]["server_with_load"] > found["cores_used"]["load_itself"] > 0
    assert row.startswith("| 2 | 20 | 22 | 200, 10,000 |")
