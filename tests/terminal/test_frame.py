"""The live view in a real terminal whose window changes: tmux breaks long lines as other terminals do."""

import os
import re
import shutil
import subprocess
import sys
import time

import pytest

from study.formatting import fitted

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux, the terminal of this test")
VIEW = """
import time
from study.terminal import live
from study.terminal.console import Terminal
from study.metric import Metric
from study.progress import Notice, SearchStarted, TrialStarted
from study.record.trial import TrialRow
from study.running.board import Board

board = Board()
knobs = {"optimizer": "adamw", "lr": 0.0123456, "activation": "leaky_relu", "schedule": "cosine", "batch_size": 100}
rows = [TrialRow(n, None, "complete", n / 9, n / 9, 4, 1.0, knobs, "", None, "cpu") for n in range(7)]
started = SearchStarted(study="toy", target=10, finished=7, resumed=0, slots=2, epochs=4)
board.start(started, Metric("val_accuracy"), rows)
for number in (7, 8):
    board.take(TrialStarted(number, None, knobs, 0))
with live.shown(Terminal(live=True), board) as show:
    print("\\n" * 30)  # as in a window that is in use
    while True:
        time.sleep(0.1)
"""


class Window:
    """A window of tmux that runs a program."""

    def __init__(self, folder, program, columns):
        self._tmux = ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null"]
        script = folder / "program.py"
        script.write_text(program)
        self.do("new-session", "-d", "-x", columns, "-y", 24, sys.executable, script)
        self.do("resize-window", "-x", columns)  # what no client looks at has 80 columns

    def do(self, *words):
        env = dict(os.environ)  # what a library has set besides, as readline does with COLUMNS, does not come along
        command = [*self._tmux, *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout

    def lines(self):
        return [line for line in self.do("capture-pane", "-p").splitlines() if line.strip()]

    def until(self, condition):
        for _ in range(600):
            if condition(lines := self.lines()):
                return lines
            time.sleep(0.1)
        return pytest.fail("\n".join(lines))


@pytest.fixture
def window(tmp_path, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    made = Window(tmp_path, VIEW, 140)
    yield made
    made.do("kill-server")


def is_one_view(lines, columns):
    """Whether the screen has the view once, drawn for this width."""
    bars = [line for line in lines if line.startswith("toy ")]
    bar = len(re.findall(r"[━╸]", bars[0])) if bars else 0  # seven trials of ten
    heads = [line for line in lines if line.startswith("best val_accuracy 66.67 %  trial 6")]
    trials = [re.split(r"\s+", line.strip())[1] for line in lines if line.startswith("  trial ")]
    wide = max(10, min(40, columns // 3))
    drawn = abs(bar - 0.7 * wide) <= 1
    return drawn and (len(bars), len(heads), trials) == (1, 1, ["5", "4", "3", "2", "7", "8"])


def test_a_window_that_changes_its_width_shows_the_view_once(window):
    window.until(lambda lines: is_one_view(lines, 140))
    for columns in (80, 60, 100, 45, 140):
        window.do("resize-window", "-x", columns)
        lines = window.until(lambda lines, columns=columns: is_one_view(lines, columns))
        assert len(lines) == len(window.lines())
        assert max(map(len, lines)) <= columns


@pytest.mark.parametrize(
    ("text", "columns", "lines"),
    [
        ("one line", None, ["one line"]),
        ("as long as it is", 16, ["as long as it is"]),
        ("breaks at its-own spaces", 14, ["breaks at", "its-own spaces"]),
        ("  below its indentation", 12, ["  below its", "  indentation"]),
        ("a /very/long/path/to/copy stays", 10, ["a", "/very/long/path/to/copy", "stays"]),
        ("two\n  lines that", 8, ["two", "  lines", "  that"]),
    ],
)
def test_text_breaks_at_its_spaces_alone(text, columns, lines):
    assert fitted(text, columns).split("\n") == lines
