"""The whole of it: three people of three roles at once, from two laptops and a browser, while everything is killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import sync_playwright

from study.errors import InputError
from study.record import family, results
from study.service.client import Client, log_in
from tests.service.conftest import CHROMIUM, PASSWORD
from tests.service.mine import MINE
from tests.waiting import until

TRIALS = 8


def command(*words, **more):
    return subprocess.Popen(
        [sys.executable, "-m", "study", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more
    )


@pytest.fixture
def browsers():
    """Browsers of people: each call gives one that knows nobody's cookie."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield lambda: chromium.new_context().new_page()
        chromium.close()


def begin(page, link, name=None):
    """Accept an invitation by keyboard."""
    page.goto(link)
    if name:
        page.get_by_label("Name").fill(name)
    page.get_by_label(re.compile("assword")).fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Queue").wait_for()


def invited(admin, serving, name, role):
    """Invite somebody; give the link."""
    admin.goto(f"{serving.address}/people")
    form = admin.locator("form[action='/people']")
    form.get_by_label("Name").fill(name)
    form.get_by_label("Role").select_option(role)
    form.get_by_role("button").click()
    return admin.locator("p[role=alert] code").inner_text()


def laptop(serving, link, name, folder):
    """Let somebody choose a password, and log in from a laptop of their own; give its environment."""
    chosen = httpx2.post(link, data={"password": PASSWORD}, headers={"Origin": serving.address}, timeout=60)
    assert chosen.status_code == 303
    environment = {**os.environ, "XDG_CONFIG_HOME": str(folder / name)}
    login = command("login", serving.address, "--name", name, stdin=subprocess.PIPE, env=environment)
    said = login.communicate(f"{PASSWORD}\n", timeout=60)
    assert login.returncode == 0, said
    return {**environment, "STUDY_SERVER": serving.address}


def refused(*words, env):
    process = command(*words, env=env)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 2, said
    return said


def is_exact(name):
    """Every trial once, each of its epochs once and in order, and the value that its knob makes."""
    trials = results.read(family.journal(name, Path("mlruns").absolute()))
    finished = [trial for trial in trials if trial.history.ended]
    assert [trial.number for trial in finished] == list(range(TRIALS))
    for trial in finished:
        epochs = trial.history.epochs
        assert [epoch.number for epoch in epochs] == list(range(1, len(epochs) + 1))
        x = trial.recipe["x"]
        assert [epoch.metrics["score"] for epoch in epochs] == [
            1 - x**2 - 1 / number for number in range(1, len(epochs) + 1)
        ]
    return True


def sees_no_more_than_they_may(page, serving, run):
    """A viewer in a browser: no way to start, to move a run or to see people, neither shown nor by hand."""
    page.goto(f"{serving.address}/runs/{run}")
    assert page.get_by_role("link", name=re.compile("Start|People")).count() == 0
    assert page.get_by_role("button", name=re.compile("stop|cancel", re.IGNORECASE)).count() == 0
    by_hand = "path => fetch(path, {method: 'POST', body: ''}).then(answer => answer.status)"
    for path in (f"/queue/{run}/cancel", "/start", "/people", f"/api/v1/runs/{run}/cancel", "/api/studies"):
        assert page.evaluate(by_hand, path) == 403, path
    assert page.goto(f"{serving.address}/people").status == 403


def follow_to_its_end(watcher, run, seen):
    for event in watcher.events(run):
        seen.append(event)
        if event.kind == "run" and event.data["status"] == "done":
            return


def kill_five_times(serving):
    for kill in range(5):
        time.sleep(2)
        serving.kill()
        if kill == 2 and (children := serving.children()):
            os.kill(children[0], signal.SIGKILL)
        serving.start()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_three_people_at_once_while_the_server_is_killed_five_times_and_a_worker_too(serving, browsers, tmp_path):
    Path("studies").mkdir()
    for name in ("one", "two"):
        Path(f"studies/{name}.py").write_text(MINE.replace("NAME", name))
    (tmp_path / "three.py").write_text(MINE.replace("NAME", "three"))
    ann = browsers()
    begin(ann, re.search(r"http\S+/invitation/[\w-]+", serving.said).group(), "ann")
    runner, author, viewer = (
        laptop(serving, invited(ann, serving, name, role), name, tmp_path)
        for name, role in (("ben", "runner"), ("cleo", "author"), ("dan", "viewer"))
    )
    assert "needs the role runner" in refused("run", "one", "--trials", "3", env=viewer)
    assert "which an author may submit" in refused("run", str(tmp_path / "three.py"), "--trials", "3", env=runner)

    by_command = command("run", "two", "--trials", str(TRIALS), "--json", env=runner, cwd=tmp_path / "ben")
    with_file = command("run", str(tmp_path / "three.py"), "--trials", str(TRIALS), env=author)
    ann.goto(f"{serving.address}/start?study=one")
    ann.get_by_label("Trials (of a run)").fill(str(TRIALS))
    ann.get_by_label("Trials at a time").fill("1")
    ann.keyboard.press("Enter")
    ann.wait_for_url(re.compile("/runs/"))
    token = log_in(serving.address, "dan", PASSWORD).token
    watcher, seen = Client(serving.address, token), []
    until(lambda: len(watcher.queue()) == 3)
    followed = watcher.run("one")
    assert (followed.person, ann.url.rpartition("/")[2]) == ("ann", followed.id)
    following = threading.Thread(target=follow_to_its_end, args=(watcher, followed.id, seen), daemon=True)
    following.start()
    kill_five_times(serving)
    for process in (by_command, with_file):
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0, out + err
    assert watcher.wait(followed.id).status == "done"
    following.join(60)

    assert [is_exact(name) for name in ("one", "two", "three")] == [True] * 3
    ids = [event.id for event in seen]
    assert ids == sorted(set(ids))
    assert sorted(event.trial for event in seen if event.kind == "ended") == list(range(TRIALS))
    asked = watcher._json("GET", "/runs")["items"]
    assert sorted((run["person"], run["status"]) for run in asked) == [(who, "done") for who in ("ann", "ben", "cleo")]
    ann.get_by_text(re.compile("best score")).first.wait_for()  # the page followed through all of it
    dan = browsers()
    dan.goto(f"{serving.address}/login")
    dan.get_by_label("Name").fill("dan")
    dan.get_by_label("Password").fill(PASSWORD)
    dan.keyboard.press("Enter")
    dan.get_by_role("link", name="Queue").wait_for()
    sees_no_more_than_they_may(dan, serving, followed.id)
    with pytest.raises(InputError, match="needs the role admin"):
        watcher._json("GET", "/audit")
    assert "Report of a study" in watcher.report("one").decode()
    assert token not in Path("serve.err").read_text() + "".join(
        path.read_text(errors="replace") for path in Path("mlruns/service").rglob("*.*") if path.is_file()
    )
    assert serving.stop() == 0
