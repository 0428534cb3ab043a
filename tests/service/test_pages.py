"""The pages about trials side by side, notes, machines and models, as people of each role see them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from study.errors import InputError
from study.executors import Resources
from study.schemas.service import Submitted
from study.service import commands, pages, queue
from study.service.following import Follower
from study.service.machines import Cluster
from tests.service.conftest import ADMIN, RUNNER, bearer


@pytest.fixture
def seen(here, made):
    """The study `made`, as the server knows it; a page of it by its path, for a person of a role."""
    Follower(here.database, Path("mlruns").absolute()).follow("made")

    def page(path, who="viewer"):
        answer = here.client.get(path, headers=bearer(here.tokens[who]) | {"Accept": "text/html"})
        assert answer.status_code == 200, answer.text
        return answer.text

    return page


@pytest.mark.parametrize("path", ["/studies/made", "/studies/made/trials/1", "/compare?trial=made:1&trial=made:2"])
def test_curves_of_an_accuracy_are_in_per_cent_as_everything_that_people_read(seen, path):
    svg = seen(path).partition("<svg")[2].partition("</svg>")[0]
    assert len(re.findall(r'text-anchor="end">[\d.]+ %</text>', svg)) == 3


def test_trials_and_studies_are_compared_by_the_knobs_that_differ(here, seen):
    text = seen("/compare?trial=made:1&trial=made:2")
    assert text.count('class="curve apart') == 2
    rows = {row.partition("</th>")[0].rpartition(">")[2]: row for row in text.split("<tr>")}
    assert {"normalize", "lr", "batch_size"} <= rows.keys()
    assert "activation" not in rows
    assert "full" in rows["batch_size"]
    assert "best of 3" in seen("/compare?study=made")
    for wrong in ("trial=made:x", "trial=made:99", "study=nothing", "trial=:1"):
        answer = here.client.get(f"/compare?{wrong}", headers=bearer(here.tokens["viewer"]))
        assert answer.status_code in {400, 404}


def test_a_note_is_shown_as_it_was_written_with_its_writer_and_an_empty_one_removes_it(here, seen):
    text = "<b>good</b>\nsecond"
    where = "/studies/made/trials/2"
    runner = {"headers": bearer(here.tokens["runner"])}
    assert here.client.post(f"{where}/notes", data={"text": text}, **runner).status_code == 303
    shown = seen(where)
    assert "&lt;b&gt;good&lt;/b&gt;\nsecond" in shown
    assert "Keep it" not in shown
    assert "Keep it" in seen(where, "runner")
    assert ("good" in seen("/studies/made"), "good" in seen("/studies/made/trials/1")) == (False, False)
    note = here.client.get("/api/v1/studies/made/notes?trial=2", **runner).json()
    assert (note["text"], note["person"]) == (text, "runner")
    assert here.client.put("/api/v1/studies/made/notes?trial=2", json={"text": " "}, **runner).json()["text"] == ""
    assert here.client.put("/api/v1/studies/made/notes?trial=99", json={"text": "x"}, **runner).status_code == 404


def test_what_a_registry_refuses_is_said_and_a_runner_neither_forces_nor_chooses_the_margin(here, made, seen):
    runner, admin = (bearer(here.tokens[role]) for role in ("runner", "admin"))
    answer = here.client.post("/api/v1/models", json={"study": "made"}, headers=runner)
    assert (answer.status_code, "not confirmed yet" in answer.json()["what"]) == (400, True)
    assert "No model is registered yet" in seen("/parts/models")
    assert here.client.post("/models/made/rollback", headers=runner).status_code == 404
    for wanted in ({"force": True, "reason": "because"}, {"margin": 0.999}, {"margin": 0.001}):
        statuses = [
            here.client.post("/api/v1/models/made/promote", json=wanted, headers=who).status_code
            for who in (runner, admin)
        ]
        assert statuses == [403, 404]
    with pytest.raises(InputError, match="no such option"):
        commands.answer_of(here.service.places, ["models", "--nothing"])


def test_a_cluster_without_room_says_what_it_waits_for_and_shows_the_nodes_that_are_too_small(here, seen):
    cluster = Cluster(here.service.places, Resources(address="head:6379", cpus=4.0))
    here.service.conductor.machines = cluster
    assert "No nodes. Runs wait until one joins." in seen("/machines")
    node = {"host": "small", "slots": 0, "used": "0 of 2 CPUs used", "gpu": ""}
    cluster._take({"slots": 0, "nodes": [node]})
    text = seen("/machines?again")
    assert "4 CPUs, and a GPU where there are any" in text
    assert "None of them has room for a trial" in text
    assert "0 of 2 CPUs used" in text
    assert "No node of the cluster has room for a trial. Runs wait for one." in seen("/")
    cluster._take({"slots": 1, "nodes": [{**node, "slots": 1}]})
    assert "The slot is free." in seen("/?again")
    assert "None of them has room" not in seen("/machines?more")


def test_the_machine_says_what_it_has(here, seen):
    text = seen("/machines")
    assert "0 of 4 busy" in text
    assert "free of" in text
    assert "Trains on" in text


def test_what_runs_and_what_was_answered_last_is_shown_however_much_was_submitted_since(here, seen, monkeypatch):
    monkeypatch.setattr(pages, "MOST", 5)
    runs = [queue.submit(here.database, RUNNER, Submitted(study=f"s{n}", workers=1))[0].id for n in range(40)]
    queue.wish(here.database, RUNNER, runs[0], "cancel")
    queue.wish(here.database, RUNNER, runs[1], "stop")
    claimed = [row["id"] for row in queue.claim(here.database, 1)[0]]
    queue.wish(here.database, ADMIN, runs[30], "priority", 9)
    shown = {}
    for part in seen("/").split('<h2 id="')[1:]:
        shown[part.partition('"')[0]] = re.findall(r'href="/runs/(\w+)"', part)
    assert shown["runs-now"] == claimed == [runs[2]]
    assert shown["waits"] == [runs[30], *runs[3:7]]
    assert (shown["paused"], shown["answered"]) == ([runs[1]], [runs[0]])
    for later in (runs[35], runs[33]):
        queue.wish(here.database, RUNNER, later, "cancel")
    answered = seen("/").partition('id="answered"')[2]
    assert re.findall(r'href="/runs/(\w+)"', answered) == [runs[33], runs[35], runs[0]]
    links = re.findall(r'<th scope="row"><a href="/runs/(\w+)"', seen("/queue"))
    assert links == [runs[30], *runs[2:6], runs[1]]


@pytest.mark.parametrize(("given", "status"), [("²", 400), ("--5", 400), ("101", 400), ("", 400), ("-100", 303)])
def test_a_priority_that_is_none_is_refused(here, given, status):
    run, _ = queue.submit(here.database, RUNNER, Submitted(study="mnist_cnn"))
    runner = bearer(here.tokens["runner"])
    answer = here.client.post(f"/queue/{run.id}/priority", data={"priority": given}, headers=runner)
    assert answer.status_code == status
