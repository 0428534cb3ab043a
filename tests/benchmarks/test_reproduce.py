"""The script behind docs/reproduction.md: its tables are those of the comparison, and it goes on where it stopped."""

import subprocess
import sys
from pathlib import Path

import pytest

from study import Published, load
from study.imports import load_file
from study.questions.comparison import VariantRow
from study.stats import failures, intervals

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "reproduce.py"


def reproduce(*more):
    command = [
        sys.executable, str(SCRIPT), "--studies", "schedules", "--seeds", "2", "--out", "out.md", "--home", "home",
        "--executor", "inline", "--no-track", "--set", "epochs=1", *more,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_every_variant_has_its_row_and_a_second_run_has_nothing_left_to_train():
    first = reproduce()
    assert first.returncode in {0, 1}, first.stderr  # 1: after one epoch a published figure may lie outside
    page = Path("out.md").read_text()
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in page.splitlines() if line.startswith("| ")}
    assert rows.keys() - {"variant"} == load("schedules").variants.keys()
    assert "| 97.37 |" in rows["cyclic_as_published"]
    assert "Held fixed: epochs=1" in page
    assert first.stderr.count(" %\n") == 30
    assert reproduce().stderr.count(" %\n") == 0
    assert Path("out.md").read_text() == page


def test_a_study_may_have_seeds_and_fixed_knobs_of_its_own():
    script = load_file(SCRIPT)
    assert script.Wanted.read("init") == script.Wanted("init", None, ())
    assert script.Wanted.read("init:5") == script.Wanted("init", 5, ())
    wanted = script.Wanted.read("init:5:epochs=2,lr=0.1")
    assert wanted == script.Wanted("init", 5, ("epochs=2", "lr=0.1"))
    for text in ("init", "init:5", "init:5:epochs=2,lr=0.1", "init::epochs=2"):
        assert str(script.Wanted.read(text)) == text
    text = script.section(script.Table(wanted, load("init"), "default", [row(0.95)]))
    assert "Baseline: default. Seeds: 5. Held fixed: epochs=2, lr=0.1." in text


def row(published, values=(0.951, 0.953, 0.952)):
    return VariantRow(
        variant="l1", values=values, mean=intervals.mean(values), comparison=None, as_expected=None, seconds=0.5,
        diverged=0, failed=failures.of(0, len(values)), published=Published(value=published, source="a document"),
    )  # fmt: skip


@pytest.mark.parametrize(("published", "outside"), [(0.9525, []), (0.9916, ["l1"])])
def test_a_row_outside_our_runs_is_marked_and_asks_for_a_sentence(monkeypatch, published, outside):
    script = load_file(SCRIPT)
    table = script.Table(script.Wanted.read("regularization"), load("regularization"), "none", [row(published)])
    assert table.outside == outside
    monkeypatch.setitem(script.EXPLANATIONS, "regularization", {})
    assert table.unexplained == [f"regularization: {name}" for name in outside]
    assert ("**no**" in script.section(table)) == bool(outside)
    monkeypatch.setitem(script.EXPLANATIONS, "regularization", {"l1": "It was trained for longer."})
    assert table.unexplained == []
    assert ("- l1: It was trained for longer." in script.section(table)) == bool(outside)
