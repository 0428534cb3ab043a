"""`study ui` says where both pages are and ends with Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request

import pytest


@pytest.mark.slow
def test_ui_prints_both_addresses_and_ends_with_ctrl_c(made):
    command = [sys.executable, "-m", "study", "ui"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        assert "Ctrl-C stops both." in process.stderr.readline()
        lines = [process.stdout.readline() for _ in range(2)]
        assert {line.split("http")[0].strip() for line in lines} == {"Optuna dashboard", "MLflow"}
        for line in lines:
            with urllib.request.urlopen(line.split()[-1], timeout=30) as answer:
                assert answer.status == 200
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30)[0] == ""
    assert process.returncode == 0


@pytest.mark.parametrize("port", ["0", "70000", "http"])
def test_a_port_that_cannot_be_is_one_clear_line(study, port):
    answer = study("ui", "--optuna-port", port)
    assert answer.code == 2
    assert "invalid value for '--optuna-port'" in answer.err
