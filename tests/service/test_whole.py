"""The whole of it: three people of three roles at once, a server that is killed five times and a worker too."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from study.errors import InputError
from study.record import family, results
from study.service.client import Client, log_in
from tests.service.conftest import PASSWORD, until
from tests.service.mine import MINE

TRIALS = 8


class Page:
    """A browser without scripts: it keeps the cookie, and says where its requests come from."""

    def __init__(self, address):
        self.address = address
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())

    def post(self, path, **form):
        data = urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(self.address + path, data, {"Origin": self.address, "Accept": "text/html"})
        return self.opener.open(request, timeout=60)

    def get(self, path):
        return self.opener.open(self.address + path, timeout=60).read().decode()


def command(*words, **more):
    return subprocess.Popen(
        [sys.executable, "-m", "study", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more
    )


def logged_in(admin, serving, name, role, folder):
    """Invite somebody, let them choose a password, and log in from a laptop of their own."""
    link = re.search(
        r"http://localhost:\d+/invitation/[\w-]+", admin.post("/people", name=name, role=role).read().decode()
    )
    Page(serving.address).post(link.group().removeprefix(serving.address), password=PASSWORD)
    environment = {**os.environ, "XDG_CONFIG_HOME": str(folder / name)}
    login = command("login", serving.address, "--name", name, stdin=subprocess.PIPE, env=environment)
    said = login.communicate(f"{PASSWORD}\n", timeout=60)
    assert login.returncode == 0, said
    return {**environment, "STUDY_SERVER": serving.address}


def numbers(name):
    """The trials of a study, and how many epochs each of their logs holds."""
    trials = results.read(family.journal(name, Path("mlruns").absolute()))
    return {trial.number: [epoch.number for epoch in trial.history.epochs] for trial in trials if trial.history.ended}


@pytest.mark.slow
def test_three_people_at_once_while_the_server_is_killed_five_times_and_a_worker_too(serving, tmp_path):  # noqa: PLR0915
    Path("studies").mkdir()
    for name in ("one", "two"):
        Path(f"studies/{name}.py").write_text(MINE.replace("NAME", name))
    (tmp_path / "three.py").write_text(MINE.replace("NAME", "three"))
    admin = Page(serving.address)
    admin.post(re.search(r"/invitation/[\w-]+", serving.said).group(), name="ann", password=PASSWORD)
    runner = logged_in(admin, serving, "ben", "runner", tmp_path)
    author = logged_in(admin, serving, "cleo", "author", tmp_path)
    viewer = logged_in(admin, serving, "dan", "viewer", tmp_path)

    refused = command("run", "one", "--trials", "3", env=viewer)
    said = refused.communicate(timeout=60)[1]
    assert (refused.returncode, "needs the role runner" in said) == (2, True), said

    by_command = command("run", "two", "--trials", str(TRIALS), "--json", env=author | {"STUDY_TRIALS": str(TRIALS)})
    with_file = command("run", str(tmp_path / "three.py"), "--trials", str(TRIALS), env=author)
    code = command("run", str(tmp_path / "three.py"), "--trials", "3", env=runner)
    assert "which an author may submit" in code.communicate(timeout=60)[1]
    assert code.returncode == 2
    ask = {"study": "one", "question": "run", "trials": TRIALS, "workers": 1, "key": "once"}
    for _ in range(2):  # sent twice
        admin.post("/start", **ask)
    token = log_in(serving.address, "dan", PASSWORD).token
    watcher, seen = Client(serving.address, token), []
    runs = until(lambda: len(watcher.queue()) == 3 and watcher.queue())
    followed = next(run for run in runs if run.study == "one")

    def follow():
        for event in watcher.events(followed.id):
            seen.append(event)
            if event.kind == "run" and event.data["status"] == "done":
                return

    following = threading.Thread(target=follow, daemon=True)
    following.start()
    for kill in range(5):
        time.sleep(2)
        serving.kill()
        if kill == 2 and (children := serving.children()):
            os.kill(children[0], signal.SIGKILL)
        serving.start()
    for process in (by_command, with_file):
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0, out + err
    assert watcher.wait(followed.id).status == "done"
    following.join(60)

    for name in ("one", "two", "three"):
        trials = numbers(name)
        assert len(trials) == TRIALS
        assert all(epochs == list(range(1, len(epochs) + 1)) for epochs in trials.values())
    ids = [event.id for event in seen]
    assert ids == sorted(set(ids))
    ended = [event.trial for event in seen if event.kind == "ended"]
    assert sorted(ended) == list(range(TRIALS))
    asked = watcher._json("GET", "/runs")["items"]
    assert [run["status"] for run in asked] == ["done"] * 3

    with pytest.raises(InputError, match="needs the role runner"):
        watcher.cancel(followed.id)
    with pytest.raises(InputError, match="needs the role admin"):
        watcher._json("GET", "/audit")
    assert "three" in admin.get("/")
    assert "trial 0" in admin.get("/studies/one")
    assert "Report of a study" in watcher.report("one").decode()
    assert token not in Path("serve.err").read_text() + "".join(
        path.read_text(errors="replace") for path in Path("mlruns/service").rglob("*.*") if path.is_file()
    )
    assert serving.stop() == 0
