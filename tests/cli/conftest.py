"""The command line in this process, as the console script would run it."""

from __future__ import annotations

import json
import logging
from typing import NamedTuple

import pytest

from study import cli


class Answer(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"not strict JSON: {name}"))


@pytest.fixture
def study(capsys):
    """Run a command line in this process, and put logging back as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def run(*arguments):
        capsys.readouterr()
        code = cli.exit_code([str(argument) for argument in arguments])
        answered = capsys.readouterr()
        return Answer(code, answered.out, answered.err)

    yield run
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
