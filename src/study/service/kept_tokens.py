"""The tokens of `study login`, in a file that one can read oneself alone."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from study.record import atomic_files


def file() -> Path:
    """File with the token of each server that one has logged in to."""
    root = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config").expanduser()
    return root / "study" / "servers.json"


def known() -> dict[str, str]:
    """Read the tokens by server."""
    try:
        found = json.loads(file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def keep(server: str, token: str) -> None:
    """Keep a server's token; those of others stay.

    Raises:
        PlaceError: the file cannot be written, or the disk is full.

    """
    kept, new = file(), file().with_suffix(".new")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        written = json.dumps({**known(), server: token}).encode()
        with suppress(FileNotFoundError):
            new.unlink()
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as output:
            output.write(written)
        new.replace(kept)
        atomic_files.sync_folder(kept.parent)
    except OSError as error:
        fix = "XDG_CONFIG_HOME names another folder for it; then log in again."
        raise atomic_files.cannot_write(kept, error, fix) from error
