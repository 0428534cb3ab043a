"""Every code block of README.md and docs/ runs: those of a page one after the other, in one empty folder.

A Python block whose first line is a comment with a path is that file. Other Python blocks are executed, those with
prompts as doctests. Lines of a shell block that call `study` run in this process, others in bash; a text block after it
shows what they print, and its headings are compared. JSON, YAML and INI are parsed. `<!-- not run: REASON -->` above a
block leaves it out; `# exit code 1` after a command is what it ends with.
"""

from __future__ import annotations

import doctest
import json
import os
import re
import shlex
import shutil
import subprocess
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
MADE = {"cli.md", "knobs.md", "reproduction.md"}  # by docs/reference.py and benchmarks/reproduce.py
PAGES = [
    REPOSITORY / "README.md",
    *sorted(each for each in (REPOSITORY / "docs").glob("*.md") if each.name not in MADE),
]
SLOW = {"gallery.md", "tutorial.md"}
TRACKED = {"tracking.md", "tutorial.md"}  # pages whose searches tell MLflow, each by a process that takes seconds
BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<why>(?:[^\n]|\n(?!\n))+?) -->\n\n?)?"
    r"(?:^```(?P<language>\w*)\n(?P<fenced>(?:.*\n)*?)```$"
    r"|(?<=\n\n)(?P<indented>(?:^ {4}\S.*\n)(?:^ {4}.*\n|^\n(?= {4}))*))",
    re.MULTILINE,
)
FILE = re.compile(r"# ([\w./-]+\.(?:py|yml))\n")
NOT_RUN = 24  # blocks; each needs a reason


@dataclass(frozen=True)
class Block:
    """A code block."""

    language: str
    code: str
    why: str | None  # it is not run


def blocks(text):
    for found in BLOCK.finditer(text):
        if (code := found["fenced"]) is not None:
            yield Block(found["language"], code, found["why"])
        elif re.search(r"(?m)^ {4}(?:- |\d+\. )", found["indented"]) is None:  # a list goes on
            yield Block("sh", re.sub(r"(?m)^ {4}", "", found["indented"]), found["why"])


FOUND = {page: list(blocks(page.read_text())) for page in PAGES}


def params():
    for page, found in FOUND.items():
        if any(block.why is None and block.language in {"sh", "python"} for block in found):
            yield pytest.param(page, id=page.stem, marks=[pytest.mark.slow] if page.name in SLOW else [])


@pytest.fixture
def folder(database):
    """Give a page its folder: the working folder, with MLflow's database made and the repository's examples."""
    home = Path("mlruns")
    home.mkdir()
    shutil.copy(database, home / "mlflow.db")
    for name in ("docs", "benchmarks", "src"):
        Path(name).symlink_to(REPOSITORY / name)
    return Path.cwd()


class Shell:
    """Runs the lines of shell blocks; `study` in this process, one training at a time."""

    def __init__(self, study):
        self._study = study
        self.said = ""
        os.environ["STUDY_EXECUTOR"] = "inline"

    def run(self, code):
        for line in code.replace("\\\n", " ").splitlines():
            command, _, comment = line.partition("  # ")
            expected = int(said[1]) if (said := re.search(r"exit code (\d+)", comment)) else 0
            words = shlex.split(command, comments=True)
            match words:
                case []:
                    continue
                case ["export", *assignments]:
                    os.environ.update(each.split("=", 1) for each in assignments)
                case ["study", *arguments] | ["uv", "run", "study", *arguments] if not {"|", ">"} & {*words}:
                    answer = self._study(*arguments)
                    self.said += answer.out
                    assert answer.code == expected, f"{line}\n{answer.out}\n{answer.err}"
                case _:
                    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
                    assert done.returncode == expected, f"{line}\n{done.stdout}\n{done.stderr}"


def shape(line):
    """A line without its figures and the width of its columns."""
    return re.sub(r"\d[\d.]*", "0", " ".join(line.split()))


def require_headings(shown, said):
    """Compare the first line and the headings of tables with what the commands of the block before have printed."""
    first, *others = shown.splitlines()
    headings = [first, *(line for line in others if line.strip() and not re.search(r"\d", line.replace("95 %", "")))]
    printed = {shape(line) for line in said.splitlines()}
    assert not said or {shape(line) for line in headings} <= printed, said


def run_python(code, namespace):
    if file := FILE.match(code):
        path = Path(file[1])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
        compile(code, file[1], "exec")
    elif code.startswith(">>>"):
        test = doctest.DocTestParser().get_doctest(code, namespace, "block", None, 0)
        result = doctest.DocTestRunner(verbose=False).run(test, clear_globs=False)
        assert not result.failed
        namespace.update(test.globs)
    else:
        exec(compile(code, "block", "exec"), namespace)


@pytest.mark.parametrize("page", list(params()))
def test_the_blocks_of_a_page_run_in_order(page, folder, study, request):
    if page.name not in TRACKED:
        request.getfixturevalue("untracked")
    shell, namespace = Shell(study), {"__name__": "page"}
    for block in FOUND[page]:
        if block.language != "text":
            shell.said = ""
        if block.why is not None:
            continue
        match block.language:
            case "sh":
                shell.run(block.code)
            case "python":
                run_python(block.code, namespace)
            case "json":
                json.loads(block.code)
            case "yaml":
                yaml.safe_load(block.code)
            case "ini":
                ConfigParser(interpolation=None).read_string(block.code)
            case "text":  # what is printed
                require_headings(block.code, shell.said)
            case other:
                pytest.fail(f"a block in {other!r}: use sh, python, json, yaml, ini, or text for what is printed")


def test_blocks_that_do_not_run_are_few_and_say_why():
    left_out = [f"{page.name}: {block.why}" for page, found in FOUND.items() for block in found if block.why]
    assert len(left_out) <= NOT_RUN, "\n".join(left_out)


def test_no_comment_stands_without_its_block():
    """A comment that is misspelt or too far away would leave out nothing, or hide that a block was meant."""
    for page, found in FOUND.items():
        assert page.read_text().count("<!-- not run") == sum(block.why is not None for block in found), page.name


def test_every_fence_is_a_block():
    for page, found in FOUND.items():
        text = page.read_text()
        fences = len(re.findall(r"(?m)^ *```", text))
        assert fences == 2 * sum(f"```{block.language}\n{block.code}" in text for block in found), page.name


def test_a_wrong_block_is_found_out(study, folder):
    shell = Shell(study)
    with pytest.raises(AssertionError, match="no_such_study"):
        shell.run("study run no_such_study\n")
    with pytest.raises(AssertionError, match="false"):
        shell.run("false\n")
    with pytest.raises(AssertionError):
        run_python(">>> 1 + 1\n3\n", {})
    shell.run("study run no_such_study  # exit code 2\nfalse  # exit code 1\n")
    with pytest.raises(AssertionError):
        require_headings("3 seeds: b\n\nName  95 % interval\nx  1.0\n", "4 seeds: b\nName  Interval\nx  1.0\n")
    require_headings("3 seeds: b\nName  95 % interval\nx  1.0\n", "14 seeds: b\nName   95 % interval\nlonger  2\n")
    assert [each.why for each in blocks("<!-- not run: it takes hours -->\n```sh\nls\n```\n")] == ["it takes hours"]
    assert [each.code for each in blocks("Then\n\n    study list\n    study doctor\n\nand\n")] == [
        "study list\nstudy doctor\n"
    ]
