"""Each study file with a training of its own, in docs and tests, keeps the contract that docs/own_training.md states."""

from __future__ import annotations

from pathlib import Path

import pytest

import study
from study.engine import checkpoint

REPOSITORY = Path(__file__).parents[1]
FILES = sorted(
    file
    for folder in ("docs", "tests")
    for file in (REPOSITORY / folder).rglob("*.py")
    if "def train(recipe" in (text := file.read_text()) and "\nstudy = Study(" in text
)


def run(wrapped, resume=None):
    """Train to the end: the epochs with what is saved after each, and the result."""
    training, found = wrapped.train(wrapped.recipe, resume), []
    while True:
        try:
            epoch = next(training)
        except StopIteration as end:
            return found, end.value
        found.append((epoch, epoch.state() if epoch.state else None))


def test_the_files_are_found():
    assert {"own_script.py", "toy.py", "noisy.py", "small.py", "work.py"} <= {file.name for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_resumed_after_each_epoch_a_training_gives_the_rest_of_the_same_epochs_and_the_same_result(file, tmp_path):
    wrapped = study.load(str(file))
    whole, result = run(wrapped)
    assert [epoch.number for epoch, _ in whole] == list(range(1, len(whole) + 1))
    for done, (_, state) in enumerate(whole, 1):
        saved = tmp_path / f"{done}.pt"
        checkpoint.save(saved, {"state": state})
        rest, again = run(wrapped, checkpoint.load(saved)["state"])
        expected = [dict(epoch.metrics) for epoch, _ in whole[done:]]
        own = {"first", "pid"}  # by which tests tell that a training was resumed, and where
        assert [{**epoch.metrics, **dict.fromkeys(own & epoch.metrics.keys())} for epoch, _ in rest] == [
            {**metrics, **dict.fromkeys(own & metrics.keys())} for metrics in expected
        ]
        assert again == result
