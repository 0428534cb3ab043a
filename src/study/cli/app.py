"""The commands, and the options that all of them understand."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from study.cli import cluster, data, models, questions, queue, run, serve, show, studies, transfer
from study.cli.help import App
from study.errors import PlaceError
from study.terminal.console import open_terminal


def chdir(folder: Path | None) -> Path | None:
    """Go to the folder, before anything else is looked for."""
    if folder is not None:
        try:
            os.chdir(folder)
        except OSError as error:
            raise PlaceError(
                f"cannot go there: {error.strerror}", where=str(folder), fix="Choose another -C."
            ) from error
    return folder


def read_env_file(file: Path | None) -> Path | None:
    """Set the variables of a file of NAME=VALUE lines, unless they are set already.

    Raises:
        PlaceError: it cannot be read, or a line is neither that nor a comment.

    """
    if file is None:
        return None
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PlaceError(f"cannot be read: {error}", where="--env-file") from error
    for number, line in enumerate(lines, 1):
        words = _words(line, f"{file}, line {number}")
        for name, equals, value in (word.partition("=") for word in words):
            if not equals or not name.isidentifier():
                raise PlaceError("is not NAME=VALUE", where=f"{file}, line {number}", fix="Quote a value with spaces.")
            os.environ.setdefault(name, value)
    return file


def _words(line: str, where: str) -> list[str]:
    try:
        return shlex.split(line.removeprefix("export "), comments=True)
    except ValueError as error:
        raise PlaceError(f"cannot be read: {error}", where=where) from error


def show_version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        from importlib.metadata import version

        from study.environment import DISTRIBUTION

        print(f"study {version(DISTRIBUTION)}")
        raise typer.Exit


def everywhere(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--chdir",
            "-C",
            envvar="STUDY_CHDIR",
            metavar="FOLDER",
            is_eager=True,
            callback=chdir,
            help="Work in this folder.",
        ),
    ] = None,
    env_file: Annotated[
        Path | None,
        typer.Option(
            envvar="STUDY_ENV_FILE",
            metavar="FILE",
            is_eager=True,
            callback=read_env_file,
            help="Set variables from this file, unless they are set already.",
        ),
    ] = None,
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose",
            "-v",
            count=True,
            metavar="",
            show_default=False,
            help="Show every epoch. Given twice, show the messages of libraries, too.",
        ),
    ] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show errors only.")] = False,
    log_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Append every message to this file."),
    ] = None,
    no_progress: Annotated[
        bool,
        typer.Option("--no-progress", help="Show plain lines instead of a live view."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=show_version, help="Show the version and end.")
    ] = False,
) -> None:
    """Hyperparameter search and study tracking for PyTorch that people can trust."""
    del folder, env_file, debug, version  # have had their effect
    context.obj = open_terminal(verbose, quiet=quiet, progress=not no_progress, log_file=log_file)


def _app() -> App:
    made = App(
        name="study",
        callback=everywhere,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    made.command("run")(run.run)
    made.command("plan")(studies.plan)
    made.command("compare")(questions.compare)
    made.command("confirm")(questions.confirm)
    made.command("ablate")(questions.ablate)
    made.command("list")(studies.list_)
    made.command("show")(show.show)
    made.command("best")(show.best)
    made.command("report")(studies.report)
    made.command("register")(models.register)
    made.command("promote")(models.promote)
    made.command("rollback")(models.rollback)
    made.command("models")(models.models)
    made.command("predict")(models.predict)
    made.command("export")(transfer.export)
    made.command("backup")(transfer.backup)
    made.command("restore")(transfer.restore)
    made.command("sync")(studies.sync)
    made.command("ui")(studies.ui)
    made.command("serve")(serve.serve)
    made.command("upgrade")(serve.upgrade)
    made.command("gc")(serve.gc)
    for command in (queue.login, queue.attach, queue.queue, queue.stop, queue.resume, queue.cancel, queue.priority):
        made.command(command.__name__)(command)
    made.command("remove")(studies.remove)
    made.command("check")(studies.check)
    made.command("new")(studies.new)
    made.add_typer(data.app, name="data")
    made.add_typer(cluster.app, name="cluster")
    made.command("doctor")(studies.doctor)
    return made


app = _app()
