import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize("module", ["expected", "intervals", "sequential", "verdicts"])
def test_the_examples_in_the_docstrings_are_true(module):
    result = doctest.testmod(import_module(f"study.stats.{module}"))
    assert result.attempted > 4
    assert result.failed == 0
