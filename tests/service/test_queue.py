"""The queue on both databases: accepted once, claimed once, shared fairly, paused after five failures."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from study.errors import InputError
from study.schemas.service import Submitted
from study.service import people, queue
from study.service.asking import Forbidden
from study.service.shares import Claim, share
from tests.service.conftest import ADMIN, AUTHOR, RUNNER


def submit(stored, person=RUNNER, study="mnist_cnn", **more):
    return queue.submit(stored, person, Submitted(study=study, **more))[0]


def test_a_submit_that_is_sent_again_is_the_same_run(stored):
    wanted = Submitted(study="mnist_cnn", trials=3, key="monday")
    first, new = queue.submit(stored, RUNNER, wanted)
    second, again = queue.submit(stored, RUNNER, wanted)
    assert (first.id, new, again) == (second.id, True, False)
    with pytest.raises(InputError, match="another run"):
        queue.submit(stored, RUNNER, wanted.model_copy(update={"trials": 4}))
    assert queue.submit(stored, AUTHOR, wanted)[0].id != first.id


def test_submits_and_claims_at_once_give_each_run_once(stored):
    for number in range(12):
        submit(stored, study=f"s{number}", workers=1)
    claimed, started = [], threading.Barrier(4)

    def claim():
        started.wait()
        for _ in range(4):
            claimed.extend(row["id"] for row in queue.claim(stored, 10)[0])

    def send():
        submit(stored, study="twice", key="k", workers=1)

    threads = [threading.Thread(target=claim) for _ in range(4)] + [threading.Thread(target=send) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert Counter(claimed).most_common(1)[0][1] == 1
    assert len(claimed) == 10
    assert len(queue.listed(stored)[0]) == 13


def test_slots_go_by_priority_then_evenly_to_people_and_a_blocked_run_blocks_nobody(stored):
    people.change(stored, ADMIN, "author", max_slots=1)
    a, b = submit(stored, study="a", workers=3), submit(stored, study="a", workers=1)
    c, d = submit(stored, AUTHOR, "c", workers=2), submit(stored, ADMIN, "d", workers=1, priority=9)
    got = {row["id"]: row["slots"] for row in queue.claim(stored, 4)[0]}
    assert got == {d.id: 1, a.id: 2, c.id: 1}
    assert "waits for run" in queue.get(stored, b.id).reason


def test_a_lower_run_gives_slots_up_when_somebody_waits(stored):
    first = submit(stored, study="a")
    assert [row["slots"] for row in queue.claim(stored, 4)[0]] == [4]
    submit(stored, AUTHOR, "b")
    claimed, yielding = queue.claim(stored, 4)
    assert (claimed, yielding) == ([], [first.id])
    row = {each["id"]: each for each in queue.left_running(stored)}[first.id]
    queue.end(stored, first.id, row["lease_token"], {"status": "queued"})
    assert sorted(each["slots"] for each in queue.claim(stored, 4)[0]) == [2, 2]


def test_what_an_older_lease_writes_is_not_written(stored):
    run = submit(stored)
    old = queue.claim(stored, 1)[0][0]["lease_token"]
    new = queue.left_running(stored)[0]["lease_token"]
    assert queue.end(stored, run.id, old, {"status": "done"}) is None
    assert queue.get(stored, run.id).status == "running"
    assert queue.end(stored, run.id, new, {"status": "done"})["status"] == "done"
    assert queue.end(stored, run.id, new, {"status": "failed"}) is None


def test_a_used_up_quota_of_hours_waits_and_says_so(stored):
    run = submit(stored)
    token = queue.claim(stored, 1)[0][0]["lease_token"]
    queue.note(stored, run.id, token, started=time.time() - 7200)
    assert queue.described(queue.end(stored, run.id, token, {"status": "done"})).slot_hours == pytest.approx(2, abs=0.1)
    people.change(stored, ADMIN, "runner", max_hours=1.5)
    later = submit(stored)
    assert queue.claim(stored, 1)[0] == []
    assert "used up the hours" in queue.get(stored, later.id).reason


def test_wishes_are_heeded_and_an_ended_run_stays_ended(stored):
    run = submit(stored)
    assert queue.wish(stored, RUNNER, run.id, "stop").status == "paused"
    assert queue.claim(stored, 1)[0] == []
    assert queue.wish(stored, RUNNER, run.id, "resume").status == "queued"
    with pytest.raises(Forbidden):
        queue.wish(stored, AUTHOR, run.id, "cancel")
    assert queue.wish(stored, ADMIN, run.id, "cancel").status == "cancelled"
    with pytest.raises(InputError, match="has ended"):
        queue.wish(stored, RUNNER, run.id, "stop")
    assert queue.wish(stored, RUNNER, "none", "stop") is None


def test_a_list_is_read_in_parts_without_a_gap(stored):
    made = [submit(stored, study=f"s{number}").id for number in range(7)]
    found, cursor = [], None
    while True:
        part, cursor = queue.listed(stored, before=cursor, limit=3)
        found += [run.id for run in part]
        submit(stored, study=f"late{len(found)}")
        if cursor is None:
            break
    assert found == made[::-1]


def test_shares_are_never_more_than_there_is_or_than_was_wanted():
    claims = [Claim(f"r{n}", "ann" if n % 3 else "ben", n % 2, 1 + n % 4) for n in range(9)]
    for slots in range(30):
        given = share(slots, claims, {"ann": 5})
        assert sum(given.values()) <= slots
        assert all(given.get(each.run, 0) <= each.wanted for each in claims)
        assert sum(given.get(each.run, 0) for each in claims if each.person == "ann") <= 5
