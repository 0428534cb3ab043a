"""Tables of choices: each row makes something, a name that no table has is refused, a missing extra is named."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from study import choices, executors
from study.choices import Choice
from study.errors import InputError
from study.executors.table import EXECUTORS
from study.sampling.table import PRUNERS, SAMPLERS


@pytest.mark.parametrize(
    ("table", "arguments"), [(EXECUTORS, ["resources"]), (SAMPLERS, ["seed"]), (PRUNERS, [])], ids=["e", "s", "p"]
)
def test_every_row_has_a_help_text_and_a_factory_with_the_arguments_that_its_table_promises(table, arguments):
    for name, row in table.items():
        assert row.help, f"no help text in the row {name!r}"
        assert list(inspect.signature(row.load()).parameters) == arguments


def test_every_executor_has_a_row():
    """A file that can make an executor and has no row could not be chosen, and no contract would hold it."""
    files = [file for file in Path(executors.__file__).parent.glob("*.py") if "\ndef make(" in file.read_text()]
    rows = {row.factory for row in EXECUTORS.values()}
    lacking = [file.stem for file in files if f"study.executors.{file.stem}:make" not in rows]
    assert not lacking, f"add a row to executors/table.py, with the factory study.executors.NAME:make, for {lacking}"


def test_a_name_that_the_table_lacks_is_refused_with_the_names_that_it_has():
    with pytest.raises(InputError, match=rf"unknown executor 'slurm'\. There are: {', '.join(EXECUTORS)}\."):
        choices.check("executor", "slurm", EXECUTORS)


def test_an_extra_that_is_not_installed_is_named():
    row = Choice("a cluster", "package_that_nobody_has:make", extra="cluster")
    with pytest.raises(InputError) as error:
        row.load()
    assert str(error.value) == (
        "package_that_nobody_has is not installed. "
        "Run `uv sync --extra cluster` or `uv pip install '.[cluster]'` in the clone of study."
    )


def test_a_broken_row_without_an_extra_is_a_fault_of_ours():
    with pytest.raises(ModuleNotFoundError):
        Choice("nothing", "package_that_nobody_has:make").load()


def test_a_table_is_described_in_one_sentence():
    assert choices.described({"a": Choice("first", ""), "b": Choice("second", "")}) == "a: first; b: second."
