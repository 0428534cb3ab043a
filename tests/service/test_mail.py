"""E-mail to whose run it is, sent to a mail server of its own in this process; nothing is lost while it is away."""

from __future__ import annotations

import socket
import time
from email import message_from_bytes

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from study.errors import InputError
from study.schemas.service import Submitted
from study.service import mail, notifications, people, queue
from study.service.notifications import Notifier
from tests.service.conftest import ADMIN, AUTHOR, RUNNER


class Box:
    """Keeps what comes, unless it is to refuse it."""

    def __init__(self):
        self.kept, self.fine = [], False

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        if not self.fine:
            return "451 later"
        self.kept.append((envelope.rcpt_tos, message_from_bytes(envelope.content)))
        return "250 taken"


@pytest.fixture
def box():
    kept = Box()
    accept = lambda *_: AuthResult(success=True)  # noqa: E731 - all of it
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Controller(kept, hostname="127.0.0.1", port=port, authenticator=accept, auth_require_tls=False)
    server.start()
    kept.url = f"smtp://127.0.0.1:{port}"
    yield kept
    server.stop()


def test_whose_run_it_is_gets_mail_once_the_mail_server_takes_it(stored, box, monkeypatch):
    stored.tells = {notifications.MAIL}
    people.change(stored, ADMIN, "runner", email="ann@example.org")
    people.change(stored, ADMIN, "author", identity="cleo@example.org")
    for who, study in ((RUNNER, "mnist_cnn"), (AUTHOR, "two"), (ADMIN, "nobody_asked")):
        run, _ = queue.submit(stored, who, Submitted(study=study))
        queue.wish(stored, who, run.id, "stop")
    notifier = Notifier(
        stored, notifications.MAIL, mail.sender(box.url, "study@example.org", "https://study.example.org")
    )
    assert (notifier.send_due(), box.kept) == (0, [])
    box.fine = True
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 5)
    assert (notifier.send_due(), notifier.send_due()) == (2, 0)
    assert [to for to, _ in box.kept] == [["ann@example.org"], ["cleo@example.org"]]
    _, message = box.kept[0]
    assert message["Subject"] == "study: run mnist_cnn is paused"
    run = next(each for each in queue.listed(stored)[0] if each.study == "mnist_cnn")
    assert f"https://study.example.org/runs/{run.id}" in message.get_payload(decode=True).decode()
    assert message["Message-ID"].startswith(f"<study-{run.id}-")


def test_a_password_is_not_sent_in_the_clear(box):
    box.fine = True
    send = mail.sender(box.url, "study@example.org", "", "ann", "planted")
    body = b'{"text": "t", "time": 0, "run": {"id": "1", "question": "run", "study": "s", "status": "done"}}'
    assert "no TLS" in send(1, "ann@example.org", body)
    assert box.kept == []
    assert mail.sender("smtp://127.0.0.1:1", "a@b.org", "")(1, "ann@example.org", body) == "ConnectionRefusedError"


WRONG = [
    ("example.org", "a@b.org"),
    ("smtp://u:p@host", "a@b.org"),
    ("smtp://host:80x", "a@b.org"),
    ("smtp://host", "nobody"),
    ("smtp://host", "a@b\nBcc: c"),
]


@pytest.mark.parametrize(("server", "sent_from"), WRONG)
def test_settings_of_mail_are_checked(server, sent_from):
    with pytest.raises(InputError):
        mail.sender(server, sent_from, "")
