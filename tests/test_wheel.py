"""The wheel, as somebody installs it: built, read, installed into an empty environment, and searched with elsewhere."""

import ast
import os
import re
import subprocess
import sys
from email.parser import Parser
from importlib.metadata import packages_distributions
from pathlib import Path
from zipfile import ZipFile

import pytest

REPOSITORY = Path(__file__).parents[1]
CACHE = subprocess.run(["uv", "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()

pytestmark = pytest.mark.slow


def uv(*arguments):
    """Run uv with the cache of the user, which has what the present environment was made from."""
    command = ["uv", *map(str, arguments), "--cache-dir", CACHE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from the source distribution, as `uv build` does."""
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--out-dir", folder, REPOSITORY)
    assert len(list(folder.glob("studytune-*.tar.gz"))) == 1
    return next(folder.glob("studytune-*.whl"))


@pytest.fixture(scope="module")
def about(wheel):
    """Read the wheel's metadata."""
    with ZipFile(wheel) as archive:
        name = next(each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Install the wheel with all that it requires into an empty environment; give the folder of its programs.

    The versions are those of the present environment, so that uv has them in its cache and loads nothing anew.
    """
    folder = tmp_path_factory.mktemp("installed")
    present = uv("pip", "freeze", "--python", sys.executable, "--exclude-editable")
    (folder / "present.txt").write_text("\n".join(re.findall(r"^[\w.-]+==\S+$", present, re.MULTILINE)))
    uv("venv", "--no-project", "--python", sys.executable, folder / "venv")
    python = folder / "venv" / "bin" / "python"
    uv("pip", "install", "--python", python, "--constraints", folder / "present.txt", wheel)
    return python.parent


def test_the_wheel_says_what_it_is(about):
    assert (about["Name"], about["License-Expression"]) == ("studytune", "Apache-2.0")
    assert about["Summary"]
    assert about["Author"]
    assert about["Keywords"]
    assert "Programming Language :: Python :: 3.11" in about.get_all("Classifier")


def test_no_link_of_the_description_needs_the_repository(about):
    text = about.get_payload()
    assert "Hyperparameter search and study tracking for PyTorch" in text
    targets = re.findall(r"\]\(([^)\s]*)\)", text)
    assert targets
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []


def test_the_wheel_requires_each_package_that_is_imported(about):
    required = {re.match(r"[\w.-]+", each)[0].lower() for each in about.get_all("Requires-Dist")}
    known, lacking = packages_distributions(), set()
    for file in (REPOSITORY / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for top in {name.partition(".")[0] for name in names} - {"study", *sys.stdlib_module_names}:
                if not {each.lower().replace("_", "-") for each in known.get(top, [])} & required:
                    lacking.add(top)
    # IPython is used where it is loaded already; the others come with a package that is named
    assert lacking == {"IPython", "joserfc", "pydantic_core", "requests", "starlette"}


def test_the_wheel_searches_where_nothing_else_of_ours_is(installed, tmp_path):
    environment = {**os.environ, "PATH": f"{installed}:{os.environ['PATH']}"}

    def run(*arguments):
        return subprocess.run(arguments, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)

    place = run(installed / "python", "-c", "import study; print(study.__file__)").stdout
    assert Path(place).is_relative_to(installed.parent)
    options = ["--data", "digits", "--set", "train_size=200", "--epochs", "1", "--trials", "2", "-j", "1"]
    searched = run("study", "run", "mnist_optimizers", *options)
    assert searched.returncode == 0, searched.stderr
    assert "Best val_accuracy: " in searched.stdout
    assert run("study", "report", "mnist_optimizers@digits").stdout.endswith("report.html\n")
    assert run("study", "--version").stdout == f"study {installed_version(installed)}\n"
    made = run("study", "new", "mine")
    assert made.returncode == 0, made.stderr
    assert run("study", "check", "mine").returncode in {0, 2}


def installed_version(programs):
    code = "from importlib.metadata import version; print(version('studytune'))"
    return subprocess.run([programs / "python", "-c", code], capture_output=True, text=True, check=True).stdout.strip()
