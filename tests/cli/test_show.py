"""list, show, best and export tell what the folders hold: for people on a page, for programs with stable keys."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from study.record.journal import Journal
from study.study_files import BUNDLED

REPOSITORY = Path(__file__).parents[2]

ROW = [
    "trial", "variant", "state", "paused", "value", "best_value", "epochs", "seconds", "overrides", "metrics",
    "reason", "started", "device",
]  # fmt: skip


def test_list_shows_what_can_be_run_and_what_has_results(study, made):
    answer = study("list")
    assert answer.code == 0
    own, bundled = answer.out.split("\n\n")
    assert own.startswith("Your studies:\n")
    assert "  made   3 complete, 2 pruned, 1 failed, 1 unfinished  91.25 %" in own
    assert bundled.startswith("Bundled with study:\n")
    assert "  cifar_tricks           -     -  LeCun's tricks" in bundled
    assert "cifar_tricks" not in own


def test_list_of_a_newcomer_says_how_to_write_a_study(study):
    own, bundled = study("list").out.split("\n\n")
    assert own == "You have no studies yet. `study new NAME` writes one."
    assert {line.split()[0] for line in bundled.splitlines()[2:]} == set(BUNDLED)


def test_the_bundled_studies_are_those_of_the_repository():
    assert {file.stem for file in (REPOSITORY / "studies").glob("*.py")} >= set(BUNDLED)
    done = subprocess.run(["git", "ls-files", "studies"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    kept = {Path(file).stem for file in done.stdout.split()}
    assert kept in ({*BUNDLED}, set())  # none where there is no git


def test_a_file_of_a_bundled_name_in_ones_own_folder_is_ones_own(study):
    study("new", "init")
    listed = {each["study"]: each["bundled"] for each in study("list", "--json").json}
    assert (listed["init"], listed["schedules"]) == (False, True)


def test_list_as_json_has_these_keys(study, made):
    listed = {each["study"]: each for each in study("list", "--json").json}
    assert list(listed["made"]) == [
        "study",
        "file",
        "bundled",
        "description",
        "complete",
        "pruned",
        "failed",
        "running",
        "paused",
        "metric",
        "best",
    ]
    assert listed["cifar_tricks"]["complete"] is None


def test_list_says_what_results_without_a_file_of_their_name_come_from(study, made):
    for name, file in (("mine@digits", "cifar_tricks"), ("made-final", "made")):
        Journal(made.folder.with_name(name)).store_definition({**made.definition(), "study": name, "file": file})
    listed = {each["study"]: each["description"] for each in study("list", "--json").json}
    assert listed["mine@digits"] == "cifar_tricks on digits"
    assert listed["made-final"] == "the test split for the winner of made"


def test_list_goes_on_past_a_damaged_study(study, made):
    (made.folder / "study.json").write_text("{")
    answer = study("list")
    assert answer.code == 0
    assert "damaged" in answer.out


def test_show_tells_counts_best_variants_and_trials(study, made):
    answer = study("show", "made")
    assert answer.code == 0
    assert answer.out.splitlines()[:4] == [
        "made: maximize val_accuracy",
        "5 finished (3 complete, 2 pruned), 1 failed, 1 unfinished; 6.5 s of training",
        "Best val_accuracy: 91.25 % by trial 2",
        "  batch_size=full lr=0.01235",
    ]
    table = [line.split() for line in answer.out.splitlines()]
    assert ["norm_inputs", "1", "complete", "75.00", "+5.00"] in table
    assert ["baseline", "0", "complete", "70.00", "baseline"] in table
    assert [line[0] for line in table[-9:-2]] == list("2103546")
    assert "1 trial of made failed, 1 with: ValueError: boom" in answer.out


def test_show_as_json_has_these_keys_and_is_strict(study, made):
    shown = study("show", "made", "--format", "json").json
    assert list(shown) == [
        "type", "version", "study", "metric", "direction", "in_percent", "finished", "complete", "pruned", "failed",
        "running", "paused", "seconds", "best", "variants", "baseline", "has_seed", "remarks", "trials", "failures",
        "others",
    ]  # fmt: skip
    assert list(shown["best"]) == ROW
    assert list(shown["variants"][0]) == ["variant", "trial", "state", "value", "difference"]
    diverged = next(each for each in shown["trials"] if each["trial"] == 5)
    assert diverged["metrics"] == {"val_accuracy": None, "val_loss": None}


@pytest.mark.parametrize(
    ("sort_by", "order"),
    [("trial", "0123456"), ("value", "2103546"), ("lr", "6234501"), ("epochs", "4356012"), ("state", "0124356")],
)
def test_show_sorts_by_a_column_or_a_knob(study, made, sort_by, order):
    shown = study("show", "made", "--format", "json", "--sort-by", sort_by).json
    assert "".join(str(each["trial"]) for each in shown["trials"]) == order


def test_show_top_keeps_the_first_and_says_how_many_are_left_out(study, made):
    assert "and 5 more (--top 7)" in study("show", "made", "--top", "2").out
    assert len(study("show", "made", "--top", "2", "-f", "json").json["trials"]) == 2


def test_show_as_csv_has_a_column_for_each_changed_knob(study, made):
    rows = list(csv.DictReader(io.StringIO(study("show", "made", "-f", "csv").out)))
    assert len(rows) == 7
    assert list(rows[0]) == [
        "trial", "state", "value", "epochs", "seconds", "variant", "reason",
        "recipe.batch_size", "recipe.lr", "recipe.normalize", "recipe.activation",
    ]  # fmt: skip
    assert (rows[0]["value"], rows[0]["recipe.batch_size"]) == ("0.9125", "full")


def test_show_a_trial_tells_its_knobs_epochs_and_evaluation(study, made):
    answer = study("show", "made", "--trial", "0")
    assert answer.code == 0
    for line in ("Trial 0 (baseline) of made: complete", "It changes no knob.", "accuracy: 70.00 %"):
        assert line in answer.out
    assert ["3", "70.00", "0.3000", "0.5000"] in [line.split() for line in answer.out.splitlines()]
    assert ["1", "dog", "2", "8"] in [line.split() for line in answer.out.splitlines()]
    assert ["dog", "0.8400"] in [line.split() for line in answer.out.splitlines()]
    assert "null" not in answer.out.replace("null left out", "")
    assert "  lr = 0.01235" in study("show", "made", "--trial", "2").out


def test_show_a_trial_as_json_has_these_keys(study, made):
    shown = study("show", "made", "--trial", "0", "-f", "json").json
    assert list(shown) == [
        "type", "version", "study", "metric", "direction", "in_percent", *ROW, "folder", "recipe", "history",
        "evaluation", "deaths", "traceback", "node", "chip", "environment", "repeats", "audited",
    ]  # fmt: skip
    assert shown["history"][0] == {"epoch": 1, "val_accuracy": 0.5, "val_loss": 0.5, "seconds": 0.5}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["show", "mabe"], "no results of a study 'mabe'. Did you mean 'made'?"),
        (["show", "made", "--trial", "99"], "made: no trial 99. They go from 0 to 6."),
        (["show", "made", "--trial", "-1"], "invalid value for '--trial'"),
        (["show", "made", "--top", "0"], "invalid value for '--top'"),
        (["show", "made", "--sort-by", "lrr"], "--sort-by: no column 'lrr'. There are: trial"),
        (["show", "made", "--format", "yaml"], "'yaml' is not one of 'table', 'json', 'csv'"),
        (["best", "nothing"], "no results of a study 'nothing'"),
        (["export", "made", "-f", "xls"], "'xls' is not one of"),
        (["export", "made", "-o", "made.xlsx"], "made.xlsx: cannot write .xlsx. End it in .csv, .json or .parquet"),
        (["export", "made", "-o", "missing/x.csv"], "missing/x.csv: cannot be written: No such file or directory"),
    ],
)
def test_bad_input_is_one_clear_line(study, made, arguments, complaint):
    answer = study(*arguments)
    assert (answer.code, answer.out) == (2, "")
    assert complaint in answer.err
    assert answer.err.count("\n") == 1


def test_best_prints_a_recipe_file(study, made):
    best = study("best", "made").json
    assert list(best) == ["study", "trial", "value", "metric", "recipe_type", "train", "recipe"]
    assert best["recipe"]["batch_size"] == "full"


def test_export_has_every_knob_and_the_last_metrics_of_every_trial(study, made):
    rows = list(csv.DictReader(io.StringIO(study("export", "made").out)))
    assert [row["trial"] for row in rows] == list("0123456")
    assert (rows[1]["metrics.val_accuracy"], rows[1]["recipe.normalize"]) == ("0.75", "true")
    assert rows[0]["recipe.hidden"] == "[64, 32]"


def test_export_by_epoch_has_a_row_an_epoch(study, made):
    rows = study("export", "made", "--epochs", "-f", "json").json
    assert len(rows) == 13
    assert rows[0] == {"trial": 0, "epoch": 1, "val_accuracy": 0.5, "val_loss": 0.5, "seconds": 0.5}
    assert rows[-3]["val_accuracy"] is None


def test_export_to_a_parquet_file_keeps_types_and_makes_mixed_columns_text(study, made):
    import pandas as pd

    assert study("export", "made", "-o", "made.parquet").code == 0
    frame = pd.read_parquet("made.parquet")
    assert list(frame["trial"]) == list(range(7))
    assert frame["recipe.lr"].dtype == float
    assert list(frame["recipe.batch_size"][:3]) == ["64", "64", "full"]


def test_export_writes_the_format_of_the_files_ending(study, made):
    assert study("export", "made", "-o", "made.json").out == ""
    assert len(json.loads(Path("made.json").read_text())) == 7


def test_results_in_another_home_are_found_by_option_and_by_variable(study, made, monkeypatch):
    home = Path("mlruns").rename("elsewhere")
    assert study("best", "made").code == 2
    assert study("best", "made", "--home", home).code == 0
    monkeypatch.setenv("STUDY_HOME", str(home))
    assert study("best", "made").code == 0


def test_looking_loads_nothing_heavy(study, made):
    before = set(sys.modules)
    study("show", "made")
    study("list")
    assert {"torch", "optuna", "mlflow", "pandas"} & (set(sys.modules) - before) == set()


@pytest.mark.parametrize("what", [("--trial", "1"), ("--importance",), ("--pruning",)])
@pytest.mark.parametrize("order", [("--sort-by", "lr"), ("--top", "3")])
def test_an_order_of_trials_is_refused_where_no_trials_are_listed(study, made, what, order):
    answer = study("show", "made", *what, *order)
    assert answer.code == 2
    assert answer.err == "error: study show: --sort-by and --top are for the table of trials. Leave them out.\n"
