"""`study doctor` finds what is broken and names its cure; `study sync` makes the databases equal to the folders."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import optuna
import pytest

from study.formatting import size

CHECKS = [
    "python", "versions", "devices", "processor", "memory", "home", "cache", "storage", "tracking", "data", "studies",
    "results",
]  # fmt: skip


@pytest.fixture
def looked(study):
    def look(*arguments):
        answer = study("doctor", "--json", *arguments)
        return answer.code, {each["check"]: each for each in answer.json}

    return look


def test_on_a_sound_machine_all_is_well_and_nothing_is_written(looked, tmp_path):
    code, findings = looked()
    assert list(findings) == CHECKS
    assert [each for each in findings.values() if not each["ok"]] == []
    assert code == 0
    assert list(findings["home"]) == ["check", "ok", "found", "cure"]
    assert "cpu" in findings["devices"]["found"]
    assert "cifar_tricks" in findings["studies"]["found"]
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "check", "found", "cure"),
    [
        (["--home", "/proc/nowhere"], "home", "cannot be written", "--home"),
        (["--storage", "postgresql://me:secret@127.0.0.1:1/x"], "storage", "me:***@127.0.0.1", "--storage"),
        (["--tracking-uri", "http://127.0.0.1:1"], "tracking", "127.0.0.1:1", ""),
    ],
)
def test_what_is_broken_is_named_with_its_cure_and_the_rest_is_looked_at_all_the_same(
    looked, arguments, check, found, cure
):
    code, findings = looked(*arguments)
    assert code == 1
    assert [each["check"] for each in findings.values() if not each["ok"]] == [check]
    assert found in findings[check]["found"]
    assert cure in findings[check]["cure"]


def test_free_memory_is_what_programs_can_get_the_page_cache_included(looked):
    _, findings = looked()
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    known = {name: 1024 * int(number) for name, number, *_ in lines}
    said = re.fullmatch(r"(.*) in all, ([\d.]+) ([TGMk])B free", findings["memory"]["found"])
    free = float(said[2]) * 1000 ** (1 + "kMGT".index(said[3]))
    assert said[1] == size(known["MemTotal:"])
    near, far = (abs(free - known[name]) for name in ("MemAvailable:", "MemFree:"))
    assert near < max(far, 0.1 * known["MemTotal:"])  # others may take some meanwhile


def test_for_people_it_is_a_line_each(study):
    answer = study("doctor", "--home", "/proc/nowhere")
    assert answer.code == 1
    lines = answer.out.splitlines()
    assert [line.split()[1] for line in lines] == CHECKS
    assert [line.split()[0] for line in lines].count("BAD") == 1


def test_a_study_that_does_not_load_is_found(study, tmp_path):
    (tmp_path / "work" / "studies").mkdir()
    (tmp_path / "work" / "studies" / "mine.py").write_text("study = 1\n")
    answer = study("doctor")
    assert answer.code == 1
    assert "mine.py: no object `study`" in answer.out


def test_sync_makes_optuna_and_mlflow_equal_to_the_folders_and_again_changes_nothing(study, made, database):
    shutil.copy(database, "mlruns/mlflow.db")
    before = study("sync", "--dry-run", "--json").json
    assert before == [{"study": "made", "optuna": None, "mlflow": None, "pending": 7, "trouble": None}]
    first = study("sync", "made", "--json")
    assert first.code == 0
    assert first.json == [{"study": "made", "optuna": 7, "mlflow": 7, "pending": 0, "trouble": None}]
    trials = optuna.load_study(study_name="made", storage="sqlite:///mlruns/optuna.db").trials
    assert [trial.state.name for trial in trials[2:5]] == ["COMPLETE", "PRUNED", "FAIL"]
    again = study("sync")
    assert again.out.splitlines()[1].split() == ["made", "0", "0", "0", "-"]


def test_sync_without_results_has_nothing_to_do(study):
    answer = study("sync", "--json")
    assert (answer.code, answer.json) == (0, [])


def test_sync_of_an_unknown_study_is_one_clear_line(study, made):
    answer = study("sync", "mabe")
    assert answer.code == 2
    assert "no results of a study 'mabe'. Did you mean 'made'?" in answer.err
