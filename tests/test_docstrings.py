"""The examples in the docstrings are true."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import study

SOURCES = Path(study.__file__).parent
WITH_EXAMPLES = [path for path in sorted(SOURCES.rglob("*.py")) if ">>> " in path.read_text()]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: path.relative_to(SOURCES).with_suffix("").as_posix())
def test_the_examples_in_the_docstrings_are_true(path):
    name = ".".join(["study", *path.relative_to(SOURCES).with_suffix("").parts]).removesuffix(".__init__")
    result = doctest.testmod(import_module(name))
    assert result.failed == 0
    assert result.attempted or "+SKIP" in path.read_text()
