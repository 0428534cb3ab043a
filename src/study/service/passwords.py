"""Passwords: what can be one, and its hash."""

from __future__ import annotations

import secrets

from pwdlib import PasswordHash

from study.errors import InputError

SHORTEST, LONGEST = 12, 1000  # characters
OWN = 6  # characters besides the person's name
_hash = PasswordHash.recommended()
_nobodys = _hash.hash(secrets.token_urlsafe(16))  # an unknown name takes as long as a wrong password


def hashed(password: str, name: str) -> str:
    """Give the argon2 hash of a new password of a person.

    Raises:
        InputError: it is too short, too long or hardly more than the name.

    """
    if len(password) < SHORTEST:
        raise InputError(f"a password needs {SHORTEST} characters or more")
    if len(password) > LONGEST:
        raise InputError(f"a password has at most {LONGEST} characters")
    if name and len(password.lower().replace(name, "")) < OWN:
        raise InputError(f"a password needs {OWN} characters or more besides the name")
    return _hash.hash(password)


def fits(password: str, stored: str | None) -> bool:
    """Tell whether a password is the one whose hash is stored; no password fits None, which takes as long."""
    return _hash.verify(password[:LONGEST], stored or _nobodys) and stored is not None
