"""The calls from Python: what the commands do, with the answers as objects; each goes on where it was stopped."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import study
from study import Recipe, Study
from study.errors import InputError, StudyError
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
def test_the_example_of_the_documents_runs_as_it_is(database):
    Path("mlruns").mkdir()
    shutil.copy(database, "mlruns/mlflow.db")
    done = subprocess.run([sys.executable, EXAMPLE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("best of 12: 0.")
    assert "can be left out: " in done.stdout


def test_what_is_written_checked_and_listed_shows_itself():
    assert study.new("mine") == Path("studies/mine.py")
    checked = study.check("mine")
    assert checked.record().space["optimizer"] == "one of adam, adamw, sgd"
    assert "3 variants:" in checked.text()
    listed = study.list_studies()
    assert [each.description for each in listed if each.study == "mine"] == [
        "mine: one line that says what this study asks; `study list` shows it."
    ]
    assert list(listed.to_pandas().study) == [each.study for each in listed]
    assert "<td" in listed._repr_html_()


def test_data_are_imported_verified_and_removed(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("x,kind\n" + "".join(f"{each},{'uv'[each % 2]}\n" for each in range(20)))
    told = []
    made = study.import_data("mine", table, label="kind", watch=lambda text, share: told.append((text, share)))
    assert (made.record().train, made.record().classes) == (16, ["u", "v"])
    assert any(share is None for _, share in told)
    assert [each.name for each in study.list_data() if each.here] == ["mine"]
    assert study.verify_data().to_csv() == "name,whole,trouble\nmine,true,\n"
    made.pack.path.write_bytes(made.pack.path.read_bytes()[:-1])
    damaged = study.verify_data(["mine"])
    assert not damaged[0].whole
    with pytest.raises(StudyError, match="damaged: mine"):
        damaged.require_whole()
    assert study.remove_data("mine").path == made.pack.path
    assert not made.pack.path.exists()


def refuse(_):
    raise InputError("kept")


def test_nothing_is_deleted_if_ask_raises(made):
    with pytest.raises(InputError, match="kept"):
        study.remove("made", ask=refuse)
    assert trials("made") == 7
    assert study.remove("made").trials == {"made": 7}
    assert not made.folder.exists()


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: study.new("not a name"), "not a name for a study"),
        (lambda: study.check("nowhere"), "no study 'nowhere'"),
        (lambda: study.write_report("mabe"), "no results of a study 'mabe'"),
        (lambda: study.sync(["mabe"]), "no results of a study 'mabe'"),
        (lambda: study.register("mabe"), "no results of a study 'mabe'"),
        (lambda: study.promote("made", force=True), "--force needs a reason"),
        (lambda: study.predict("made", "x.png"), "no model is registered yet"),
        (lambda: study.remove_data("made"), "there is no data set 'made' on this machine"),
    ],
)
def test_a_call_that_cannot_be_done_raises_what_the_command_would_say(call, complaint):
    with pytest.raises(InputError, match=complaint):
        call()
