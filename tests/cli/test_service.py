"""`study ui` refuses a port that cannot be."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("port", ["0", "70000", "http"])
def test_a_port_that_cannot_be_is_one_clear_line(study, port):
    answer = study("ui", "--optuna-port", port)
    assert answer.code == 2
    assert "invalid value for '--optuna-port'" in answer.err
