"""`study login`, `attach`, `queue`, `stop`, `resume`, `cancel` and `priority`: a server's runs, from anywhere."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from study.cli import options
from study.errors import InputError
from study.terminal.console import Terminal, width

if TYPE_CHECKING:
    from study.service.client import Client

log = logging.getLogger("study")

RunName = Annotated[str, typer.Argument(metavar="RUN|STUDY", help="A run's ID, or a study's name for its newest run.")]
Priority = Annotated[
    int,
    typer.Argument(metavar="PRIORITY", min=-100, max=100, help="Higher ones go first; above 0 for admins alone."),
]
Person = Annotated[
    str | None,
    typer.Option(
        "--name", envvar="STUDY_PERSON", metavar="NAME", show_default="asked for", help="Log in as this person."
    ),
]


def login(
    server: Annotated[str, typer.Argument(metavar="URL", help="The server, such as https://study.example.org.")],
    name: Person = None,
) -> None:
    """Log in to a server. The password is asked for, or read from stdin."""
    import getpass

    from study.service import kept_tokens
    from study.service.client import checked, log_in

    server = checked(server)
    here = sys.stdin.isatty()
    if name is None and here:
        print("Name: ", end="", file=sys.stderr, flush=True)
        name = sys.stdin.readline().strip()
    if not name:
        raise InputError("no user name", where="study login", fix="Say --name NAME.")
    try:
        password = getpass.getpass("Password: ") if here else sys.stdin.readline().rstrip("\n")
    except EOFError as error:  # Ctrl-D
        print(file=sys.stderr)
        raise InputError("no password", where="study login") from error
    made = log_in(server, name, password)
    log.info("logged in as %s until %s; the token is in %s", made.person, (made.expires or "")[:10], kept_tokens.file())


def attach(
    context: typer.Context, run: RunName, server: options.Server = None, as_json: options.AsJson = False
) -> None:
    """Show a run of a server until it ends. Ctrl-C leaves it running."""
    from study.cli import remote

    client = _client(server)
    remote.watch(client, client.run(run), context.ensure_object(Terminal), as_json=as_json)


def queue(server: options.Server = None, as_json: options.AsJson = False) -> None:
    """List the runs of a server that have not ended."""
    from study.terminal.watch import print_json
    from study.text.service import queue as text
    from study.text.table import text_of

    runs = _client(server).queue()
    if as_json:
        print_json([run.plain() for run in runs])
    else:
        print(text_of(text(runs), width()))


def stop(run: RunName, server: options.Server = None) -> None:
    """Pause a run of a server after its current epochs."""
    _say(_client(server).stop(run).plain())


def resume(run: RunName, server: options.Server = None) -> None:
    """Let a paused, failed or cancelled run of a server go on."""
    _say(_client(server).resume(run).plain())


def cancel(run: RunName, server: options.Server = None) -> None:
    """End a run of a server. What it has trained is kept."""
    _say(_client(server).cancel(run).plain())


def priority(run: RunName, to: Priority, server: options.Server = None) -> None:
    """Change a run's priority in a server's queue."""
    _say(_client(server).priority(run, to).plain())


def _client(server: str | None) -> Client:
    from study.service import kept_tokens
    from study.service.client import Client

    known = kept_tokens.known()
    if not server and len(known) != 1:
        fix = f"Give --server: {' or '.join(known)}." if known else "`study login URL` first, or give --server URL."
        raise InputError("no server given", fix=fix)
    return Client(server or next(iter(known)))


def _say(run: dict[str, object]) -> None:
    reason = f", {run['reason']}" if run["reason"] else ""
    print(f"{run['id']} {run['question']} {run['study']}: {run['status']}, priority {run['priority']}{reason}")
