"""`study data` brings data sets in, shows them, proves and deletes them; what is wrong is one line and exit code 2."""

import csv
import io
import os
import pty
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from study.data import packed
from study.data.known import KNOWN

KEYS = [
    "name", "path", "kind", "classes", "shape", "train", "test", "sha256", "source", "imported", "created", "size",
    "columns", "validation", "levels", "offsets", "here", "task", "vocabulary", "categories",
]  # fmt: skip


@pytest.fixture
def pets(tmp_path):
    """A folder of pictures of cats and dogs."""
    draw = np.random.default_rng(0)
    for split, count in (("train", 4), ("test", 2)):
        for pet in ("cat", "dog"):
            (tmp_path / "pets" / split / pet).mkdir(parents=True)
            for number in range(count):
                pixels = draw.integers(0, 256, (8, 8, 3), np.uint8)
                Image.fromarray(pixels).save(tmp_path / "pets" / split / pet / f"{number}.png")
    return tmp_path / "pets"


@pytest.fixture
def table(tmp_path):
    """A CSV of 20 rows."""
    path = tmp_path / "table.csv"
    pd.DataFrame({"x": range(20), "t": list("abcd") * 5, "kind": ["u", "v"] * 10}).to_csv(path, index=False)
    return path


def test_images_come_in_and_are_listed(study, pets):
    answer = study("data", "import", "pets", pets)
    pack = packed.find("pets")
    assert answer.code == 0
    assert answer.out == (
        "pets: 8 images to train on and 4 to test, 8x8x3, 2 classes, "
        f"sha256 {pack.sha256[:12]}, {pack.size / 1000:.1f} kB\n"
    )
    here, known = study("data", "list").out.split("\n\n")
    lines = here.splitlines()
    assert lines[:1] == ["Here:"]
    assert lines[1].split() == ["Name", "Kind", "Train", "Test", "Shape", "Classes", "Size", "Source"]
    assert lines[2].split()[:6] == ["pets", "image", "8", "4", "8x8x3", "2"]
    assert "import of pets (PNG, decoded)" in lines[2]
    assert {line.split()[0] for line in known.splitlines()[2:]} == set(KNOWN)


def test_what_the_data_folder_holds_is_listed(study, pets, tmp_path, monkeypatch):
    folder = tmp_path / "raw"
    (folder / "MNIST" / "raw").mkdir(parents=True)
    (folder / "MNIST" / "raw" / "train-images-idx3-ubyte.gz").write_bytes(b"")
    for name in ("cifar-100-python.tar.gz", "own-images.tar.xz", "notes.md"):
        (folder / name).write_bytes(b"")
    pets.rename(folder / "pets")
    monkeypatch.setenv("STUDY_DATA", str(folder))
    listed = {each["name"]: each["source"] for each in study("data", "list", "--json").json}
    there = {name for name, source in listed.items() if source == f"files in {folder}, read when first used"}
    assert there == {"mnist", "cifar100"}
    told = study("data", "list").out.split("\n\n")[-1].splitlines()
    assert told[0] == "In STUDY_DATA, for `study data import NAME PATH`:"
    assert [line.strip() for line in told[1:]] == [str(folder / "own-images.tar.xz"), str(folder / "pets")]


def test_a_table_comes_in_with_notices_on_stderr(study, table):
    answer = study("data", "import", "mine", table, "--label", "kind", "--drop", "x")
    assert answer.code == 0
    assert answer.out.startswith("mine: 16 rows to train on and 4 to test, 4 columns, 2 classes, ")
    assert "One column for each category: t (4)" in answer.err
    assert "There is no test split: 20% held out for the test, stratified, seed 42" in answer.err


def test_options_have_twins_in_the_environment(study, table, monkeypatch):
    for name, value in {"LABEL": "kind", "TEST_FRACTION": "0.5", "DROP": "t"}.items():
        monkeypatch.setenv(f"STUDY_{name}", value)
    assert "10 rows to train on and 10 to test, 1 columns" in study("data", "import", "mine", table).out
    assert study("data", "import", "mine", table).code == 2
    monkeypatch.setenv("STUDY_FORCE", "1")
    assert study("data", "import", "mine", table).code == 0


def test_the_list_as_json_has_these_keys_for_what_is_here_and_what_is_to_come(study, pets, table):
    study("data", "import", "digits", pets)
    study("data", "import", "mine", table, "--label", "kind")
    for form in (["--json"], ["--format", "json"], ["-f", "json"]):
        listed = study("data", "list", *form).json
        assert all(list(each) == KEYS for each in listed)
        assert [each["name"] for each in listed] == ["digits", "mine", *(name for name in KNOWN if name != "digits")]
        assert [each["here"] for each in listed] == [True, True] + [False] * (len(KNOWN) - 1)
    assert listed[0]["sha256"] == packed.find("digits").sha256
    assert listed[0]["imported"]
    assert listed[1]["columns"] == ["x", "t=a", "t=b", "t=c", "t=d"]
    assert listed[2]["source"] == "not here yet: torchvision, when first used"


def test_the_list_as_csv_has_a_line_for_each(study, pets):
    study("data", "import", "pets", pets)
    rows = list(csv.DictReader(io.StringIO(study("data", "list", "-f", "csv").out)))
    assert [row["name"] for row in rows] == ["pets", *KNOWN]
    assert (rows[0]["train"], rows[0]["shape"], rows[1]["train"]) == ("8", "[8, 8, 3]", "")


def test_what_is_here_is_only_replaced_by_force(study, pets, table):
    study("data", "import", "pets", pets)
    before = packed.find("pets")
    answer = study("data", "import", "pets", table, "--label", "kind")
    assert answer.code == 2
    assert "pets exists already: 8 images to train on" in answer.err
    assert "--force" in answer.err
    assert packed.find("pets") == before
    assert study("data", "import", "pets", table, "--label", "kind", "--force").code == 0
    assert packed.find("pets").kind == "table"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x", "{pets}", "--label", "kind"], "--label: has no effect on images"),
        (["x", "{pets}", "--test", "t.csv"], "--test: has no effect on images"),
        (["x", "{pets}", "--drop", "a"], "--drop: has no effect on images"),
        (["x", "{table}", "--size", "8", "--label", "kind"], "--size: has no effect on a table"),
        (["x", "{table}"], "--label: is needed for a table. Name the column to predict"),
        (["x", "{table}", "--label", "nose"], "has no column 'nose'. Its columns are: x, t, kind"),
        (["x", "{table}", "--label", "kind", "--decimal", "x"], "--decimal: cannot be 'x'. Give . or ,"),
        (["x", "{table}", "--label", "kind", "--separator", "ab"], "--separator: cannot be 'ab'"),
        (["x", "{pets}", "--no-header"], "--header: has no effect on images"),
        (["x", "{table}", "--label", "kind", "--test-fraction", "2"], "a share of 2 cannot be held out"),
        (["x", "{table}", "--label", "kind", "--test-share", "2"], "a share of 2 cannot be held out"),
        (["x", "nowhere"], "nowhere: cannot be read: No such file or directory"),
        (["x", "nowhere.csv", "--label", "kind"], "No such file"),
        (["../x", "{pets}"], "'../x' cannot name a data set"),
        (["x", "{pets}", "--size", "0"], "--size"),
        (["x", "{pets}", "--size", "big"], "--size"),
        (["x"], "PATH"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2_and_nothing_is_written(study, pets, table, arguments, message):
    answer = study("data", "import", *(each.format(pets=pets, table=table) for each in arguments))
    assert answer.code == 2
    assert answer.out == ""
    errors = [line for line in answer.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert packed.names() == []


def test_whole_packs_are_verified_one_by_one_or_all(study, pets):
    study("data", "import", "a", pets)
    study("data", "import", "b", pets)
    assert study("data", "verify", "b")[:2] == (0, "b: whole\n")
    assert study("data", "verify")[:2] == (0, "a: whole\nb: whole\n")


def test_damaged_packs_are_found_listed_and_can_be_replaced_or_removed(study, pets):
    for name in ("changed", "cut", "good"):
        study("data", "import", name, pets)
    content = bytearray(packed.file_of("changed").read_bytes())
    content[-1] ^= 1
    packed.file_of("changed").write_bytes(content)
    os.truncate(packed.file_of("cut"), 700)
    answer = study("data", "verify")
    assert (answer.code, answer.out) == (1, "changed: damaged\ncut: damaged\ngood: whole\n")
    assert "study data remove changed" in answer.err
    listed = {each["name"]: each for each in study("data", "list", "--json").json}
    assert listed["cut"]["here"]
    assert "incomplete" in listed["cut"]["source"]
    assert "incomplete" in study("data", "list").out
    assert study("data", "import", "cut", pets).code == 2
    assert study("data", "import", "cut", pets, "--force").code == 0
    assert study("data", "verify", "cut").code == 0


def test_a_name_that_is_not_here_gets_the_nearest(study, pets):
    study("data", "import", "pets", pets)
    for command in ("verify", "remove"):
        answer = study("data", command, "pet")
        assert answer.code == 2
        assert "there is no data set 'pet' on this machine. Did you mean 'pets'?" in answer.err


def test_removal_needs_a_yes(study, pets, monkeypatch):
    study("data", "import", "pets", pets)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    answer = study("data", "remove", "pets")
    assert answer.code == 2
    assert "--yes" in answer.err
    assert packed.names() == ["pets"]
    assert study("data", "remove", "pets", "-y").code == 0
    assert packed.names() == []


@pytest.mark.parametrize(("said", "left"), [(b"n\n", ["pets"]), (b"y\n", [])])
def test_on_a_terminal_removal_is_asked_about(study, pets, said, left):
    study("data", "import", "pets", pets)
    ours, theirs = pty.openpty()
    os.write(ours, said)
    command = [sys.executable, "-m", "study", "data", "remove", "pets"]
    done = subprocess.run(command, stdin=theirs, capture_output=True, timeout=60, check=False)
    os.close(ours)
    os.close(theirs)
    assert (done.returncode, done.stdout) == (len(left), b"")
    assert b"Delete " in done.stderr
    assert packed.names() == left


def test_progress_is_drawn_on_a_terminal_only_and_never_on_stdout(study, pets):
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-m", "study", "data", "import", "pets", str(pets)], stdout=subprocess.PIPE,
                          stderr=theirs, env={**os.environ, "TERM": "xterm"}) as importing:  # fmt: skip
        out, _ = importing.communicate(timeout=60)
        shown = os.read(ours, 65536)
    os.close(ours)
    os.close(theirs)
    assert out.startswith(b"pets: 8 images")
    assert b"\x1b[" in shown
    assert b"Decoding pets" in shown
    answer = study("data", "import", "pets", pets, "--force")
    assert "Decoding pets: 100 %" in answer.err
    assert "\x1b" not in answer.err
