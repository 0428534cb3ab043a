"""`study serve` and `study upgrade`: the service of a team, on this machine."""

from __future__ import annotations

import logging
import os
from typing import Annotated

import typer

from study.cli import options
from study.errors import PlaceError

log = logging.getLogger("study")
PARTS = ("alembic", "fastapi", "limits", "prometheus_client", "pwdlib", "uvicorn")
INSTALL = "`uv sync --extra serve`, or `uv pip install 'studytune[serve]'`"

Database = Annotated[
    str | None,
    typer.Option(
        envvar="STUDY_DATABASE", metavar="URL", show_default="SQLite in the home", rich_help_panel=options.WHERE,
        help="Keep people, tokens and the queue in this SQLite or PostgreSQL database.",
    ),
]  # fmt: skip
Host = Annotated[
    str,
    typer.Option(envvar="STUDY_HOST", metavar="ADDRESS", rich_help_panel=options.WHERE, help="Listen on this address."),
]
Port = Annotated[
    int,
    typer.Option(
        envvar="STUDY_PORT", min=0, max=65535, metavar="PORT", rich_help_panel=options.WHERE,
        help="Listen on this port; 0 takes a free one.",
    ),
]  # fmt: skip
Slots = Annotated[
    int | None,
    typer.Option(
        envvar="STUDY_SLOTS", min=1, metavar="N", show_default="one a GPU, or a core", rich_help_panel=options.WHERE,
        help="Train this many trials at a time on this machine.",
    ),
]  # fmt: skip
HostNames = Annotated[
    list[str] | None,
    typer.Option(
        "--host-name", envvar="STUDY_HOST_NAME", metavar="NAME", rich_help_panel=options.WHERE,
        help="Answer under this name, too. It can be repeated.",
    ),
]  # fmt: skip
Public = Annotated[
    str,
    typer.Option(
        envvar="STUDY_PUBLIC", metavar="URL", show_default="http://ADDRESS:PORT", rich_help_panel=options.WHERE,
        help="Write links with this address, by which people reach the service.",
    ),
]  # fmt: skip
BehindProxy = Annotated[
    bool,
    typer.Option(
        "--behind-proxy", envvar="STUDY_BEHIND_PROXY", rich_help_panel=options.WHERE,
        help="Believe X-Forwarded-For and X-Forwarded-Proto of a proxy on this machine.",
    ),
]  # fmt: skip
WebhookUrl = Annotated[
    str,
    typer.Option(
        envvar="STUDY_WEBHOOK", metavar="URL", show_default="none", rich_help_panel=options.OUTPUT,
        help="Tell this address when a run ends or is paused, signed with STUDY_WEBHOOK_SECRET.",
    ),
]  # fmt: skip


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8765,
    slots: Slots = None,
    database: Database = None,
    host_names: HostNames = None,
    public: Public = "",
    behind_proxy: BehindProxy = False,
    webhook: WebhookUrl = "",
    home: options.Home = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Serve searches to a team: pages, a queue and an API. Ctrl-C stops it."""
    require_extra()
    from study import settings
    from study.service import server

    server.serve(
        settings.resolve(home, storage, tracking_uri), _say, url=database, host=host, port=port, slots=slots,
        names=host_names or (), public=public.rstrip("/"), behind_proxy=behind_proxy,
        webhook=webhook, secret=os.environ.get("STUDY_WEBHOOK_SECRET", ""),
    )  # fmt: skip


def upgrade(database: Database = None, home: options.Home = None) -> None:
    """Bring the tables of `study serve` to this version, after a copy of a SQLite database."""
    require_extra()
    from study import settings
    from study.service import server, store

    places = settings.resolve(home)
    places.home.mkdir(parents=True, exist_ok=True)
    before, now, copy = store.upgrade(database or server.default_url(places), places.home / "backups")
    if copy is not None:
        log.info("a copy of the version before: %s", copy)
    print(f"version {now}" + ("" if before == now else f", before {before or 'none'}"))


def require_extra() -> None:
    """Refuse in one line where the parts of the service are not installed.

    Raises:
        PlaceError: they are not.

    """
    from importlib.util import find_spec

    if missing := [name for name in PARTS if find_spec(name) is None]:
        raise PlaceError(f"`study serve` needs {', '.join(missing)}", fix=f"Install them: {INSTALL}.")


def _say(line: str) -> None:
    print(line, flush=True)
