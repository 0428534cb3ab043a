"""What each kind of process loads: what it does not need costs seconds, and memory in each of them."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import study
from study import Recipe, Study
from study.engine.sources import ensure
from study.executors import Job, Resources
from study.executors.local import make
from study.progress import TrialEpoch
from study.record.journal import TrialFolder

DRAWING = {"matplotlib", "plotly", "PIL"}
COMPILER = {"torch._dynamo", "torch._inductor", "sympy"}
NEVER_BEFORE_TORCH = {"study.recipe", "optuna", "sqlalchemy", "numpy", "mlflow", "torch"}
WORKER = {*COMPILER, *DRAWING, "ray", "sklearn", "scipy", "pandas", "optuna", "sqlalchemy", "mlflow", "typer", "rich"}
SERVICE = {"fastapi", "starlette", "uvicorn", "limits", "pwdlib"}
COORDINATOR = {*DRAWING, *SERVICE, "ray", "torch", "torchvision", "sklearn", "pandas", "mlflow"}
TINY = Recipe(dataset="digits", model="cnn2", train_size=100, epochs=1)
REPORT_MODULES = "import atexit, sys; atexit.register(lambda: print('MODULES', *sys.modules, file=sys.stderr)); "
AT_THE_FIRST_LINE = """
import logging, os, sys
from study.cli import main

class First(logging.Handler):
    def emit(self, record):
        print(record.getMessage(), *sys.modules, sep="\\n", flush=True)
        os._exit(0)

logging.getLogger("study").addHandler(First())
main()
"""
FILE = """
from study import Recipe, Study
study = Study(name="mine", recipe=Recipe(dataset="digits", model="cnn2", train_size=100, epochs=1))
"""


def loaded():
    """The modules of the process that calls this."""
    return sorted(sys.modules)


def has_torch(pid):
    return "libtorch" in Path(f"/proc/{pid}/maps").read_text()


def command(*words):
    """Run a command in a process of its own; its output, and the modules that it had at its end."""
    code = f"{REPORT_MODULES}from study.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    said, _, modules = done.stderr.rpartition("MODULES")
    assert done.returncode == 0, said
    return done.stdout + said, set(modules.split())


@pytest.mark.slow
def test_a_worker_that_has_checked_and_trained_has_loaded_what_a_training_needs_and_no_more():
    ensure("digits")
    folder = TrialFolder(Path("0").absolute())
    folder.path.mkdir()
    job = Job.of(Study(name="s", recipe=TINY), 0, TINY.model_dump(mode="json"), folder)
    with closing(make(Resources("cpu", 1))) as executor:
        executor.call("study.engine.check:check_all", "study.recipe:Recipe", [TINY.model_dump(mode="json")], "cpu")
        executor.submit(job)
        ended = False
        while not ended:
            for number, event in executor.events(1):
                ended = type(event).__name__ == "Finished"
                if type(event).__name__ == "Epoch":
                    executor.answer(number, go_on=True)
        modules = set(executor.call(f"{__file__}:loaded"))
    assert "torch" in modules
    assert WORKER & modules == set()


@pytest.mark.slow
def test_a_search_loads_no_torch_and_no_mlflow_in_its_own_process():
    Path("mine.py").write_text(FILE)
    said, modules = command("run", "mine.py", "--trials", "1", "--device", "cpu", "--workers", "1")
    assert "starting 1 worker: loading torch" in said
    assert "1 finished (1 complete" in said
    assert Path("mlruns/mlflow.db").exists()
    assert COORDINATOR & modules == set()
    for words in (["show", "mine"], ["list"], ["doctor"], ["best", "mine"], ["check", "--help"]):
        _, modules = command(*words)
        assert COORDINATOR & modules == set(), words
    _, modules = command("report", "mine", "-o", "page.html")  # of which MLflow is not told
    assert {"torch", "torchvision", "mlflow", *COMPILER} & modules == set()
    _, modules = command("models")
    assert {"torch", "matplotlib", "optuna"} & modules == set()  # MLflow itself loads SciPy


@pytest.mark.slow
def test_mlflow_has_a_process_of_its_own_that_loads_no_torch():
    ensure("digits")
    seen = []

    def watch(event):
        if isinstance(event, TrialEpoch):
            seen.extend((each.name, has_torch(each.pid)) for each in multiprocessing.active_children())

    study.run(Study(name="s", recipe=TINY.model_copy(update={"epochs": 2})), 1, device="cpu", workers=1, watch=watch)
    assert ("MLflow", False) in seen
    assert [torch for name, torch in seen if name != "MLflow"] == [True, True]
    assert Path("mlruns/mlflow.db").exists()


@pytest.mark.parametrize("words", [["run", "x"], ["compare", "x"], ["confirm", "x"], ["ablate", "x"]])
def test_the_first_line_comes_before_anything_heavy_is_imported(words):
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_FIRST_LINE, *words, "--workers", "3"], capture_output=True, text=True, check=True
    )
    line, *modules = done.stdout.splitlines()
    assert line == "starting 3 workers: loading torch"
    assert "study.executors.server" in modules
    assert NEVER_BEFORE_TORCH & set(modules) == set()


def test_a_mistake_ends_the_command_at_once_though_torch_is_still_loading():
    done = subprocess.run(
        [sys.executable, "-m", "study", "run", "no_such_study"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "no study 'no_such_study'" in done.stderr
