"""`study report` at the keyboard: where it writes, what it prints, what MLflow gets."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

HTML = Path("mlruns/studies/made/artifacts/report.html")


def test_the_path_is_printed_and_the_study_s_run_in_mlflow_has_the_report(study, made, database):
    shutil.copy(database, "mlruns/mlflow.db")
    answer = study("report", "made")
    assert (answer.code, answer.out) == (0, f"{HTML.absolute()}\n")
    assert "the same as Markdown" in answer.err
    with closing(sqlite3.connect("mlruns/mlflow.db")) as connection:
        (place,) = connection.execute("SELECT artifact_uri FROM runs WHERE name = 'made'").fetchone()
    kept = Path(place.removeprefix("file://")) / "report.html"
    assert kept.read_bytes() == HTML.read_bytes()


def test_mlflow_that_is_away_costs_a_warning(study, made):
    answer = study("report", "made", "--tracking-uri", "http://127.0.0.1:9")
    assert (answer.code, answer.out) == (0, f"{HTML.absolute()}\n")
    assert "MLflow does not have the report yet" in answer.err
    assert "study sync made" in answer.err


def test_as_json_every_file_is_named(study, made):
    answer = study("report", "made", "-o", "there", "--json")
    assert answer.json["html"] == "there/report.html"
    assert answer.json["bytes"] == Path("there/report.html").stat().st_size
    assert not Path("mlruns/mlflow.db").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["mad"], "no results of a study 'mad'. Did you mean 'made'?"),
        (["made", "-o", "/proc/nowhere"], "cannot be written"),
        (["made", "-o", "there/page.pdf/x.html"], "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_one_line(study, made, words, line):
    Path("there").mkdir()
    Path("there/page.pdf").touch()
    answer = study("report", *words)
    assert (answer.code, answer.out) == (2, "")
    assert line in answer.err
    assert len(answer.err.strip().splitlines()) == 1
