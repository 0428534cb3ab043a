"""docs/architecture.md tells of the code as it is: the rooms, the arrows of the picture, the files of a study."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import script

DOCS = Path(__file__).parents[2] / "docs"
SOURCE = DOCS.parent / "src" / "study"
TEXT = (DOCS / "architecture.md").read_text()
FILES = re.findall(r"^\| (`.+?) \| (.+?) \|", TEXT.partition("## Who writes which file")[2], re.MULTILINE)
NAMES = {name.rpartition("/")[2] for files, _ in FILES for name in re.findall(r"`([^`]+\.\w+|lock)`", files)}


@pytest.fixture(scope="module")
def drawing():
    return script("architecture.py")


def test_the_picture_shows_the_rooms_and_imports_of_the_code(drawing):
    shown, measured = drawing.stored(), drawing.data()
    different = {room for room in shown.keys() | measured.keys() if shown.get(room) != measured.get(room)}
    assert not different, (
        f"docs/architecture.svg is out of date in {sorted(different)}. Run `uv run python docs/architecture.py`, "
        "look at the picture, and commit it."
    )


def test_every_room_has_its_line_and_no_other(drawing):
    told = re.findall(r"^\| `(\w+)/?` \|", TEXT.partition("## Rooms")[2].partition("\n## ")[0], re.MULTILINE)
    assert len(told) == len({*told})
    wrong = {*told} ^ {*drawing.rooms()}
    assert not wrong, f"a room has one line in docs/architecture.md, under Rooms; too many or lacking: {wrong}"


def test_what_is_told_to_be_of_the_foundation_imports_no_folder(drawing):
    told = re.findall(r"^\| `(\w+)` \|", TEXT.partition("| foundation")[2].partition("\n\n")[0], re.MULTILINE)
    wrong = {*told} - {*drawing.foundation(drawing.imports())}
    assert told
    assert not wrong, f"docs/architecture.md, Rooms: they import a folder: {wrong}"


def test_an_arrow_that_follows_from_others_is_not_drawn_and_a_circle_is_found_out(drawing, monkeypatch):
    monkeypatch.setattr(drawing, "imports", lambda: {"cli": {"data", "engine"}, "engine": {"data"}, "data": set()})
    assert drawing.drawn() == {"cli": {"engine"}, "engine": {"data"}, "data": set(), "foundation": set()}
    monkeypatch.setattr(drawing, "imports", lambda: {"engine": {"data"}, "data": {"engine"}})
    with pytest.raises(AssertionError, match="a circle of imports"):
        drawing.drawn()


def test_each_file_that_the_table_names_is_named_by_the_code_and_its_writers_exist():
    code = "".join(file.read_text() for file in SOURCE.rglob("*.py"))
    stems = {name: re.escape(name).replace(r"\.json", r"(\.json)?") for name in NAMES if "NAME" not in name}
    gone = {name for name, either in stems.items() if not re.search(rf"""["']({either})["']""", code)}
    assert not gone, f"docs/architecture.md, Who writes which file: no code names {gone}"
    writers = {writer for _, by in FILES for writer in re.findall(r"`([\w/.]+)`", by)}
    lost = {writer for writer in writers if not (SOURCE / writer).exists()}
    assert not lost, f"docs/architecture.md, Who writes which file: there is no {lost}"


def test_each_file_of_a_searched_and_confirmed_study_is_in_the_table(trained):
    files = (file for file in (trained / "mlruns" / "studies").rglob("*") if file.is_file())
    written = {file.name for file in files if file.parent.name != "artifacts"}
    assert {"study.json", "log.jsonl", "groups.json"} <= written
    lacking = written - NAMES
    assert not lacking, f"docs/architecture.md, Who writes which file: no row for {sorted(lacking)}"
