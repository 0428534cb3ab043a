"""A flipped bit or a cut in a file is noticed when the file is read; damage.py does more of it than the tests."""

from __future__ import annotations

import os

import pytest

from tests.faults import damage

EACH = int(os.environ.get("STUDY_DAMAGES", "200"))  # of each kind of file
KINDS = (
    "log.jsonl, before its last line",
    "log.jsonl, its last line",
    "recipe.json",
    "trial.json",
    "study.json",
    "run.json",
    "groups.json",
    "openings.json",
    "mirror.json",
    "best.safetensors",
    "pack",
    "checkpoint.pt",
)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """How often each came, by kind of file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STUDY_CACHE", str(tmp_path_factory.mktemp("cache")))
        total = EACH * len(KINDS)
        return damage.campaign(tmp_path_factory.mktemp("damage"), total * 10 // 11, total - total * 10 // 11, 0)


def test_every_kind_of_file_is_damaged(outcomes):
    assert set(outcomes) == set(KINDS)
    assert {count.total() for count in outcomes.values()} == {EACH}


@pytest.mark.parametrize("kind", KINDS)
def test_no_damage_is_a_crash(outcomes, kind):
    assert outcomes[kind]["crashed"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_no_damage_is_read_as_if_it_were_whole(outcomes, kind):
    assert outcomes[kind]["wrong"] == 0
