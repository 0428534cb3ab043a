"""Imports of a person's own code: kept within a search, read anew by the next request."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import pytest

import study
from study.errors import StudyFileError
from study.imports import forget_edited, import_object, load_file, load_file_anew, reference_to
from study.study_files import load

OWN = """
from collections.abc import Iterator
from pydantic import BaseModel
from study import Epoch, Study

class Own(BaseModel, frozen=True):
    size: int = 1

def train(recipe, resume) -> Iterator[Epoch]:
    yield Epoch(1, {"score": FACTOR * recipe.size})

FACTOR = 1.0
study = Study(name="own", recipe=Own(), train=train, metric="score")
"""
HERE = {"executor": "inline", "track": False}


@pytest.fixture(autouse=True)
def imports_as_before(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(Path.cwd())):
            del sys.modules[name]


def write(file, text):
    """Write a file with the size and the time that it had before, as a quick edit can leave it."""
    path = Path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (1_795_000_000, 1_795_000_000))
    return path


def test_a_file_is_imported_once_until_its_content_changes():
    file = write("mine.py", "x = 1\n")
    first = load_file(file)
    assert load_file(file) is load_file_anew(file) is first
    write("mine.py", "x = 2\n")
    assert load_file(file) is first  # a running search keeps what it started with
    assert import_object("mine.py:x") == 1
    assert load_file_anew(file).x == 2
    assert import_object("mine.py:x") == 2


def test_an_edited_module_of_one_s_own_is_read_anew_with_all_that_import_it():
    write("parts/__init__.py", "")
    write("parts/sizes.py", "SIZE = 1\n")
    write("parts/nets.py", "from . import sizes\nclass Net:\n    size = sizes.SIZE\n")
    write("other.py", "class Other: ...\n")
    file = write("mine.py", "import other\nfrom parts.nets import Net\n")
    first = load_file_anew(file)
    write("parts/sizes.py", "SIZE = 2\n")
    second = load_file_anew(file)
    assert (first.Net.size, second.Net.size) == (1, 2)
    assert second.other is first.other
    assert import_object("parts.nets:Net") is second.Net
    assert load_file_anew(file) is second


def test_a_package_that_is_named_by_an_import_path_is_read_anew():
    write("parts/__init__.py", "from parts.nets import WIDTH\n")
    write("parts/nets.py", "WIDTH = 1\n")
    assert import_object("parts:WIDTH") == 1
    write("parts/nets.py", "WIDTH = 2\n")
    assert import_object("parts:WIDTH") == 1
    forget_edited()
    assert import_object("parts:WIDTH") == import_object("parts.nets:WIDTH") == 2


def test_what_is_installed_and_what_the_file_does_not_import_stays_as_it_is():
    write("venv/lib/python3.11/site-packages/installed.py", "X = 1\n")
    write("apart.py", "X = 1\n")
    sys.path.append(str(Path("venv/lib/python3.11/site-packages").absolute()))
    file = write("mine.py", "import installed\n")
    first = load_file_anew(file)
    import apart  # in the working folder, but nothing of the study

    write("venv/lib/python3.11/site-packages/installed.py", "X = 2\n")
    write("apart.py", "X = 2\n")
    assert load_file_anew(file) is first
    assert sys.modules["apart"] is apart
    assert (first.installed.X, apart.X) == (1, 1)


def test_a_broken_edit_leaves_the_process_with_what_it_had():
    write("sizes.py", "SIZE = 1\n")
    file = write("mine.py", "import sizes\n")
    first = load_file_anew(file)
    write("sizes.py", "SIZE = 2\n")
    write("mine.py", "import sizes\nraise ValueError(sizes.SIZE)\n")
    with pytest.raises(StudyFileError, match=r"mine\.py, line 2: ValueError: 2"):
        load_file_anew(file)
    assert load_file(file) is first
    assert import_object("sizes:SIZE") == 1
    write("mine.py", "import sizes\n")
    assert load_file_anew(file).sizes.SIZE == 2


def test_a_reloaded_class_is_one_object_by_its_import_path_and_in_pickles():
    write("studies/own.py", OWN)
    load("own")
    write("studies/own.py", OWN.replace("size: int = 1", "size: int = 2"))
    found = load("own")
    kind = type(found.recipe)
    assert found.recipe.size == 2
    assert import_object(reference_to(kind)) is kind
    assert import_object(reference_to(found.train)) is found.train
    assert pickle.loads(pickle.dumps(found.recipe)) == found.recipe
    assert type(pickle.loads(pickle.dumps(found.recipe))) is kind


@pytest.mark.parametrize("executor", ["inline", "local"])
def test_the_next_run_in_the_same_process_trains_by_the_edited_file(executor):
    how = {"executor": executor, "track": False, "workers": 1}
    write("studies/own.py", OWN)
    assert study.run("own", 1, **how).best.value == 1.0
    write("studies/own.py", OWN.replace("FACTOR = 1.0", "FACTOR = 5.0").replace('"own"', '"new"'))
    assert study.run("own", 1, **how).best.value == 5.0


SCRIPT = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.5)
LR = parser.parse_args().lr
"""


def test_a_script_that_parses_its_arguments_as_it_is_imported_sees_none_of_ours(monkeypatch):
    ours = ["study", "run", "script.py", "--trials", "3"]
    monkeypatch.setattr(sys, "argv", ours)
    Path("script.py").write_text(SCRIPT)
    Path("own_script_module.py").write_text(SCRIPT)
    assert load_file(Path("script.py")).LR == 0.5
    assert import_object("own_script_module:LR") == 0.5
    assert sys.argv is ours


def test_a_module_that_ends_its_program_is_an_error_of_the_module():
    Path("own_ending_module.py").write_text("import sys\nsys.exit('bad data')\n")
    with pytest.raises(StudyFileError, match="cannot import 'own_ending_module:x': SystemExit: bad data"):
        import_object("own_ending_module:x")


def test_a_file_whose_import_was_interrupted_is_read_from_its_start_by_the_next():
    file = Path("slow.py")
    file.write_text("import os\nif 'INTERRUPT' in os.environ:\n    raise KeyboardInterrupt\nx = 1\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTERRUPT", "1")
        with pytest.raises(KeyboardInterrupt):
            load_file(file)
    assert load_file(file).x == 1
