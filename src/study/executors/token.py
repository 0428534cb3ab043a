"""The token by which the nodes of a Ray cluster and its searches know each other."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from study.errors import PlaceError


def place() -> Path:
    """Give the file in which Ray looks for it: `RAY_AUTH_TOKEN_PATH`, else `~/.ray/auth_token`."""
    return Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token").expanduser()


def settle() -> Path:
    """Make the file, which nobody else may read, unless it is there; 32 random bytes in hex.

    Raises:
        PlaceError: it cannot be written, or others may read the one that is there.

    """
    path = place()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if path.stat().st_mode & 0o077:
            raise PlaceError("others can read the token", where=str(path), fix=f"Run `chmod 600 {path}`.") from None
        return path
    except OSError as error:
        raise PlaceError(f"cannot be written: {error.strerror}", where=str(path)) from error
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_hex(32))
    return path
