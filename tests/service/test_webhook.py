"""A webhook is told once it answers, with a signature that fits; nothing is lost while it does not."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from study.errors import InputError
from study.schemas.service import Submitted
from study.service import notifications, queue, webhook
from study.service.notifications import Notifier
from tests.service.conftest import RUNNER


@pytest.fixture
def listener():
    """A server that refuses until `fine` is set, and keeps what it was told."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.told.append((dict(self.headers), body))
            self.send_response(200 if server.fine else 503)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.told, server.fine = [], False
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_message_is_sent_until_it_is_taken_and_then_no_more(stored, listener, monkeypatch):
    stored.tells = {notifications.WEBHOOK}
    run, _ = queue.submit(stored, RUNNER, Submitted(study="mnist_cnn"))
    queue.wish(stored, RUNNER, run.id, "stop")
    queue.wish(stored, RUNNER, run.id, "priority", -1)  # is no news: it is paused as before
    url = f"http://127.0.0.1:{listener.server_port}/hook?key=planted"
    hook = Notifier(stored, notifications.WEBHOOK, webhook.sender(url, "secret"))
    assert hook.send_due() == 0
    listener.fine = True
    assert hook.send_due() == 0  # not before its time
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 5)
    assert hook.send_due() == 1
    assert hook.send_due() == 0
    (first, _), (headers, body) = listener.told
    assert first["Study-Message"] == headers["Study-Message"]
    assert json.loads(body)["run"] | {"reason": ""} == {
        "id": run.id, "person": "runner", "question": "run", "study": "mnist_cnn", "status": "paused", "reason": "",
    }  # fmt: skip
    signed = f"{headers['Study-Time']}.".encode() + body
    assert headers["Study-Signature"] == hmac.new(b"secret", signed, hashlib.sha256).hexdigest()


def test_nobody_is_told_without_a_webhook(stored, listener):
    run, _ = queue.submit(stored, RUNNER, Submitted(study="mnist_cnn"))
    queue.wish(stored, RUNNER, run.id, "stop")
    send = webhook.sender(f"http://127.0.0.1:{listener.server_port}", "")
    assert Notifier(stored, notifications.WEBHOOK, send).send_due() == 0
    assert listener.told == []


@pytest.mark.parametrize("url", ["ftp://host/x", "https://", "http://[", "https://host:80x/x"])
def test_what_is_no_address_of_a_webhook_is_refused(url):
    with pytest.raises(InputError, match=r"--webhook: not the address of a webhook\. Write it as https://HOST/PATH\."):
        webhook.sender(url, "secret")
