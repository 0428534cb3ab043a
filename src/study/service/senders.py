"""The ways in which a server tells others of runs, as it was started with them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from study.service import mail, notifications, webhook

if TYPE_CHECKING:
    from collections.abc import Callable

    from study.service.notifications import Sender


def of(webhook_url: str, mail_server: str, mail_from: str) -> dict[str, Callable[[str], Sender]]:
    """Give what sends in each way, from the public address; secrets come by variables, which no process list shows."""
    secret, user, password = (
        os.environ.get(name, "") for name in ("STUDY_WEBHOOK_SECRET", "STUDY_MAIL_USER", "STUDY_MAIL_PASSWORD")
    )
    found: dict[str, Callable[[str], Sender]] = {}
    if webhook_url:
        found[notifications.WEBHOOK] = lambda _: webhook.sender(webhook_url, secret)
    if mail_server:
        found[notifications.MAIL] = lambda public: mail.sender(mail_server, mail_from, public, user, password)
    return found
