"""The calls from Python: what the commands do, with the answers as objects; each goes on where it was stopped."""

import subprocess
import sys
from pathlib import Path

import pytest

import study
from study import Recipe, Study
from study.errors import InputError
from study.progress import TrialEnded
from study.record.journal import Journal

EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "from_python.py"
SMALL = Study(
    name="small",
    recipe=Recipe(dataset="digits", model="mlp", hidden=(8,), optimizer="sgd", lr=0.01, train_size=300, epochs=2),
    space=lambda trial: {"lr": trial.suggest_float("lr", 0.001, 1.0, log=True)},
    variants={"baseline": {}, "norm_inputs": {"normalize": True}},
)
HERE = {"executor": "inline", "track": False}


def trials(name):
    return len(Journal(Path("mlruns/studies", name).absolute()).trials())


def test_a_search_is_summed_up_and_goes_on():
    seen = []
    assert study.run(SMALL, 3, watch=seen.append, **HERE).finished == 3
    assert sum(isinstance(each, TrialEnded) for each in seen) == 3
    found = study.run(SMALL, 5, **HERE)
    assert (found.finished, found.baseline.variant) == (5, "baseline")
    assert found.best.value >= found.baseline.value


def test_variants_are_compared_on_equal_seeds():
    rows = study.compare(SMALL, seeds=3, **HERE)
    assert [(row.variant, len(row.values)) for row in rows] == [("baseline", 3), ("norm_inputs", 3)]
    assert rows[1].comparison.verdict in {"helps", "hurts", "not enough seeds", "no difference"}
    assert study.compare(SMALL, seeds=3, **HERE) == rows
    assert trials("small-compare") == 6


def test_the_best_are_confirmed_and_ablated():
    study.run(SMALL, 5, pruner="none", **HERE)
    assert study.confirm(SMALL, top=2, seeds=2, timeout=1e-6, **HERE).winner is None  # the time was up
    confirmed = study.confirm(SMALL, top=2, seeds=2, **HERE)
    assert confirmed.complete
    assert confirmed.score.mean.n == confirmed.baseline.mean.n == 2
    ablated = study.ablate(SMALL, seeds=2, **HERE)
    assert ablated.complete
    assert ablated.question.trial == confirmed.winner.trial
    assert study.confirm(SMALL, top=2, seeds=2, **HERE) == confirmed


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: study.run("nowhere", 3), "no study 'nowhere'"),
        (lambda: study.compare(SMALL, ["wide"], **HERE), "small has no variant 'wide'"),
        (lambda: study.confirm(SMALL, **HERE), "no complete trial to confirm"),
        (lambda: study.ablate(SMALL, **HERE), "study confirm small"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(call, complaint):
    with pytest.raises(InputError, match=complaint):
        call()
    assert not Path("mlruns/studies").exists()


@pytest.mark.slow
def test_the_example_of_the_documents_runs_as_it_is():
    done = subprocess.run([sys.executable, EXAMPLE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("best of 12: 0.")
    assert "can be left out: " in done.stdout
