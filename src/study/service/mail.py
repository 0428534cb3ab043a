"""Sends messages by e-mail to whose run it is: SMTP, over TLS wherever the mail server offers it."""

from __future__ import annotations

import json
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate
from typing import TYPE_CHECKING

from study.errors import InputError
from study.service.client import split

if TYPE_CHECKING:
    from study.service.notifications import Sender

TIMEOUT = 20.0  # seconds for an answer


def sender(server: str, sent_from: str, public: str, user: str = "", password: str = "") -> Sender:
    """Give what sends a message.

    Args:
        server: `smtp://HOST:PORT`, or `smtps://HOST:PORT` for TLS from the first byte.
        sent_from: address of the sender.
        public: address under which people reach the service, for links.
        user: logs in at the mail server, over TLS alone; empty for no login.
        password: of the user.

    Raises:
        InputError: not a mail server, or not an address.

    """
    parts = split(server)
    host = parts.hostname
    if parts.scheme not in {"smtp", "smtps"} or not host or "@" in parts.netloc:
        fix = "Write it as smtp://HOST:PORT or smtps://HOST:PORT; STUDY_MAIL_USER and STUDY_MAIL_PASSWORD log in."
        raise InputError("not a mail server", where="--mail-server", fix=fix)
    if "@" not in sent_from.strip("@") or any(sign.isspace() for sign in sent_from):
        raise InputError("not an address to send from", where="--mail-from", fix="Write it as study@example.org.")

    def send(identity: int, address: str, body: bytes) -> str | None:
        message = composed(identity, address, body, sent_from, public)
        try:
            with _connected(parts.scheme, host, parts.port or 0) as connection:
                if user:
                    if not isinstance(connection.sock, ssl.SSLSocket):
                        return "the mail server offers no TLS, and a password is not sent in the clear"
                    connection.login(user, password)
                connection.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            return type(error).__name__
        return None

    return send


def composed(identity: int, address: str, body: bytes, sent_from: str, public: str) -> EmailMessage:
    """Write the e-mail of a message; sent again it has the same Message-ID."""
    told = json.loads(body)
    run = told["run"]
    message = EmailMessage()
    message["Subject"] = " ".join(f"study: {run['question']} {run['study']} is {run['status']}".split())
    message["From"], message["To"] = sent_from, address
    message["Date"] = formatdate(told["time"])
    message["Message-ID"] = f"<study-{run['id']}-{identity}@{sent_from.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(f"{told['text']}\n\n{public}/runs/{run['id']}\n")
    return message


def _connected(scheme: str, host: str, port: int) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=context)
    connection = smtplib.SMTP(host, port, timeout=TIMEOUT)
    connection.ehlo()
    if connection.has_extn("starttls"):
        connection.starttls(context=context)
    return connection
