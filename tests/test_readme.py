"""What the documents say is there: links, paths, commands with their options, variables, Python that compiles."""

import re
from pathlib import Path

import pytest
import typer

from study.cli.app import app
from study.settings import resolve

REPOSITORY = Path(__file__).parents[1]
SOURCE = REPOSITORY / "src" / "study"
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md", REPOSITORY / "mlruns" / "README.md"]
PAGES += sorted((REPOSITORY / "docs").glob("*.md")) + sorted((REPOSITORY / "docker").glob("*.md"))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CHECK = "uv run --group test pytest -n 2"
STUDY = re.compile(r"^(?:.*&& )?(?:uv run )?study ((?:[a-z-]).*)$")
VARIABLE = re.compile("STUDY_[A-Z_]*[A-Z]")
READ_BY_TESTS = {"STUDY_CAMPAIGN_RUNS", "STUDY_CUT_SHARE", "STUDY_DAMAGES", "STUDY_FUZZ", "STUDY_KILL_SHARE"}


def named(page):
    return page.relative_to(REPOSITORY).as_posix()


def commands(text):
    """Every `study ...` of a text: in backticks, or as an indented or fenced line."""
    spans = re.findall(r"`([^`\n]+)`", text)
    lines = [line.strip() for line in text.splitlines() if line.startswith(("    ", "study "))]
    return [match[1] for each in [*spans, *lines] if (match := STUDY.match(each.split("   #")[0].strip()))]


def in_source():
    """Commands that messages of the program tell people to type."""
    for file in sorted(SOURCE.rglob("*.py")):
        for command in re.findall(r"`study ([a-z][^`\n]*)`", file.read_text()):
            yield f"src/study/{file.relative_to(SOURCE).as_posix()}", command


def check(command):
    """Follow the words of a command down to its options; raise AssertionError where there is none such."""
    at = typer.main.get_command(app)
    options = {name for option in at.params for name in option.opts}
    for word in command.split():
        if word == "--":
            return  # what follows is another command's
        if word.startswith("-") and word != "-":  # which is a value
            assert word.partition("=")[0] in {*options, "--help", "-h", "--version"}, f"{at.name} has no {word}"
        elif hasattr(at, "commands"):
            assert word in at.commands or word in {"COMMAND", "NAME"}, f"no command {word}"
            if word not in at.commands:
                return
            at = at.commands[word]
            options |= {name for option in at.params for name in option.opts}


SAID = [(named(page), command) for page in PAGES for command in commands(page.read_text())] + list(in_source())


@pytest.mark.parametrize(("where", "command"), list(dict.fromkeys(SAID)))
def test_a_command_that_is_told_exists_with_its_options(where, command):
    check(command)


def test_the_readme_tells_the_main_command_and_the_check():
    text = (REPOSITORY / "README.md").read_text()
    assert "\n    pip install uv && uv run study run cifar_tricks --trials 100\n" in text
    assert f"\n    {CHECK}\n" in text
    assert f"\n{CHECK}\n" in (REPOSITORY / ".ci" / "run").read_text()


def test_a_wrong_command_or_option_would_be_found():
    with pytest.raises(AssertionError, match="no command runn"):
        check("runn cifar_tricks")
    with pytest.raises(AssertionError, match="run has no --trails"):
        check("run cifar_tricks --trails 100")


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page):
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text()))]
    local = [target for target in targets if target and "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_paths_that_are_named_exist(page):
    paths = re.findall(r"`((?:src|studies|tests|docs|benchmarks|docker|\.ci)/[\w./-]*)`", page.read_text())
    assert [path for path in paths if not (REPOSITORY / path).exists() and not re.search("my_study|NAME", path)] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_variables_that_are_named_are_read_by_the_program(page):
    files = [*SOURCE.rglob("*.py"), REPOSITORY / "docker" / "compose.yaml"]
    files.append(REPOSITORY / "tests" / "cli" / "options.txt")  # has those that follow from an option's name
    read = {name for file in files for name in VARIABLE.findall(file.read_text())} | READ_BY_TESTS
    assert set(VARIABLE.findall(page.read_text())) <= read


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_python_in_a_page_compiles(page):
    for language, code in FENCE.findall(page.read_text()):
        if language == "python" and not code.startswith(">>>"):
            compile(code, named(page), "exec")


def test_the_study_file_of_the_readme_is_one(tmp_path):
    from study import load
    from study.sampling.space import probe

    code = next(
        code for language, code in FENCE.findall((REPOSITORY / "README.md").read_text()) if language == "python"
    )
    file = tmp_path / "my_study.py"
    file.write_text(code)
    assert len(probe(load(str(file))).distributions) == 2


def test_the_readme_of_the_home_names_the_files_that_are_written_there():
    text, places = (REPOSITORY / "mlruns" / "README.md").read_text(), resolve("mlruns")
    for url in (places.storage, places.tracking_uri):
        assert f"`{Path(url).name}`" in text
