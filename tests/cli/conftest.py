"""The command line in this process, as the console script would run it."""

from __future__ import annotations

import json
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
    """Run a command line in this process, as the console script would."""

    def run(*arguments):
        capsys.readouterr()
        code = cli.exit_code([str(argument) for argument in arguments])
        answered = capsys.readouterr()
        return Answer(code, answered.out, answered.err)

    return run
