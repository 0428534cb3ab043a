"""Write docs/cli.md: the reference of all commands and of the objects that they print, from their own definitions."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

import typer

from study import schemas
from study.cli.app import app
from study.schemas import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = """# Command line

Made by `python docs/reference.py > docs/cli.md` from the commands and the schemas themselves; a test compares them.

Data goes to stdout, everything else to stderr. An option wins over its environment variable, a variable over an
`--env-file`. Options of `study` itself may stand before or after a command.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | failed |
| 2 | something given is wrong, and nothing was written; the line says what, where and what to do |
| 130 | stopped by Ctrl-C, with everything saved: the same command goes on |
| 141 | the reader of the output has gone |

A terminal gets a live view and colour; anything else gets plain lines (`--no-progress` too). `NO_COLOR` wins over
`FORCE_COLOR`. Ctrl-C once, or SIGTERM: running trials end their epoch and are saved; twice: at once.
"""
JSON = """
## JSON

Keys do not change: within a `version`, keys are only added. Numbers that are not finite are `null`; times are ISO 8601
in UTC, seconds are numbers; accuracies lie in [0, 1]. Each object has its description here, in Python and in the schema
that `study.schemas` gives.

`study run --json` prints one object a line: an `EndedTrial` as each trial ends, and one `EndedSearch` when the search
ends, however it ends. `study compare --json` prints the same for its trials and one `Comparison` at the end, `study
confirm --json` and `study ablate --json` one `Confirmation` and one `Ablation`. Other commands print one object, or a
list of objects.
"""


def reference() -> str:
    """Write the reference: each command with its arguments and options, then each object."""
    root = typer.main.get_command(app)
    with typer.Context(root, info_name="study") as context:
        sections = [HEAD, *(_section(root, context)), JSON, *map(_object, records())]
    return "\n".join(sections)


def commands(command: Any, path: str = "study") -> Iterator[tuple[str, Any]]:
    """Walk all commands with the words that call them, a group before its own."""
    yield path, command
    for name, each in getattr(command, "commands", {}).items():
        yield from commands(each, f"{path} {name}")


def _section(root: Any, context: Any) -> Iterator[str]:
    for path, command in commands(root):
        arguments = [each for each in command.params if each.param_type_name == "argument"]
        options = [each for each in command.params if each.param_type_name == "option"]
        usage = " ".join([path, *(_usage(each) for each in arguments)])
        lines = [f"## {usage}", "", " ".join((command.help or "").split())]
        rows = [_row(each, context) for each in [*arguments, *options]]
        if rows:
            lines += ["", "| option | environment | default | |", "|---|---|---|---|", *rows]
        yield "\n".join([*lines, ""])


def _usage(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    repeated = "..." if argument.nargs == -1 and not name.endswith("...") else ""
    return f"{name}{repeated}" if argument.required else f"[{name}{repeated}]"


def _row(parameter: Any, context: Any) -> str:
    if parameter.param_type_name == "argument":
        name = f"`{_usage(parameter)}`"
    else:
        value = "" if parameter.is_flag or parameter.count else f" {_value(parameter, context)}"
        name = ", ".join(f"`{each}{value}`" for each in reversed(parameter.opts))
    variables = parameter.envvar or []
    named = ", ".join(f"`{each}`" for each in ([variables] if isinstance(variables, str) else variables))
    cells = [name, named, _default(parameter), parameter.help or ""]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _value(parameter: Any, context: Any) -> str:
    return parameter.metavar or parameter.display_type(context).strip("<>")


def _default(parameter: Any) -> str:
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    if parameter.default in (None, False, 0, [], ()) and parameter.name != "seed":
        return ""
    return f"`{parameter.default}`"


def records() -> Iterator[type[Record]]:
    """Walk the classes of all objects, module by module."""
    for module in sorted(pkgutil.iter_modules(schemas.__path__), key=lambda each: each.name):
        room = importlib.import_module(f"{schemas.__name__}.{module.name}")
        for each in vars(room).values():
            if isinstance(each, type) and issubclass(each, Record) and each.__module__ == room.__name__:
                yield each


def _object(record: type[Record]) -> str:
    schema = record.model_json_schema(by_alias=True, mode="serialization")
    keys = [
        f"| `{name}` | {_type(each)} | {each.get('description', '').replace('|', chr(92) + '|')} |"
        for name, each in schema["properties"].items()
    ]
    about = " ".join((record.__doc__ or "").split())
    return "\n".join([f"### {record.__name__}", "", about, "", "| key | type | |", "|---|---|---|", *keys, ""])


def _type(schema: dict[str, Any]) -> str:
    """Spell a type of JSON: `number or null`, `list of Trial`."""
    match schema:
        case {"$ref": place}:
            return place.rpartition("/")[2]
        case {"anyOf": choices}:
            return " or ".join(dict.fromkeys(map(_type, choices)))
        case {"const": value}:
            return f"`{value}`"
        case {"enum": values}:
            return " or ".join(f"`{value}`" for value in values)
        case {"type": "array", "items": entries}:
            return f"list of {_type(entries)}"
        case {"type": "object", "additionalProperties": dict() as values}:
            return f"object of {_type(values)}"
        case {"type": kind}:
            return kind
        case _:
            return "any"


if __name__ == "__main__":
    print(reference(), end="")
