"""The documented way to bring one's own training: it works as written, and costs as little as is claimed."""

import ast
from pathlib import Path

import pytest

import study
from study.record.journal import Journal

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLE = DOCS / "examples" / "own_script.py"


def epochs_of(wrapped, recipe, resume=None):
    for epoch in wrapped.train(recipe, resume):
        yield dict(epoch.metrics), epoch.state()


def test_the_page_shows_the_very_files():
    page = (DOCS / "own_training.md").read_text()
    assert EXAMPLE.read_text() in page


def test_the_wrapping_is_under_twenty_lines():
    body = ast.parse(EXAMPLE.read_text()).body[1:]  # without the text on top
    wrapping = [node for node in body if not isinstance(node, ast.Import | ast.ImportFrom)]
    assert sum(node.end_lineno - node.lineno + 1 for node in wrapping) < 20


def test_a_resumed_training_gives_the_same_epochs_to_the_bit():
    wrapped = study.load(str(EXAMPLE))
    whole = [metrics for metrics, _ in epochs_of(wrapped, wrapped.recipe)]
    training = epochs_of(wrapped, wrapped.recipe)
    first, (second, state) = next(training), next(training)
    rest = [metrics for metrics, _ in epochs_of(wrapped, wrapped.recipe, state)]
    assert [first[0], second, *rest] == whole


@pytest.mark.parametrize("executor", ["inline", pytest.param("local", marks=pytest.mark.slow)])
def test_the_search_runs_it_to_the_end(executor, tmp_path):
    study.run(str(EXAMPLE), 4, home=tmp_path / "home", executor=executor, track=False)
    histories = [trial.history() for trial in Journal(tmp_path / "home" / "studies" / "own_script").trials()]
    assert [history.ended.state in {"complete", "pruned"} for history in histories] == [True] * 4
    assert histories[0].ended.value > 0.8
