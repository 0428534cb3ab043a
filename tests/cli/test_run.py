"""`study run` from its arguments to its last line, on real searches of a training that takes no time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from study.errors import Interrupted
from study.options import Options
from study.progress import TrialEpoch
from study.questions import confirmation, search
from study.record import results
from study.record.journal import Journal
from study.service import describing
from study.settings import resolve
from study.study_files import load
from tests.conftest import WITHOUT_MLFLOW

TOY = Path(__file__).parents[1] / "toy.py"
TYPO = """
from study import Recipe, Study
recipe = Recipe(dataset="digits", model="mlp")
study = Study(name="broken", recipe=recipe, space=lambda trial: {"lrr": trial.suggest_float("lrr", 0, 1)})
"""
QUICK = ("--executor", "inline", "--set", "epochs=2")
SUMMARY = [
    "type", "version", "study", "metric", "direction", "in_percent", "finished", "complete", "pruned", "failed",
    "running", "paused", "seconds", "best", "variants", "baseline", "has_seed", "status", "target",
]  # fmt: skip


@pytest.fixture
def toy():
    """Make the study `toy` one of the working folder's own."""
    Path("studies").mkdir()
    shutil.copy(TOY, "studies/toy.py")


@pytest.fixture
def ready(toy, untracked):
    """The study `toy`, of which MLflow is not told."""


@pytest.fixture
def told(toy, database):
    """The study `toy`, and a home that has been used before: commands tell MLflow."""
    Path("mlruns").mkdir()
    shutil.copy(database, "mlruns/mlflow.db")


def lines(answer):
    return [json.loads(line) for line in answer.out.splitlines()]


def test_a_search_tells_each_trial_and_what_it_came_to(study, told):
    answer = study("run", "toy", "--trials", "4", *QUICK)
    assert answer.code == 0
    told = [line for line in answer.err.splitlines() if " finished with value: " in line]
    assert len(told) == 4
    assert "Trial 1 (right) finished with value: 0.6667 (x=0.3). [2/4] Best is trial 1" in told[1]
    assert answer.out.splitlines()[:3] == [
        f"toy: 4 finished (4 complete, 0 pruned); {answer.out.splitlines()[0].rpartition('; ')[2]}",
        "Best score: 0.6667 by trial 1 (right)",
        "  x=0.3",
    ]
    assert ["right", "1", "complete", "0.6667", "+0.0900"] in [line.split() for line in answer.out.splitlines()]
    assert "study show toy" in answer.out
    assert "study confirm toy" in answer.out

    again = study("run", "toy", "--trials", "4", *QUICK)
    assert again.code == 0
    assert "toy has its 4 finished trials already; a larger --trials adds to them." in again.out

    more = study("run", "toy", "--trials", "6", "--json", *QUICK)
    assert [each.get("trial") for each in lines(more)] == [4, 5, None]


PER_CENT = """
from pydantic import BaseModel
from study import Epoch, Study
class Mine(BaseModel, frozen=True):
    lr: float = 0.1
    epochs: int = 2
def train(recipe, resume):
    for number in (1, 2):
        yield Epoch(number, {"val_accuracy": 30.7 * number})
study = Study(name="mine", recipe=Mine(), train=train, variants={"baseline": {}})
"""


def test_an_accuracy_that_a_training_gives_in_per_cent_is_not_multiplied_by_100_again(study, untracked):
    Path("mine.py").write_text(PER_CENT)
    answer = study("run", "mine.py", "--trials", "1", *QUICK)
    assert "Best val_accuracy: 61.40 % by trial 0 (baseline)" in answer.out
    assert "Trial 0 (baseline) finished with value: 61.40 %" in answer.err
    assert "61.40 % at the end" in study("show", "mine", "--trial", "0").out
    assert study("show", "mine", "--json").json["best"]["value"] == 61.4


def test_json_is_a_line_a_trial_and_a_summary_with_these_keys(study, ready):
    answer = study("run", "toy", "--trials", "3", "--json", *QUICK)
    *trials, summary = lines(answer)
    assert [(each["type"], each["study"], each["trial"]) for each in trials] == [("trial", "toy", n) for n in range(3)]
    assert list(summary) == SUMMARY
    assert (summary["status"], summary["target"], summary["finished"]) == ("finished", 3, 3)
    assert summary["best"]["overrides"] == {"x": 0.3}
    assert [each["variant"] for each in summary["variants"]] == ["right", "zero"]


def test_a_diverged_trial_is_null_in_json(study, ready):
    answer = study("run", "toy", "--trials", "1", "--json", "--executor", "inline", "--set", "kind=diverges")
    trial = lines(answer)[0]
    assert trial["state"] == "pruned"
    assert trial["reason"] == "diverged in epoch 2: score is inf"
    assert trial["metrics"]["score"] is None


def test_a_search_whose_trials_all_fail_ends_with_1_and_says_why(study, ready):
    answer = study("run", "toy", "--trials", "9", "--executor", "inline", "--set", "kind=raises", "--json")
    assert answer.code == 1
    assert "ValueError: boom" in answer.err.splitlines()[-1]
    assert lines(answer)[-1]["status"] == "failed"
    shown = study("show", "toy", "--trial", "4").out  # as its last line says
    raised = shown[shown.index("Traceback (most recent call last):") :].splitlines()
    assert "toy.py" in raised[1]  # none of our own frames
    assert "ValueError: boom" in raised


def test_the_best_recipe_is_repeated_and_compared(study, ready):
    study("run", "toy", "--trials", "2", *QUICK)
    Path("best.json").write_text(study("best", "toy").out)
    answer = study("run", "--recipe", "best.json", "--executor", "inline")
    assert answer.code == 0
    assert answer.out.splitlines()[-1].startswith("The value equals the recorded one to the bit: 0.66")
    assert answer.out.startswith("toy-recipe-")
    assert study("show", "toy", "-f", "json").json["finished"] == 2


def test_a_repeated_recipe_that_differs_says_by_how_much(study, ready):
    study("run", "toy", "--trials", "1", *QUICK)
    best = study("best", "toy").json
    Path("best.json").write_text(json.dumps({**best, "value": best["value"] + 0.25}))
    answer = study("run", "--recipe", "best.json", "--executor", "inline")
    assert "The value differs from the recorded one by 0.2500" in answer.out


def test_a_dry_run_says_what_would_be_and_writes_nothing(study, toy):
    answer = study("run", "toy", "--trials", "10", "--dry-run", "--executor", "inline")
    assert answer.code == 0
    assert "10, 0 of them finished already, 10 to run" in answer.out
    plan = study("run", "toy", "--trials", "10", "--dry-run", "--executor", "inline", "--json").json
    assert list(plan) == [
        "type", "version", "study", "finished", "target", "slots", "device", "epochs", "seconds_per_epoch",
        "expected_seconds", "disk_bytes",
    ]  # fmt: skip
    assert [path.name for path in Path().iterdir()] == ["studies"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--set", "y=1"], "--set: unknown knob 'y'"),
        (["--data", "digits"], "--data: unknown knob 'dataset'"),
        (["--device", "cuda:7"], "no device 'cuda:7' on this machine. There are: "),
        (["--storage", "nonsense"], "Optuna's storage cannot be used"),
        (["--storage", "postgresql://me:secret@127.0.0.1:1/x"], "me:***@127.0.0.1"),
        (["--home", "/proc/nowhere"], "/proc/nowhere"),
    ],
)
def test_what_cannot_be_run_is_one_clear_line_and_nothing_is_written(study, toy, arguments, complaint):
    answer = study("run", "toy", "--trials", "2", *QUICK, *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert answer.complaint.startswith("error: ")
    assert complaint in answer.complaint
    assert "secret" not in answer.err
    assert answer.complaint.count("\n") == 1
    assert [path.name for path in Path().iterdir()] == ["studies"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("study = 1 +", "broken.py, line 1: syntax error"),
        ("x = 1", "broken.py: no object `study`"),
        ("import nowhere_at_all", "broken.py, line 1: ModuleNotFoundError"),
        (TYPO, "broken, space: unknown knob 'lrr'. Did you mean 'lr'?"),
    ],
)
def test_a_study_file_that_cannot_be_used_is_one_clear_line(study, content, complaint):
    Path("broken.py").write_text(content)
    for command in ("check", "run"):
        answer = study(command, "broken.py")
        assert (answer.code, answer.out) == (2, "")
        assert complaint in answer.complaint
        assert answer.complaint.count("\n") == 1
    assert [path.name for path in Path().iterdir()] == ["broken.py"]


def start(*arguments, seconds=0.3, track=True):
    command = [sys.executable, "-m", "study"] if track else WITHOUT_MLFLOW
    command = [*command, "run", "toy", "-v", "--executor", "inline", "--set", f"seconds={seconds}"]
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def wait_for(process, text):
    for line in process.stderr:
        if text in line:
            return
    pytest.fail(f"ended without {text!r}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sign", "code", "line"),
    [(signal.SIGINT, 130, "Stopping after the current epochs"), (signal.SIGTERM, 143, "Stopping within seconds")],
)
def test_the_first_signal_ends_after_saving_and_the_same_command_goes_on(study, told, sign, code, line):
    with start("--trials", "3", "--json") as process:
        wait_for(process, "Trial 0 epoch 1")
        process.send_signal(sign)
        out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert line in err
    assert err.splitlines()[-1].endswith("The same command continues.")
    assert json.loads(out.splitlines()[-1])["status"] == "interrupted"
    answer = study("run", "toy", "--trials", "3", "--executor", "inline", "--set", "seconds=0.3", "--json")
    assert [each["trial"] for each in lines(answer)[:-1]] == [0, 1, 2]


@pytest.mark.slow
def test_an_interrupt_that_an_import_drops_ends_the_command_all_the_same(toy):
    file = Path("studies/toy.py")
    dropping = (
        "print('importing', file=sys.stderr)\ntry:\n    time.sleep(60)\nexcept BaseException:\n    time.sleep(60)"
    )
    file.write_text(f"{file.read_text()}\nimport sys\n{dropping}\n")
    with start("--trials", "3", track=False) as process:
        wait_for(process, "importing")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 130


@pytest.mark.slow
@pytest.mark.parametrize("line", ["loading torch", "Trial 0 starts"])
@pytest.mark.parametrize("pause", [0.05, 0.3])
def test_further_signals_end_at_once_with_the_exit_code_of_the_first(toy, line, pause):
    with start("--trials", "3", seconds=60, track=False) as process:
        wait_for(process, line)
        for _ in range(4):
            process.send_signal(signal.SIGINT)
            time.sleep(pause)
        process.communicate(timeout=60)
    assert process.returncode == 130


def test_a_changed_study_is_refused_with_its_differences_and_the_ways_on(study, ready):
    study("run", "toy", "--trials", "1", *QUICK)
    answer = study("run", "toy", "--trials", "2", *QUICK, "--set", "x=0.5")
    assert answer.code == 2
    for part in ("x:", "--name", "--accept"):
        assert part in answer.err
    assert study("run", "toy", "--trials", "2", *QUICK, "--set", "x=0.5", "--accept").code == 0
    assert study("run", "toy", "--trials", "1", *QUICK, "--name", "other").code == 0


def test_a_search_goes_on_with_its_own_sampler_pruner_and_seed_unless_another_is_typed(study, ready):
    chosen = ("--sampler", "random", "--pruner", "promotion", "--seed", "3")
    assert study("run", "toy", "--trials", "3", *QUICK, *chosen).code == 0
    stored = Journal(resolve().study_folder("toy")).definition()
    assert study("run", "toy", "--trials", "5", *QUICK).code == 0
    assert Journal(resolve().study_folder("toy")).definition() == stored
    assert len(results.rows(Journal(resolve().study_folder("toy")))) == 5
    refused = {"--sampler=tpe": "stored random, now tpe", "--pruner=asha": "now asha", "--seed=0": "stored 3, now 0"}
    for typed, said in refused.items():
        answer = study("run", "toy", "--trials", "6", *QUICK, typed)
        assert (answer.code, said in answer.err) == (2, True)


def test_trials_of_a_recipe_class_that_was_changed_fail_or_are_left_out(study, ready):
    stop = threading.Event()
    with suppress(Interrupted):
        for each in search.run(load("toy"), resolve(), Options(trials=3, executor="inline", track=False), stop):
            if isinstance(each, TrialEpoch) and each.trial == 2:
                stop.set()
    file = Path("studies/toy.py")
    file.write_text(file.read_text().replace("kind", "sort"))
    answer = study("run", "toy", "--trials", "3", "--executor", "inline", "--accept")
    assert answer.code == 0
    assert "its recipe class has been changed since: unknown knob 'kind'" in answer.err
    rows = results.rows(Journal(resolve().study_folder("toy")))
    assert [row.state for row in rows] == ["complete", "complete", "failed", "complete"]
    assert confirmation.ask(load("toy"), resolve()).trials == (3,)


def test_a_new_study_runs_as_it_is(study, untracked):
    assert study("new", "mine").code == 0
    checked = study("check", "mine")
    assert checked.code == 0
    assert "3 variants:" in checked.out
    answer = study("run", "mine", "--trials", "3", "--executor", "inline", "--epochs", "2")
    assert answer.code == 0
    assert ["norm_inputs", "1", "complete"] in [line.split()[:3] for line in answer.out.splitlines()]


def test_what_a_study_file_prints_as_it_is_imported_or_suggests_is_no_data(study, ready):
    Path("own_printing_module.py").write_text("print('of the module')\n")
    file = Path("studies/toy.py")
    text = file.read_text().replace('    return {"x"', '    print("of the space")\n    return {"x"')
    file.write_text(f"print('of the file')\nimport own_printing_module\n{text.replace('from __future__', '# ')}")
    answer = study("check", "toy", "--json")
    assert answer.json["study"] == "toy"
    assert "of the file\nof the module\nof the space\n" in answer.err
    file.write_text(f"{file.read_text()}\n")  # it is imported again
    assert {line["study"] for line in lines(study("run", "toy", "--trials", "1", *QUICK, "--json"))} == {"toy"}
    assert describing.describe("toy", resolve())["metric"] == "score"
