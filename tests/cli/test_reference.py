"""All commands and options together: written down, each with its variable, none added or lost by chance."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from study.cli.app import app
from study.executors.table import EXECUTORS
from study.objectives import SCORES
from study.recipe import Recipe
from study.sampling.table import PRUNERS, SAMPLERS
from tests.conftest import script

REPOSITORY = Path(__file__).parents[2]
reference = script("reference.py")
SNAPSHOT = Path(__file__).with_name("options.txt")
COMMANDS = dict(reference.commands(typer.main.get_command(app)))
OPTIONS = [
    (path, parameter)
    for path, command in COMMANDS.items()
    for parameter in command.params
    if parameter.param_type_name == "option"
]


def variables(parameter):
    names = parameter.envvar or []
    return [names] if isinstance(names, str) else list(names)


def test_the_options_are_these():
    """Growth is deliberate: a new option is a new line in options.txt."""
    lines = [
        f"{path} {'/'.join(parameter.opts)} {' '.join(variables(parameter))}".strip() for path, parameter in OPTIONS
    ]
    assert lines == SNAPSHOT.read_text().splitlines()


def test_the_commands_are_these():
    assert [path.removeprefix("study ") for path in COMMANDS][1:] == [
        "run", "plan", "compare", "confirm", "ablate", "list", "show", "best", "report", "register", "promote",
        "rollback", "models", "predict", "export", "backup", "restore", "sync", "ui", "serve", "upgrade", "gc", "login",
        "attach", "queue", "stop", "resume", "cancel", "priority", "remove", "check", "new", "doctor", "data",
        "data import", "data list", "data verify", "data remove", "cluster", "cluster token", "cluster slurm",
    ]  # fmt: skip


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_and_option_says_what_it_does(path):
    command = COMMANDS[path]
    assert command.help
    assert [parameter.name for parameter in command.params if not parameter.help] == []


def test_every_option_has_a_variable_of_its_own():
    silent = [f"{path} {parameter.opts[0]}" for path, parameter in OPTIONS if not variables(parameter)]
    assert silent == ["study --version", "study --install-completion", "study --show-completion"]
    owners: dict[str, set[str]] = {}
    for _, parameter in OPTIONS:
        for variable in variables(parameter):
            owners.setdefault(variable, set()).add(parameter.opts[0])
    assert {variable: names for variable, names in owners.items() if len(names) > 1} == {}
    assert all(
        variable.startswith("STUDY_") for variable in owners if not variable.startswith(("OPTUNA_", "MLFLOW_", "RAY_"))
    )
    assert not {"STUDY_DATA", "STUDY_CACHE"} & set(owners)  # these two are places, not options


def test_the_executors_samplers_and_pruners_are_those_of_the_tables():
    run = {parameter.name: parameter for path, parameter in OPTIONS if path == "study run"}
    for option, table in (("executor", EXECUTORS), ("sampler", SAMPLERS), ("pruner", PRUNERS)):
        assert list(run[option].type_descriptor.choices) == list(table)
        assert all(row.help in run[option].help for row in table.values())


@pytest.mark.parametrize(("page", "made"), [("cli.md", "reference"), ("knobs.md", "knobs")])
def test_the_reference_in_docs_is_made_from_the_code(page, made):
    same = (REPOSITORY / "docs" / page).read_text() == getattr(reference, made)()
    assert same, f"docs/{page} is out of date. Run `uv run python docs/reference.py`."


def test_every_knob_and_metric_is_in_the_reference():
    written = reference.knobs()
    assert [knob for knob in Recipe.model_fields if f"\n| `{knob}` |" not in written] == []
    names = {
        f"{split}_{name}" for split in ("val", "train") for scores in SCORES.values() for name in (*scores, "loss")
    }
    assert set(reference.MEANING) == names


def test_every_object_and_each_of_its_keys_says_what_it_is():
    objects = list(reference.records())
    assert len(objects) > 10
    assert not {"Averaged", "Judged", "OfVariant", "OfArm", "Counts"} & {each.__name__ for each in objects}
    assert [each.__name__ for each in objects if not each.__doc__] == []
    silent = [
        f"{each.__name__}.{name}" for each in objects for name, key in each.model_fields.items() if not key.description
    ]
    assert not silent, f"no description at the field in schemas/: {silent}"
