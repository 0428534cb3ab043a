import doctest
from importlib import import_module
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"


@pytest.mark.parametrize("module", ["expected", "intervals", "sequential", "verdicts"])
def test_the_examples_in_the_docstrings_are_true(module):
    result = doctest.testmod(import_module(f"study.stats.{module}"))
    assert result.attempted > 4
    assert result.failed == 0


def test_the_examples_in_the_page_on_statistics_are_true():
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert result.attempted > 4
    assert result.failed == 0
