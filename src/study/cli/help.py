"""How help looks: commands and options in groups, whole sentences, one line about environment variables.

Typer draws `rich_help_panel` by Rich alone, which takes 0.3 s to load; here it is plain text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from study.formatting import wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

PANELS: Mapping[str, Sequence[str]] = {
    "Search": ("new", "check", "run", "list"),
    "Verify": ("plan", "compare", "confirm", "ablate"),
    "Look": ("show", "best", "report", "export"),
    "Registry": ("register", "promote", "rollback", "models", "predict"),
    "Data": ("data",),
    "Upkeep": ("ui", "sync", "remove", "gc", "backup", "restore", "doctor"),
    "Service": ("serve", "login", "queue", "attach", "stop", "resume", "cancel", "priority", "upgrade", "cluster"),
}
REST = "Options"  # the panel of an option that names none, such as --help
ORDER = ("What to run", "How long", "Where", "Output", REST)
INDENT = 2
GAP = 2
LEFT = 26  # columns that names may take before their text begins on the next line
SHARED = "Options that all commands share, such as --quiet, are in `study --help`."
ANYWHERE = "These options can stand before or after a command."


class App(typer.Typer):
    """A Typer whose commands and groups show their help in panels."""

    def __init__(self, **settings: Any) -> None:  # noqa: D107 - Typer's settings
        super().__init__(cls=Group, rich_markup_mode=None, **settings)

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Any], Any]:
        """Add a command that shows its help so."""
        return super().command(name, cls=Command, **settings)


class Command(TyperCommand):
    """A command whose options are shown in panels, and can be set by variables."""

    def __init__(self, *given: Any, **settings: Any) -> None:  # noqa: D107 - Typer's settings
        super().__init__(*given, **settings)
        _name_variables(self.params)

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        """Write the command with its arguments as people type them: `[NAME]` may be left out."""
        arguments = [each for each in self.params if each.param_type_name == "argument"]
        names = [_name(each, ctx) if each.required else f"[{_name(each, ctx)}]" for each in arguments]
        formatter.write_usage(ctx.command_path, " ".join(["[OPTIONS]", *names]))

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write what the command does."""
        del ctx
        _write_notes(formatter, (self.help or "").split("\n\n"))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options, panel by panel."""
        _write_parameters(self, ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write what holds for all options."""
        del ctx
        _write_notes(formatter, [f"{_environment(self.params)} {SHARED}".strip()])


class Group(TyperGroup):
    """A group whose commands are shown in panels."""

    def __init__(self, *given: Any, **settings: Any) -> None:  # noqa: D107 - Typer's settings
        super().__init__(*given, **settings)
        _name_variables(self.params)

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write what the group is about."""
        del ctx
        _write_notes(formatter, (self.help or "").split("\n\n"))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write commands, then options."""
        self.format_commands(ctx, formatter)
        _write_parameters(self, ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each command with the first sentence of its help, panel by panel, in the order of `PANELS`."""
        shown = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        rows = {name: (name, _first_sentence(each.help or "")) for name, each in shown.items() if each}
        if ctx.parent:  # a group inside, such as `study data`
            _write_panels(formatter, {"Commands": [*rows.values()]})
        else:
            panels = {panel: [rows.pop(name) for name in names if name in rows] for panel, names in PANELS.items()}
            _write_panels(formatter, {**panels, "Other": [*rows.values()]})

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write what holds for all options; a group without any has nothing to say."""
        del ctx
        rule = _environment(self.params)
        _write_notes(formatter, [f"{rule} {ANYWHERE}"] if rule else [SHARED])


def _name_variables(parameters: Iterable[Any]) -> None:
    """Name the environment variable of each option that names none itself; those that act at once have none."""
    for each in parameters:
        if each.param_type_name == "option" and each.envvar is None and not each.is_eager:
            each.envvar = _variable(max(each.opts, key=len))


def _variable(option: str) -> str:
    return "STUDY_" + option.removeprefix("--").replace("-", "_").upper()


def _write_parameters(command: Any, context: Any, formatter: Any) -> None:
    panels: dict[str, list[tuple[str, str]]] = {panel: [] for panel in ("Arguments", *ORDER)}
    for parameter in command.get_params(context):
        if not parameter.hidden:
            argument = parameter.param_type_name == "argument"
            panel = "Arguments" if argument else parameter.rich_help_panel or REST
            panels[panel].append((_name(parameter, context), _text(parameter)))
    _write_panels(formatter, panels)


def _name(parameter: Any, context: Any) -> str:
    if parameter.param_type_name == "argument":
        name = parameter.metavar or parameter.name.upper()
        return f"{name}..." if parameter.nargs == -1 and not name.endswith("...") else name
    names = ", ".join([*sorted(parameter.opts, key=len), *parameter.secondary_opts])
    return names if parameter.is_flag or parameter.count else f"{names} {parameter.display_type_rich(ctx=context)}"


def _text(parameter: Any) -> str:
    """Give an option's help and its default, if that is not the plain one."""
    default = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
    shown = parameter.show_default and default is not None and default is not False and default != []
    return f"{parameter.help or ''} [default: {default}]" if shown else parameter.help or ""


def _environment(parameters: Iterable[Any]) -> str:
    """Say in one line by which variables options can be set: an example of the rule, then what departs from it."""
    usual: list[str] = []
    others: list[str] = []
    for option, variables in ((max(each.opts, key=len), each.envvar) for each in parameters if each.envvar):
        for variable in [variables] if isinstance(variables, str) else variables:
            (usual if variable == _variable(option) else others).append(f"{variable} for {option}")
    if not usual and not others:
        return ""
    named = "; also ".join([*usual[:1], *([", ".join(others)] if others else [])])
    return f"Each option has an environment variable, such as {named}. The command line wins."


def _first_sentence(text: str) -> str:
    """Give the first sentence of a help text."""
    paragraph = " ".join(text.partition("\n\n")[0].split())
    first, stop, _ = paragraph.partition(". ")
    return first + stop.strip()


def _write_panels(formatter: Any, panels: Mapping[str, Sequence[tuple[str, str]]]) -> None:
    """Write titles and two columns, which begin at the same place in every panel."""
    names = [len(name) for rows in panels.values() for name, _ in rows]
    left = min(LEFT, max(names, default=0)) + INDENT + GAP
    for title, rows in panels.items():
        formatter.write(f"\n{title}:\n" if rows else "")
        for name, text in rows:
            head = f"{'':{INDENT}}{name}"
            if len(head) + GAP > left:
                formatter.write(f"{head}\n")
                head = ""
            for line in wrapped(text, formatter.width - left) or [""]:
                formatter.write(f"{head:{left}}{line}".rstrip() + "\n")
                head = ""


def _write_notes(formatter: Any, notes: Sequence[str]) -> None:
    for note in filter(None, notes):
        formatter.write("\n" + "\n".join(wrapped(note, formatter.width, " " * INDENT)) + "\n")
