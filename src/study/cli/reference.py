"""The reference of all commands in Markdown, made from their own definitions: `python -m study.cli.reference`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from study.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HEAD = """# Command line

Made by `python -m study.cli.reference > docs/cli.md` from the commands themselves; a test compares them.

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

Keys do not change. Numbers that are not finite are `null`; times are ISO 8601 in UTC, seconds are numbers.

`study run --json` prints one object a line on stdout: a `trial` as each one ends, and one `summary` when the search
ends, however it ends. Its `status` is `finished`, `stopped` (by `--timeout`), `interrupted` or `failed`. A trial's
`state` is `complete`, `pruned`, `failed` or `running`, which is to say that it has no end yet.
`study compare --json` prints the same for its trials, and one `comparison` at the end; in its `variants`, `difference`
and `verdict` are null for the baseline. `study confirm --json` ends with one
`confirmation`, `study ablate --json` with one `ablation`.

`study show NAME --json` prints the summary's keys from `study` on, `remarks` and `trials`; with `--importance` or
`--pruning` an object of its own. `study compare A B --json` prints one `searches`.

| object | keys |
|---|---|
"""


def reference() -> str:
    """Write the reference: each command with its arguments, options, environment variables and defaults."""
    import typer

    root = typer.main.get_command(app)
    with typer.Context(root, info_name="study") as context:
        sections = [HEAD, *(_section(root, context)), JSON + _json_keys()]
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
    repeated = "..." if argument.nargs == -1 else ""
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


def _json_keys() -> str:
    from study.cli import insight, records, side_by_side
    from study.insight import savings
    from study.insight.importance import assess
    from study.metric import Metric
    from study.record.results import TrialRow, summarize
    from study.schemas import questions

    trial = TrialRow(0, "baseline", "complete", 0.5, 0.5, 1, 1.0, {}, "", None, None)
    metric = Metric("val_accuracy")
    summary = records.summary_json(summarize("x", metric, [trial]))
    row = records.row_json(trial)
    return "".join(
        [
            _keys("`trial` of `run`", ["type", "study", *row]),
            _keys("`summary` of `run`", ["type", "status", "target", *summary]),
            _keys("`best`, each of `trials`", list(row)),
            _keys("each of `variants`", list(summary["variants"][0])),
            _keys("`comparison` of `compare`", list(questions.Comparison.model_fields)),
            _keys("each of its `variants`", list(questions.Compared.model_fields)),
            _keys("`searches` of `compare A B`", list(side_by_side.KEYS)),
            _keys("`show --importance`", list(insight.importance_json("x", "x", assess([], metric)))),
            _keys("`show --pruning`", list(insight.pruning_json("x", None, savings.read([trial], metric)))),
            _keys("each of the `remarks` of `show`", ["kind", "text", "fix"]),
            _keys("`confirmation` of `confirm`", list(questions.Confirmation.model_fields)),
            _keys("each of its `contenders`", list(questions.Contender.model_fields)),
            _keys("`ablation` of `ablate`", list(questions.Ablation.model_fields)),
            _keys("each of its `rows`", list(questions.Ablated.model_fields)),
        ]
    )


def _keys(what: str, keys: Sequence[str]) -> str:
    return f"| {what} | {', '.join(f'`{key}`' for key in keys)} |\n"


if __name__ == "__main__":
    print(reference(), end="")
