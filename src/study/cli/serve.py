"""`study serve`, `upgrade` and `gc`: the service of a team, on this machine."""

from __future__ import annotations

import logging
import os
from typing import Annotated

import typer

from study.choices import to_install
from study.cli import cluster, options
from study.errors import PlaceError

log = logging.getLogger("study")
PARTS = ("a2wsgi", "alembic", "authlib", "fastapi", "httpx2", "prometheus_client", "pwdlib", "uvicorn")

Database = Annotated[
    str | None,
    typer.Option(
        metavar="URL", show_default="SQLite in the home", rich_help_panel=options.WHERE,
        help="Keep people, tokens and the queue in this SQLite or PostgreSQL database.",
    ),
]  # fmt: skip
Host = Annotated[str, typer.Option(metavar="ADDRESS", rich_help_panel=options.WHERE, help="Listen on this address.")]
Port = Annotated[
    int,
    typer.Option(
        min=0, max=65535, metavar="PORT", rich_help_panel=options.WHERE,
        help="Listen on this port; 0 takes a free one.",
    ),
]  # fmt: skip
Slots = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", show_default="one a GPU or a core, or all of a cluster", rich_help_panel=options.WHERE,
        help="Train this many trials at a time.",
    ),
]  # fmt: skip
Executor = Annotated[
    str,
    typer.Option(
        metavar="local|ray", rich_help_panel=options.WHERE,
        help="Train runs on this machine, or on the nodes of the Ray cluster at --address.",
    ),
]  # fmt: skip
HostNames = Annotated[
    list[str] | None,
    typer.Option(
        "--host-name", metavar="NAME", rich_help_panel=options.WHERE,
        help="Accept this host name, too. It can be repeated.",
    ),
]  # fmt: skip
Public = Annotated[
    str,
    typer.Option(
        metavar="URL", show_default="http://ADDRESS:PORT", rich_help_panel=options.WHERE,
        help="Write links with this address, by which people reach the service.",
    ),
]  # fmt: skip
BehindProxy = Annotated[
    bool,
    typer.Option(
        "--behind-proxy", rich_help_panel=options.WHERE,
        help="Trust X-Forwarded-For and X-Forwarded-Proto of a proxy.",
    ),
]  # fmt: skip
ProxyAddress = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS", rich_help_panel=options.WHERE,
        help="Trust the proxy at this address, or in this network, such as 172.30.8.0/24.",
    ),
]  # fmt: skip
WebhookUrl = Annotated[
    str,
    typer.Option(
        metavar="URL", show_default="none", rich_help_panel=options.OUTPUT,
        help="Tell this address when a run ends or is paused, signed with STUDY_WEBHOOK_SECRET.",
    ),
]  # fmt: skip

WeightsDays = Annotated[
    float,
    typer.Option(min=0, metavar="DAYS", help="Keep the weights of every trial for this many days after its end."),
]
Best = Annotated[
    int, typer.Option("--best", min=0, metavar="N", help="Keep the weights of each study's best N trials for ever.")
]
LogDays = Annotated[
    float,
    typer.Option(min=0, metavar="DAYS", help="Keep messages of ended runs and the server's events for this many days."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and remove nothing.")]
MailServer = Annotated[
    str,
    typer.Option(
        metavar="URL", show_default="none", rich_help_panel=options.OUTPUT,
        help="Tell people by e-mail when their runs end, by smtp://HOST:PORT or smtps://HOST:PORT.",
    ),
]  # fmt: skip
MailFrom = Annotated[
    str, typer.Option(metavar="ADDRESS", rich_help_panel=options.OUTPUT, help="Send e-mail from this address.")
]

SsoHeader = Annotated[
    str,
    typer.Option(
        metavar="NAME", show_default="none", rich_help_panel=options.WHERE,
        help="Trust this header of a login proxy, such as X-Forwarded-Email, if it sends STUDY_SSO_SECRET as well.",
    ),
]  # fmt: skip
SsoRole = Annotated[
    str,
    typer.Option(
        metavar="ROLE", show_default="refused", rich_help_panel=options.WHERE,
        help="Create an account of this role when somebody first comes by single sign-on.",
    ),
]  # fmt: skip
OidcIssuer = Annotated[
    str,
    typer.Option(
        metavar="URL", show_default="none", rich_help_panel=options.WHERE,
        help="Let people log in at this OpenID Connect provider. The client's secret is in STUDY_OIDC_SECRET.",
    ),
]  # fmt: skip
OidcClient = Annotated[
    str, typer.Option(metavar="ID", rich_help_panel=options.WHERE, help="Use this client ID at the provider.")
]
OidcClaim = Annotated[
    str, typer.Option(metavar="NAME", rich_help_panel=options.WHERE, help="Identify people by this claim.")
]

Invite = Annotated[
    str,
    typer.Option(metavar="NAME", rich_help_panel=options.OUTPUT, help="Print a link by which NAME sets a password."),
]
RunAs = Annotated[
    str,
    typer.Option(
        metavar="USER", show_default="the server's own", rich_help_panel=options.WHERE,
        help="Run every command as this user of the system. Only a server that runs as root can.",
    ),
]  # fmt: skip


def serve(
    context: typer.Context,
    host: Host = "127.0.0.1",
    port: Port = 8765,
    slots: Slots = None,
    executor: Executor = "local",
    address: Annotated[str, cluster.address("none")] = "",
    cpus_per_trial: cluster.CpusPerTrial = 1.0,
    gpus_per_trial: cluster.GpusPerTrial = None,
    shared_home: cluster.SharedHome = False,
    database: Database = None,
    host_names: HostNames = None,
    public: Public = "",
    behind_proxy: BehindProxy = False,
    proxy_address: ProxyAddress = "127.0.0.1",
    webhook: WebhookUrl = "",
    mail_server: MailServer = "",
    mail_from: MailFrom = "",
    sso_header: SsoHeader = "",
    sso_role: SsoRole = "",
    oidc_issuer: OidcIssuer = "",
    oidc_client: OidcClient = "",
    oidc_claim: OidcClaim = "email",
    run_as: RunAs = "",
    invite: Invite = "",
    home: options.Home = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Serve searches to a team: pages, a queue and an API. Ctrl-C stops it."""
    require_extra()
    from study import settings
    from study.options import Options
    from study.service import senders, server
    from study.service.sign_on import Provider, SignOn

    provider = Provider.of(oidc_issuer, oidc_client, os.environ.get("STUDY_OIDC_SECRET", "")) if oidc_issuer else None
    sign_on = SignOn(sso_header, os.environ.get("STUDY_SSO_SECRET", ""), provider, oidc_claim, sso_role)
    where = cluster.placed(context, executor, address, cpus_per_trial, gpus_per_trial, shared_home=shared_home)
    server.serve(
        settings.resolve(home, storage, tracking_uri), _say, url=database, host=host, port=port, slots=slots,
        where=Options(**where), names=host_names or (), public=public.rstrip("/"), behind_proxy=behind_proxy,
        proxy_address=proxy_address, tells=senders.of(webhook, mail_server, mail_from), sign_on=sign_on, run_as=run_as,
        invited=invite,
    )  # fmt: skip


def upgrade(database: Database = None, home: options.Home = None) -> None:
    """Upgrade the server's database to this version. A SQLite database is copied first."""
    require_extra()
    from study import settings
    from study.record import atomic_files
    from study.service import server, store

    places = settings.resolve(home)
    atomic_files.make_folder(places.home, places.home)
    before, now, copy = store.upgrade(database or server.default_url(places), places.home / "backups")
    if copy is not None:
        log.info("a copy of the version before: %s", copy)
    print(f"version {now}" + ("" if before == now else f", before {before or 'none'}"))


def gc(
    weights_days: WeightsDays = 30.0,
    best: Best = 10,
    log_days: LogDays = 90.0,
    dry_run: DryRun = False,
    yes: options.Yes = False,
    as_json: options.AsJson = False,
    database: Database = None,
    home: options.Home = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Remove old weights, messages and events. Results, registered models and the weights behind them are kept."""
    from study import settings
    from study.cli.consent import require_consent
    from study.formatting import size
    from study.service import retention
    from study.terminal.console import show

    places = settings.resolve(home, storage, tracking_uri)
    found = retention.find(places, retention.Rules(weights_days, best, log_days), database)
    show(found, as_json=as_json)
    if not dry_run and (found.sizes or found.events):
        require_consent(f"Remove {size(found.record().bytes)}?", "study gc", yes=yes)
        retention.remove(found, places, database)
        log.info("Removed.")


def require_extra() -> None:
    """Refuse in one line where the parts of the service are not installed.

    Raises:
        PlaceError: they are not.

    """
    from importlib.util import find_spec

    if missing := [name for name in PARTS if find_spec(name) is None]:
        raise PlaceError(f"`study serve` needs {', '.join(missing)}", fix=to_install("serve"))


def _say(line: str) -> None:
    print(line, flush=True)
