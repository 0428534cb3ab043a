"""What commands say on a terminal, read from a real one."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest


def on_a_terminal(*words):
    """Run a command with a terminal as stderr; its exit code and what the terminal got."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "study", *words]
    environ = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs, env=environ) as run:
        os.close(theirs)
        shown = b""
        try:
            while more := os.read(ours, 65536):
                shown += more
        except OSError:  # the other end is closed
            pass
        run.communicate(timeout=60)
    os.close(ours)
    return run.returncode, shown.decode()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("new", "mine"), "try it: study check mine, then study run mine --trials 20\r\n"),
        (("models",), "No model is registered yet"),
        (("-v", "new", "mine"), "] try it: study check mine"),
    ],
)
def test_what_a_command_has_to_say_is_said_on_a_terminal_too(words, said):
    code, shown = on_a_terminal(*words)
    assert code == 0
    assert said in shown
    assert shown.startswith("[I ") == ("-v" in words)


def test_a_live_view_hides_the_lines_that_it_shows_itself_and_no_others():
    toy = Path(__file__).parents[1] / "toy.py"
    code, shown = on_a_terminal("run", str(toy), "--trials", "2", "--executor", "inline")
    assert code == 0
    assert "2/2 trials" in shown
    assert "finished with value" not in shown
    code, shown = on_a_terminal("export", "toy", "-o", "trials.csv")
    assert code == 0
    assert "2 rows in trials.csv" in shown


def test_ctrl_d_in_place_of_a_password_is_no_bug():
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "study", "login", "http://127.0.0.1:9", "--name", "ann"]
    with subprocess.Popen(command, stdin=theirs, stderr=subprocess.PIPE, start_new_session=True) as run:
        os.close(theirs)
        assert run.stderr
        said = b""
        while not said.endswith(b"Password: ") and (more := run.stderr.read1()):
            said += more
        os.write(ours, b"\x04")
        said += run.stderr.read()
    os.close(ours)
    assert run.returncode == 2
    assert said.splitlines()[-1] == b"error: study login: no password"
