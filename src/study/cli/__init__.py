"""The command line: parse, call one function, show. Data goes to stdout, all else to stderr.

Exit codes: 0 done, 1 failed, 2 something given is wrong, 3 too few examples to tell (`study promote`), 129, 130 and 143
stopped by SIGHUP, Ctrl-C and SIGTERM, 141 the reader of the output has gone; 75 and 69 for `study serve` alone, see
`study.errors`.
"""

from __future__ import annotations

import atexit
import errno
import gc
import os
import re
import signal
import sys
from typing import TYPE_CHECKING

from study.errors import UNAVAILABLE, Interrupted, PlaceError, StudyError, Terminated
from study.stopping import SIGNALS
from study.terminal import streams

if TYPE_CHECKING:
    from collections.abc import Sequence

    import typer

GLOBAL_FLAGS = {"--debug", "--no-progress", "-v", "-vv", "--verbose", "-q", "--quiet"}
GLOBAL_OPTIONS = {"-C", "--chdir", "--log-file", "--env-file"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code: the console script `study`."""
    gc.set_threshold(100 * gc.get_threshold()[0])  # a fifth of the time that large libraries take to load
    given = list(sys.argv[1:] if arguments is None else arguments)
    streams.settle()
    atexit.register(_ignore_signals)  # called last of all
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # `nohup` ignores SIGHUP, and so it stays
            signal.signal(number, _end)
    try:
        code = exit_code(given)
    except BrokenPipeError:
        streams.let_go()
        code = 141
    except KeyboardInterrupt as error:  # a second signal, while the command ended by the first
        code = _code_of(error)
    finally:
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _leave)
        if server := sys.modules.get("study.executors.server"):
            server.stop()  # it may still be loading torch, and would hold our output open
    sys.exit(code)


def _end(number: int, _frame: object) -> None:
    raise Terminated(number)


def _leave(number: int, _frame: object) -> None:
    os._exit(128 + number)


def _ignore_signals() -> None:
    """Keep the exit code: the interpreter, when it ends, would leave the signals to the system, which kills."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _code_of(error: KeyboardInterrupt) -> int:
    return error.exit_code if isinstance(error, Terminated) else 130


def exit_code(arguments: list[str]) -> int:
    """Run one command and return its exit code; errors become one line on stderr."""
    try:
        code = _command(arguments)
        sys.stdout.flush()
    except StudyError as error:
        if error.where == "stdout":
            streams.let_go()
        if _debug(arguments):
            raise
        _complain(str(error), interrupted=isinstance(error, Interrupted))
        return _code_to(error)
    except KeyboardInterrupt as error:
        return _code_of(error)
    except BrokenPipeError:
        raise
    except Exception as error:  # the last place that can turn a fault of ours into a line that a person can act on
        if _debug(arguments):
            raise
        if isinstance(error, OSError) and (place := _place(error)):
            _complain(str(place))
            return _code_to(place)
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        _complain(f"{reason}. This is a bug; run with --debug for the traceback.")
        return 1
    return code


def _place(error: OSError) -> PlaceError | None:
    """Say that a disk is full, or a name too long or not for this user, wherever that was met; None of other errors."""
    from pathlib import Path

    from study.record import atomic_files

    if atomic_files.is_full(error):
        return atomic_files.cannot_write(Path(error.filename or "a file"), error)
    unfit = error.filename and error.errno in {errno.EACCES, errno.EPERM, errno.ENAMETOOLONG}
    return atomic_files.cannot_use(error) if unfit else None


def _code_to(error: StudyError) -> int:
    """Give an error's exit code; a server that has started the command tries again where a place is away."""
    return UNAVAILABLE if isinstance(error, PlaceError) and "STUDY_SERVED" in os.environ else error.exit_code


def _command(arguments: list[str]) -> int:
    import typer

    from study.cli import completion
    from study.cli.app import app

    command = typer.main.get_command(app)
    if (code := completion.answer(command)) is not None:
        return code
    try:  # not command.main(), which makes 1 of a broken pipe
        with command.make_context("study", hoist(arguments)) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except typer.TyperException as error:
        return _usage(error)
    return 0


def _usage(error: typer.TyperException) -> int:
    """Say in one line what is wrong with the arguments; without any, show the help."""
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.format_message(), file=sys.stderr)
        return error.exit_code
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "study"
    message = " ".join(error.format_message().split()).removesuffix(".").replace("Value error, ", "")
    if not _from_environment(error):
        message = re.sub(r" \(env var: [^)]*\)", "", message)
    stop = "" if message.endswith("?") else "."
    _complain(f"{path}: {message[:1].lower()}{message[1:]}{stop} See `{path} --help`.")
    return error.exit_code


def _from_environment(error: typer.TyperException) -> bool:
    """Whether the value that is complained of came from an environment variable."""
    context, parameter = getattr(error, "ctx", None), getattr(error, "param", None)
    source = context.get_parameter_source(parameter.name) if context and parameter else None
    return source is not None and source.name == "ENVIRONMENT"


def hoist(arguments: Sequence[str]) -> list[str]:
    """Move the options that every command understands to the front, where Typer looks for them; stop at `--`."""
    front: list[str] = []
    rest: list[str] = []
    remaining = list(arguments)
    while remaining:
        word = remaining.pop(0)
        if word == "--":
            rest += [word, *remaining]
            break
        if word in GLOBAL_FLAGS or ("=" in word and word.partition("=")[0] in GLOBAL_OPTIONS):
            front.append(word)
        elif word in GLOBAL_OPTIONS:
            if not remaining:  # its value is missing, which must not be taken from the command
                return [word]
            front += [word, remaining.pop(0)]
        else:
            rest.append(word)
    return front + rest


def _complain(line: str, *, interrupted: bool = False) -> None:
    from study.formatting import without_password
    from study.terminal.console import say

    say(without_password(line if interrupted else f"error: {line}"))


def _debug(arguments: Sequence[str]) -> bool:
    wanted = os.environ.get("STUDY_DEBUG", "").lower()
    return "--debug" in arguments or wanted not in {"", "0", "false", "no", "off"}
