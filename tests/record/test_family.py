"""A study and those that are made for it: names, folders, looks, the question, who runs one."""

import json
import os
import socket

import pytest

from study.errors import StudyError
from study.record import family, owner
from study.record.family import Family
from study.record.journal import Journal


@pytest.fixture
def home(tmp_path):
    return tmp_path / "mlruns"


def define(name, home, **definition):
    journal = family.journal(name, home)
    journal.store_definition({"study": name, **definition})
    return journal


def test_each_member_lies_in_a_folder_of_its_own(home):
    mine = Family("mine@digits", home)
    names = [each.folder.name for each in (mine.search, mine.compare, mine.confirm, mine.final, mine.ablate)]
    assert names == [
        "mine@digits", "mine@digits-compare", "mine@digits-confirm", "mine@digits-final", "mine@digits-ablate",
    ]  # fmt: skip
    assert [each.folder for each in mine.all()] == [home / "studies" / name for name in names]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("mine-compare", ("mine", "compare")),
        ("a-b-final", ("a-b", "final")),
        ("mine", ("mine", None)),
        ("mine-other", ("mine-other", None)),
        ("-compare", ("-compare", None)),
    ],
)
def test_a_name_says_what_it_was_made_for(name, parts):
    assert family.parsed(name) == parts


def test_a_member_that_has_results_leads_to_its_family_and_another_name_is_a_study_of_its_own(home):
    define("mine-confirm", home)
    assert Family.of("mine-confirm", home).name == "mine"
    assert Family.of("yours-confirm", home).name == "yours-confirm"


@pytest.mark.parametrize(
    ("variants", "chosen"),
    [
        ({"wide": {"lr": 1}, "baseline": {"lr": 2}}, "baseline"),
        ({"wide": {"lr": 1}, "plain": {}}, "plain"),
        ({"wide": {"lr": 1}, "deep": {"lr": 2}}, "wide"),
        ({}, None),
    ],
)
def test_one_rule_chooses_the_baseline(variants, chosen):
    assert family.baseline(variants) == chosen


def test_the_question_is_kept_with_what_was_made_for_it_and_an_old_one_is_found_with_the_search(home):
    mine = Family("mine", home)
    assert mine.question("confirm") is None
    mine.search.store_question("confirm", {"seeds": 3})  # as version 0.1 of 2026-11 did
    assert mine.question("confirm") == {"seeds": 3}
    mine.confirm.store_question("confirm", {"seeds": 5})
    assert mine.question("confirm") == {"seeds": 5}


def test_the_looks_of_all_members_are_read_in_the_order_of_time(home):
    for name, time in (("mine-final", 2.0), ("mine-compare", 1.0)):
        define(name, home).record_opening({"time": time, "study": name})
    assert [look["study"] for look in Family("mine", home).looks()] == ["mine-compare", "mine-final"]


def test_a_definition_is_found_wherever_the_family_has_one(home):
    with pytest.raises(StudyError, match="the study's definition is missing"):
        Family("mine", home).defined()
    define("mine-compare", home)
    assert Family("mine", home).defined().folder.name == "mine-compare"


@pytest.mark.parametrize(
    ("who", "runs"),
    [
        (owner.this_process("study run mine"), True),
        ({**owner.this_process("study run mine"), "started": "1"}, False),  # another process has its number by now
        ({**owner.this_process("study run mine"), "machine": "before the machine was started again"}, False),
        ({"pid": os.getpid(), "host": socket.gethostname()}, True),  # of an older version
        ({"pid": os.getpid(), "host": "elsewhere"}, False),
        ({"pid": 2**22 + 1, "host": socket.gethostname()}, False),
        ("torn", False),
    ],
)
def test_a_process_of_this_machine_that_holds_a_lock_is_named(home, who, runs):
    journal = define("mine-final", home)
    (journal.folder / "lock").write_text(json.dumps(who))
    assert (family.held_by(journal) is not None) == runs


def test_a_folder_that_holds_no_results_is_no_study(home):
    define("mine", home)
    (home / "studies" / "empty").mkdir()
    assert family.studies(home) == ["mine"]
    assert family.names_of("mine", ["mine", "mine-final", "mines"]) == ["mine-final", "mine"]
    assert Journal(home / "studies" / "mine").home == home
