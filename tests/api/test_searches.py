"""The calls that only read results give what the commands print, and show themselves in a notebook."""

from __future__ import annotations

import csv
import io
import json
import threading
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import study
from study.cli import exit_code
from study.definition import Study
from study.errors import InputError, StudyError
from study.options import Options
from study.questions import search
from study.recipe import Recipe
from study.record.journal import Journal
from study.settings import resolve

SMALL = Study(
    name="small",
    recipe=Recipe(dataset="digits", model="mlp", hidden=(8,), optimizer="sgd", train_size=300, epochs=1),
    space=lambda trial: {"lr": trial.suggest_float("lr", 0.001, 1.0, log=True)},
    variants={"baseline": {}, "norm_inputs": {"normalize": True}},
)


@pytest.fixture
def printed(capsys):
    """Give what a command prints."""

    def run(*arguments):
        capsys.readouterr()
        assert exit_code([str(each) for each in arguments]) == 0
        return capsys.readouterr().out

    return run


def run_search(wanted, trials):
    how = Options(trials=trials, executor="inline", track=False)
    list(search.run(wanted, resolve(), how, threading.Event()))


@pytest.fixture
def searched():
    """A search of five trials in the working folder's home."""
    run_search(SMALL, 5)


SHOWN = {
    ("show", "made"): lambda: study.show("made"),
    ("show", "made", "--trial", "0"): lambda: study.show("made", 0),
    ("show", "made", "--importance"): lambda: study.importance("made"),
    ("show", "made", "--pruning"): lambda: study.pruning("made"),
    ("show", "made", "--sort-by", "lr", "--top", "3"): lambda: study.show("made", sort_by="lr", top=3),
}


@pytest.mark.parametrize("words", SHOWN, ids=" ".join)
def test_a_call_gives_the_same_text_json_and_csv_as_the_command(made, printed, words):
    found = SHOWN[words]()
    assert f"{found.text()}\n" == printed(*words)
    assert f"{found.to_json(indent=2)}\n" == printed(*words, "--format", "json")
    assert found.to_csv() == printed(*words, "--format", "csv")


@pytest.mark.parametrize("words", SHOWN, ids=" ".join)
def test_a_result_shows_itself_as_html_and_as_a_chart(made, words):
    found = SHOWN[words]()
    assert found._repr_html_().startswith("<p>")
    assert found.figure().to_plotly_json()["layout"]["title"]
    assert len(found.to_pandas()) == len(found.rows())


def test_searches_side_by_side_are_the_same_from_both_sides_and_write_their_picture(searched, printed):
    run_search(replace(SMALL, name="other"), 3)
    found = study.side_by_side("small", "other")
    folder = Path("mlruns/side_by_side/small+other")
    assert {path.name for path in folder.iterdir()} == {"budgets.svg", "budgets.png", "budgets.csv"}
    assert (folder / "budgets.csv").read_text() == found.to_csv()
    assert f"{found.text()}\n" == printed("compare", "small", "other")
    assert json.loads(found.to_json()) == json.loads(printed("compare", "small", "other", "--json"))
    assert [trace.name for trace in found.figure().data if trace.name] == ["small", "other"]


def test_a_home_that_cannot_be_written_hides_no_answer(searched, caplog):
    run_search(replace(SMALL, name="other"), 3)
    Path("mlruns/side_by_side").write_text("in the way")
    assert study.side_by_side("small", "other").searches[1].name == "other"
    assert "no picture: " in caplog.text


def test_the_best_recipe_is_the_file_that_run_takes(made, printed):
    found = study.best("made")
    assert found.recipe["lr"] == 0.0123456
    assert f"{found.to_json(indent=2)}\n" == printed("best", "made")


def test_without_a_complete_trial_there_is_no_best_recipe(made):
    for number in (0, 1, 2):
        log = made.trial(number).path / "log.jsonl"
        log.write_bytes(b"".join(line for line in log.read_bytes().splitlines(keepends=True) if b'"ended"' not in line))
    with pytest.raises(StudyError, match=r"no trial is complete yet. `study run made` goes on"):
        study.best("made")


@pytest.mark.parametrize("per_epoch", [False, True])
def test_an_export_is_the_same_table_in_every_format(made, printed, tmp_path, per_epoch):
    found = study.export("made", per_epoch=per_epoch)
    words = ["export", "made", *(["--epochs"] if per_epoch else [])]
    assert found.to_csv() == printed(*words)
    assert f"{found.to_json(indent=2)}\n" == printed(*words, "--format", "json")
    found.write(tmp_path / "rows.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "rows.parquet"), found.to_pandas(), check_dtype=False)
    found.write(tmp_path / "rows")
    assert len(list(csv.DictReader(io.StringIO((tmp_path / "rows").read_text())))) == len(found.rows)
    with pytest.raises(InputError, match=r"cannot write \.xlsx"):
        found.write(tmp_path / "rows.xlsx")


@pytest.mark.parametrize(
    "call",
    [
        study.show,
        study.best,
        study.importance,
        study.pruning,
        study.export,
        lambda name: study.side_by_side(name, name),
    ],
)
def test_a_study_without_results_is_an_error_that_names_the_nearest(made, call):
    with pytest.raises(InputError, match=r"no results of a study 'mabe'. Did you mean 'made'\?"):
        call("mabe")


def test_what_a_search_came_to_shows_itself(searched):
    found = study.run(SMALL, 5, executor="inline", track=False)
    text = found.text()
    assert text.startswith("small: 5 finished (")
    assert "These are single-seed results" in text
    assert "study confirm small" in text
    record = found.record().plain()
    assert (record["type"], record["version"], record["finished"], record["has_seed"]) == ("search", 1, 5, True)
    assert len(found.to_pandas()) == 5
    assert found.figure().data[-1].name == "best so far"


def test_the_best_so_far_of_a_loss_falls_and_unfinished_trials_do_not_count(made):
    stored = made.definition()
    journal = Journal(made.folder)
    journal.definition_file.write_text(json.dumps({**stored, "direction": "minimize"}))
    line = study.show("made").figure().data[-1]
    assert list(line.x) == [0, 6]
    assert list(line.y) == [70.0, 70.0]


def test_a_programs_record_says_in_which_unit_the_training_measures(made):
    assert study.show("made").record().in_percent is False


def test_an_argument_that_there_is_not_is_named_with_the_nearest():
    with pytest.raises(InputError, match=r"no argument 'worker'\. Did you mean 'workers'"):
        study.run(SMALL, 1, worker=2)
