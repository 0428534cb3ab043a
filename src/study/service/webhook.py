"""Sends messages to a webhook: JSON by POST, signed."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ssl
import time
from contextlib import closing
from typing import TYPE_CHECKING

from study.errors import InputError
from study.service.client import split

if TYPE_CHECKING:
    from study.service.notifications import Sender

TIMEOUT = 10.0  # seconds for an answer


def signature(secret: str, moment: str, body: bytes) -> str:
    """Sign a message: HMAC-SHA-256 of the moment, a full stop and the body, as hexadecimal digits."""
    return hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()


def sender(url: str, secret: str) -> Sender:
    """Give what sends a message; the webhook's address may be a secret and is never said.

    Args:
        url: that takes the messages.
        secret: signs them; empty for no signature.

    Raises:
        InputError: not the address of a webhook.

    """
    parts = split(url)
    host = parts.hostname
    if parts.scheme not in {"http", "https"} or not host:
        raise InputError("not the address of a webhook", where="--webhook", fix="Write it as https://HOST/PATH.")
    path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"

    def send(identity: int, _address: str, body: bytes) -> str | None:
        moment = str(int(time.time()))
        headers = {"Content-Type": "application/json", "Study-Message": str(identity), "Study-Time": moment}
        if secret:
            headers["Study-Signature"] = signature(secret, moment, body)
        try:
            if parts.scheme == "https":
                context = ssl.create_default_context()
                made = http.client.HTTPSConnection(host, parts.port, timeout=TIMEOUT, context=context)
            else:
                made = http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT)
            with closing(made) as connection:
                connection.request("POST", path, body, headers)
                answer = connection.getresponse()
                answer.read(1000)
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        return None if answer.status < 300 else f"HTTP {answer.status}"

    return send
