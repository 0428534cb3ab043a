"""`study register`, `promote`, `rollback` and `models` with `--server`: the server does it, printed as here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.schemas.models import ModelVersion
from study.service.client import Client
from study.terminal.console import width
from study.text import models as text
from study.text.table import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from study.schemas import Record
    from study.text.table import Block


def models(server: str, name: str | None, *, as_json: bool) -> None:
    """Print the versions of a model, or of all."""
    from study.formatting import to_json

    found = Client(server).models(name)
    if as_json:
        print(to_json([each.plain() for each in found], indent=2))
    else:
        print(text_of(text.versions(found), width()))


def register(server: str, study: str, trial: int | None, model: str | None, *, as_json: bool) -> ModelVersion:
    """Register and print what was registered."""
    found = Client(server).register(study, trial, model)
    _print(found, text.registered(found), as_json=as_json)
    return found


def promote(server: str, name: str, wanted: Mapping[str, object], *, as_json: bool) -> None:
    """Promote and print who is champion now, and why."""
    client = Client(server)
    done = client.promote(name, **wanted)  # pyright: ignore[reportArgumentType] - as the command has them
    version = next(each for each in client.models(done.model) if each.version == done.champion)
    _print(done, text.promoted(done, version), as_json=as_json)


def rollback(server: str, name: str, *, as_json: bool) -> None:
    """Roll back and print who is champion again."""
    done = Client(server).rollback(name)
    _print(done, text.rolled_back(done), as_json=as_json)


def _print(found: Record, blocks: Sequence[Block], *, as_json: bool) -> None:
    print(found.to_json(indent=2) if as_json else text_of(blocks, width()))
