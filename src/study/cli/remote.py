"""The commands with `--server`: a run is sent, watched, and printed as if it ran here; Ctrl-C leaves it running."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from study import request, study_files
from study.cli.cluster import OF_RAY
from study.cli.options import typed
from study.errors import InputError, Interrupted, StudyError, StudyFileError
from study.formatting import reason
from study.record import atomic_files
from study.running.board import Board
from study.schemas import csv_of
from study.schemas.search import Overview
from study.schemas.studies import Report
from study.service import watching
from study.service.client import Client
from study.terminal.console import Terminal, width
from study.terminal.live import shown
from study.terminal.watch import print_json
from study.text import answers, search
from study.text import trial as trials
from study.text.table import text_of

if TYPE_CHECKING:
    import typer

    from study.schemas.service import Run

log = logging.getLogger("study")
SAME = (
    "trials", "workers", "timeout", "hang", "device", "sampler", "pruner", "seed", "data", "accept", "against", "seeds",
    "until_sure", "smallest", "as_published", "top", "resplit", "target",
)  # fmt: skip
HERE_ONLY = ("executor", "recipe", "dry_run", "show_only", "as_csv", "home", "storage", "tracking_uri")


def ask(context: typer.Context, server: str, question: str, name: str | None, *, as_json: bool) -> None:
    """Send what a command was given, watch the run to its end, and print its answer.

    Raises:
        InputError: an option that means this machine, or what the server refuses.
        Interrupted: Ctrl-C came, and the run goes on.
        StudyError: the run failed or was cancelled.

    """
    given = {each: value for each, value in context.params.items() if _is_given(context, each)}
    refuse(context, *HERE_ONLY, *OF_RAY)
    if name is None:
        raise InputError("no study given", where=f"study {question}", fix=f"`study list` on {server} shows them.")
    asked = {each: given[each] for each in SAME if each in given}
    epochs = [f"epochs={given['epochs']}"] if "epochs" in given else []
    fixed = request.overrides([*given.get("assignments", ()), *epochs])
    asked |= {"fixed": fixed} if fixed else {}
    asked |= {"fallback": False} if given.get("no_fallback") else {}
    asked |= {"name": given["new_name"]} if "new_name" in given else {}
    if given.get("variants"):
        asked["variants"] = [each.strip() for each in given["variants"].split(",") if each.strip()]
    file = Path(name) if name.endswith(".py") else study_files.available().get(name)
    if file is not None and (name.endswith(".py") or not study_files.is_bundled(file)):
        asked["file"] = {"name": file.stem, "content": _text(study_files.find(str(file)))}
        name = file.stem
    client = Client(server)
    try:
        run = client.submit(name, question, **asked)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(first["msg"], where=".".join(str(each) for each in first["loc"])) from error
    log.info("run %s of %s on %s", run.id, run.study, client.server)
    watch(client, run, context.ensure_object(Terminal), as_json=as_json)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StudyFileError(f"cannot be sent: {reason(error)}", where=str(file)) from error


def refuse(context: typer.Context, *of_this_machine: str) -> None:
    """Refuse options that mean this machine where they were typed; variables such as STUDY_HOME are for other commands.

    Raises:
        InputError: one was.

    """
    if unfit := [each for each in of_this_machine if typed(context, each)]:
        option = unfit[0].replace("_", "-").replace("as-csv", "csv").replace("show-only", "show")
        raise InputError(f"--{option} is about this machine", where="--server", fix="Leave one of them out.")


def _is_given(context: typer.Context, parameter: str) -> bool:
    source = context.get_parameter_source(parameter)
    return source is not None and source.name in {"COMMANDLINE", "ENVIRONMENT"}


def watch(client: Client, run: Run, terminal: Terminal, *, as_json: bool) -> None:
    """Show a run until it ends, and print its answer. Raises as `ask`."""
    board = Board()
    try:
        with shown(terminal, board) as show:
            for progress in watching.follow(client, run, board):
                board.take(progress)
                show(progress)
    except KeyboardInterrupt as error:
        fix = f"`study attach {run.id}` shows it again, `study cancel {run.id}` ends it."
        raise Interrupted("goes on at the server", where=run.study, fix=fix) from error
    _print(client.run(run.id), as_json=as_json)


def _print(run: Run, *, as_json: bool) -> None:
    """Print how a run ended, as its command would."""
    if run.status != "done":
        fix = f"`study resume {run.id}` lets it go on." if run.status != "cancelled" else ""
        raise StudyError(f"{run.status}: {run.reason}" if run.reason else run.status, where=run.study, fix=fix)
    if as_json:
        print_json(run.answer)
        return
    try:
        print(text_of(answers.blocks(run.question, run.answer or {}), width()))
    except ValidationError:  # a value that is not finite is null in JSON
        print_json(run.answer)


def show(context: typer.Context, server: str, name: str, trial: int | None, form: str) -> None:
    """Print a study of a server, or one of its trials, as `study show` does.

    Raises:
        InputError: an option that the server does not have, or no such study or trial.

    """
    refuse(context, "importance", "pruning", "sort_by", "top", "home")
    client = Client(server)
    found = client.show(name) if trial is None else client.show_trial(name, trial)
    is_study = isinstance(found, Overview)
    match form:
        case "json":
            print(found.to_json(indent=2))
        case "csv":
            from study.insight.overview import rows_of

            print(csv_of(rows_of(found.trials) if is_study else found.history), end="")
        case _:
            print(text_of(search.overview(found) if is_study else trials.details(found), width()))


def report(server: str, name: str, output: Path | None) -> Report:
    """Write a study's report, made by a server, to a file or into a folder.

    Raises:
        InputError: no such study, or a file that is no HTML.

    """
    if output is not None and output.suffix == ".md":
        raise InputError("a server gives the HTML page", where="--output", fix="Give a file that ends in .html.")
    file = output or Path(f"{name}-report.html")
    file = file / "report.html" if file.is_dir() else file
    page = Client(server).report(name)
    atomic_files.replace(file.absolute(), [page], "Choose another --output.")
    return Report(study=name, html=str(file), markdown=None, pictures=[], bytes=len(page))
