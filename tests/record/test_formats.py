"""A folder of format 1, as it was written before files had checksums, is read and goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import study
from study.engine import checkpoint
from study.record import checked, damage
from study.record.journal import Journal
from tests.faults.running import SMALL

OLD = Path(__file__).with_name("format_1")


@pytest.fixture
def journal(tmp_path):
    """The results of three trials, in a home."""
    shutil.copytree(OLD, tmp_path / "home" / "studies" / "small")
    journal = Journal(tmp_path / "home" / "studies" / "small")
    text = journal.definition_file.read_text()
    journal.definition_file.write_text(text.replace("REPOSITORY", str(SMALL.parents[2])))
    return journal


def test_every_file_of_format_1_is_read(journal):
    assert b'"format"' not in journal.definition_file.read_bytes()
    assert list(damage.find(journal)) == []
    assert journal.definition()["study"] == "small"
    assert journal.groups() == {"baseline": {"mean": 0.5, "n": 1.0}}
    assert [look["command"] for look in journal.openings()] == ["study confirm small"]
    assert journal.question("run")["trials"] == 3
    for trial in journal.trials():
        assert trial.recipe()["epochs"] == 3
        assert trial.about()["metric"] == "score"
        assert len(trial.history().epochs) in {1, 2, 3}
        save_file({"weights": torch.zeros(4)}, trial.best, {"epoch": "1", "score": "0.5"})
        assert checkpoint.load_weights(trial.best)["weights"].shape == (4,)


def test_a_search_of_format_1_goes_on_and_what_it_writes_has_checksums(journal):
    found = study.run(study.load(str(SMALL)), 4, home=journal.home, executor="inline", track=False)
    assert found.finished == 4
    assert b'"format": 2' in (journal.trial(3).path / "recipe.json").read_bytes()
    assert b'"format": 2' in (journal.folder / "run.json").read_bytes()
    journal.record_opening({"time": 2.5, "command": "again", "study": "small", "recipes": [], "seeds": []})
    assert [look["command"] for look in journal.openings()] == ["study confirm small", "again"]


@pytest.mark.parametrize("values", [{}, {"format": "png", "crc": 1}, {"a": [1, 2.5, None]}, {"deep": {"format": 2}}])
@pytest.mark.parametrize("by_lines", [False, True])
def test_what_is_written_is_read_and_each_changed_bit_is_noticed(values, by_lines):
    content = checked.encode(values, by_lines=by_lines)
    assert checked.decode(content) == values
    for at in range(8 * len(content)):
        changed = bytearray(content)
        changed[at // 8] ^= 1 << at % 8
        with pytest.raises(ValueError, match=r"."):
            checked.decode(bytes(changed))


def test_a_file_of_a_newer_version_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(checked, "FORMAT", 3)
    checked.write(tmp_path / "study.json", {"a": 1})
    monkeypatch.undo()
    with pytest.raises(study.StudyError, match="a newer version of study has written it, in format 3"):
        checked.read(tmp_path / "study.json")
