"""Study files: found, loaded, and read without being run; each mistake in one line that says where."""

from __future__ import annotations

from pathlib import Path

import pytest

from study.errors import StudyFileError
from study.study_files import about, find, load

GOOD = """
from study import Recipe, Study
study = Study(name="mine", recipe=Recipe(dataset="digits", epochs=1), variants={"wide": {"dropout_conv": 0.1}})
"""


def write(name, text):
    path = Path("studies") / f"{name}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_a_study_of_ones_own_comes_before_a_built_in_one():
    own = write("cifar_tricks", GOOD)
    assert find("cifar_tricks") == own.absolute()
    own.unlink()
    assert find("cifar_tricks").name == "cifar_tricks.py"


def test_a_path_to_a_file_is_loaded(tmp_path):
    path = tmp_path / "elsewhere.py"
    path.write_text(GOOD)
    assert load(str(path)).name == "mine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("study = Study(", r"mine\.py, line 1: syntax error"),
        ("import nothing_of_this_name\n", r"mine\.py, line 1: ModuleNotFoundError: No module named"),
        ("x = 1\n", "no object `study`"),
        (GOOD.replace("epochs=1", "epoch=1"), r"mine\.py, line 3: unknown knob 'epoch'"),
        (GOOD.replace("epochs=1", "epochs=0"), r"mine\.py, line 3: epochs=0: input should be greater"),
        (GOOD.replace("dropout_conv", "dropout_cnov"), "mine, variant 'wide': unknown knob 'dropout_cnov'"),
        (GOOD.replace("0.1", "7"), "mine, variant 'wide': dropout_conv=7: input should be less than 1"),
    ],
)
def test_a_bad_study_file_says_what_and_where(text, message):
    write("mine", text)
    with pytest.raises(StudyFileError, match=message):
        load("mine")


def test_an_unknown_study_says_the_nearest_name():
    with pytest.raises(StudyFileError, match="Did you mean 'cifar_tricks'"):
        find("cifar_trick")


def test_a_loaded_study_has_the_docstring_of_its_file():
    write("mine", '"""One line.\n\n    More.\n"""\n' + GOOD)
    assert load("mine").about == "One line.\n\nMore."
    write("mine", GOOD)
    assert load("mine").about == ""


def test_the_docstring_comes_from_the_definition_else_from_the_file_without_running_it():
    write("mine", '"""From the file."""\nraise SystemExit\n')
    assert about("mine", {"about": "Stored."}) == "Stored."
    assert about("mine", {"about": ""}) == ""
    assert about("mine@digits", {}) == "From the file."
    write("mine", "not Python")
    assert about("mine", {}) == about("other", {}) == ""
