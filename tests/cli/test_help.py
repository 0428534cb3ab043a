"""The help of every command: grouped, in whole sentences, at any width, with one line about variables; completion."""

import os
import re
import subprocess
import sys

import pytest
import typer

from study.cli.app import app
from study.cli.help import ORDER, PANELS

TITLE = re.compile(r"^[A-Z][\w ]+:$")


def commands(command, path=""):
    yield path, command
    for name, each in getattr(command, "commands", {}).items():
        yield from commands(each, f"{path} {name}".strip())


COMMANDS = dict(commands(typer.main.get_command(app)))


def titles(text):
    return [line[:-1] for line in text.splitlines() if TITLE.match(line)]


def test_the_commands_are_grouped_and_none_is_left_over(study):
    text = study("--help").out
    assert titles(text) == [*PANELS, "Options"]
    assert sorted(name for names in PANELS.values() for name in names) == sorted(
        path for path in COMMANDS if path and " " not in path
    )
    assert "\nRegistry:\n  register  Register the confirmed winner" in text


def test_the_options_of_run_are_in_panels(study):
    text = study("run", "--help").out
    assert titles(text) == ["Arguments", *ORDER]
    for panel, option in (
        ("What to run", "-S, --set KNOB=VALUE"), ("How long", "-n, --trials N"), ("Where", "--home FOLDER"),
        ("Output", "--json"), ("Options", "-h, --help"),
    ):  # fmt: skip
        assert f"\n  {option}" in text.partition(f"\n{panel}:")[2].partition("\n\n")[0]


def test_every_panel_is_one_of_those_that_are_shown():
    used = {parameter.rich_help_panel for path, command in COMMANDS.items() for parameter in command.params if path}
    assert used - {None} <= set(ORDER)


@pytest.mark.parametrize("path", COMMANDS)
def test_no_line_is_wider_than_the_terminal_and_no_word_is_broken(study, monkeypatch, path):
    monkeypatch.setenv("COLUMNS", "1000")
    whole = study(*path.split(), "--help").out
    for columns in (40, 60, 80, 100, 140):
        monkeypatch.setenv("COLUMNS", str(columns))
        usage, _, rest = study(*path.split(), "--help").out.partition("\n\n")
        assert set(rest.split()) == set(whole.partition("\n\n")[2].split()), columns
        longest = max(map(len, rest.split()))
        assert max(map(len, rest.splitlines())) <= max(50, min(columns, 100), longest + 32), columns
        assert usage.startswith("Usage: study")


@pytest.mark.parametrize("path", COMMANDS)
def test_every_help_text_is_made_of_sentences(path):
    texts = [COMMANDS[path].help, *(each.help for each in COMMANDS[path].params)]
    assert [text for text in texts if not re.match(r"[A-Z.]", text) or text.rstrip()[-1] != "."] == []


def test_variables_are_told_in_one_sentence_with_what_departs_from_its_rule(study):
    text = " ".join(study("run", "--help").out.split())
    assert "env var" not in text
    assert (
        "Each option has an environment variable, such as STUDY_TRIALS for --trials; also RAY_ADDRESS for --address, "
        "STUDY_DATASET for --data, OPTUNA_STORAGE for --storage, MLFLOW_TRACKING_URI for --tracking-uri. "
        "The command line wins."
    ) in text


def test_a_default_is_told_and_what_is_no_default_is_not(study):
    text = " ".join(study("run", "--help").out.split())
    assert "[default: 100; 1 with --recipe]" in text
    assert "Seed the sampler and the trainings. [default: 0, or the stored study's]" in text
    assert "--json Print JSON, whose keys do not change. Options:" in text


def complete(*words):
    """Ask as bash's script does."""
    variables = {"COMP_WORDS": " ".join(["study", *words]), "COMP_CWORD": str(len(words))}
    done = subprocess.run(
        [sys.executable, "-m", "study"], env={**os.environ, "_STUDY_COMPLETE": "complete_bash", **variables},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_the_shell_completes_commands_options_studies_knobs_and_data_sets(made):
    assert complete("conf") == ["confirm"]
    assert complete("run", "x", "--tria") == ["--trials"]
    assert complete("run", "cifar_t") == ["cifar_tricks"]
    assert complete("show", "m") == ["made"]
    assert set(complete("confirm", "m")) == {"made", "mnist_cnn", "mnist_optimizers"}
    assert complete("run", "x", "--set", "dropout_c") == ["dropout_conv="]
    assert complete("run", "x", "--data", "cifar10") == ["cifar10", "cifar100"]
    assert complete("run", "x", "--sampler", "") == ["tpe", "random", "gp"]


def test_completion_is_shown_and_installed_for_a_shell(tmp_path):
    shell = f"{sys.executable} -m study"
    shown = subprocess.run(["bash", "-c", f"{shell} --show-completion; :"], capture_output=True, text=True, check=True)
    assert "complete -o default -F _study_completion study" in shown.stdout
    done = subprocess.run(
        ["bash", "-c", f"{shell} --install-completion; :"], capture_output=True, text=True, check=True
    )
    assert "completion installed" in done.stdout
    assert "_study_completion" in (tmp_path / "home" / ".bash_completions" / "study.sh").read_text()
