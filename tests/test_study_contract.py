"""Each study file with a training of its own, in docs and tests, keeps the contract of docs/own_training.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import study
from study.engine import checkpoint

REPOSITORY = Path(__file__).parents[1]
FILES = sorted(
    file
    for folder in ("docs", "tests")
    for file in (REPOSITORY / folder).rglob("*.py")
    if not file.name.startswith("test_")
    and "def train(recipe" in (text := file.read_text())
    and re.search(r"^study = Study\(", text, re.MULTILINE)
    and file.name != "mine.py"  # which has one as text
)


def run(wrapped, folder, resume=None):
    """Train to the end, saving after each epoch as a worker does; gives the epochs' metrics and the result.

    `first` and `pid` tell where a training was resumed and in which process: tests of executors ask for them.
    """
    training, found = wrapped.train(wrapped.recipe, resume), []
    while True:
        try:
            epoch = next(training)
        except StopIteration as end:
            return found, end.value
        checkpoint.save(folder / f"{epoch.number}.pt", {"state": epoch.state()})
        found.append({name: value for name, value in epoch.metrics.items() if name not in {"first", "pid"}})


def test_the_files_are_found():
    assert {"own_script.py", "toy.py", "noisy.py", "small.py", "work.py"} <= {file.name for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_resumed_after_each_epoch_a_training_gives_the_rest_of_the_same_epochs_and_the_same_result(file, tmp_path):
    wrapped, again = study.load(str(file)), tmp_path / "again"
    again.mkdir()
    whole, result = run(wrapped, tmp_path)
    assert whole
    for done in range(1, len(whole) + 1):
        state = checkpoint.load(tmp_path / f"{done}.pt")["state"]
        assert run(wrapped, again, state) == (whole[done:], result), f"resumed after epoch {done}"
