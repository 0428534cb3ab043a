"""What a trainer on another node sends is written into the job's folder, if it is whole and one of the job's files."""

from __future__ import annotations

import numpy as np
import pytest

from study.executors import Job, wire
from study.record import correct
from study.record.journal import TrialFolder
from tests.contracts.clauses import WORK


@pytest.fixture
def job(tmp_path):
    folder = TrialFolder(tmp_path / "00000")
    folder.path.mkdir()
    return Job.of(WORK, 0, WORK.recipe_for({}).model_dump(mode="json"), folder)


def test_which_test_examples_were_right_arrives_as_it_was_written(job, tmp_path):
    bits = np.array([True, False, True])
    correct.write(tmp_path / "correct.json", bits)
    wire.write(job, {"correct.json": (tmp_path / "correct.json").read_bytes()})
    assert correct.read(job.correct).tolist() == bits.tolist()


@pytest.mark.parametrize("name", ["correct.json", "best.safetensors", "last.safetensors", "checkpoint.pt", "log.jsonl"])
def test_what_is_damaged_or_no_file_of_the_job_is_refused_and_nothing_is_written(job, name):
    with pytest.raises(wire.BadMessage):
        wire.write(job, {name: b"{}x", "output.log": b"a line"})
    assert list(job.best.parent.iterdir()) == []


def test_a_trainer_has_a_place_of_its_own_for_every_file_of_a_job(job):
    assert {place.name for place in wire.places_of(job).values()} == {
        "best.safetensors", "last.safetensors", "correct.json", "checkpoint.pt",
    }  # fmt: skip
