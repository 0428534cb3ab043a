"""A run in a notebook shows a progress bar, and nothing elsewhere; IPython's shell runs in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from study import notebook

SEARCH = """
import json
import sys
from traitlets.config import Config
from IPython.core.displaypub import CapturingDisplayPublisher
from {module} import {shell} as Shell

config = Config()
config.HistoryManager.enabled = False
config.IPKernelApp.parent_appname = "a notebook"  # by which tqdm knows one
shell = Shell.instance(config=config)
shell.display_pub = CapturingDisplayPublisher()
import study

small = study.Study(
    name="small",
    recipe=study.Recipe(dataset="digits", model="mlp", hidden=(8,), train_size=300, epochs=2),
    variants={{"baseline": {{}}, "wide": {{"hidden": (16,)}}}},
)
study.run(small, 2, executor="inline", track=False{watch})
told = shell.display_pub.outputs
sys.stdout.write(json.dumps([[each["data"]["text/html"], each.get("update", False)] for each in told]))
"""


def displayed(shell, module, watch=""):
    code = SEARCH.format(shell=shell, module=module, watch=watch)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr  # as tqdm's, where ipywidgets is missing
    return json.loads(done.stdout.splitlines()[-1])


def test_a_notebook_shows_one_bar_that_is_updated_with_trials_and_the_best_so_far():
    told = displayed("InteractiveShell", "IPython.core.interactiveshell")
    assert [update for _, update in told] == [False, *[True] * (len(told) - 1)]
    assert '<progress value="0" max="2"' in told[0][0]
    assert "small: 0/2 trials" in told[0][0]
    assert '<progress value="2" max="2"' in told[-1][0]
    assert "best val_accuracy" in told[-1][0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [
        ("TerminalInteractiveShell", "IPython.terminal.interactiveshell"),
        ("InteractiveShell", "IPython.core.interactiveshell", ", watch=lambda progress: None"),
    ],
)
def test_a_terminal_and_a_call_that_watches_by_itself_get_no_bar(how):
    assert displayed(*how) == []


def test_a_program_without_a_notebook_is_quiet(tmp_path):
    assert notebook.watcher(tmp_path) is None
