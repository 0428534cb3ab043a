"""The queue on both databases: accepted once, claimed once, shared fairly, paused after five failures."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import datetime

import pytest
import sqlalchemy as sa

from study.errors import InputError
from study.schemas.service import Submitted
from study.service import groups, hub, people, preemption, queue, quotas, store, tables
from study.service.errors import Forbidden
from study.service.scheduling import Claim, share
from tests.service.conftest import ADMIN, AUTHOR, RUNNER
from tests.waiting import until


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
    assert queue.claim(stored, 4) == ([], [first.id])
    row = {each["id"]: each for each in queue.left_running(stored)}[first.id]
    queue.end(stored, first.id, row["lease_token"], {"status": "queued"})
    assert sorted(each["slots"] for each in queue.claim(stored, 4)[0]) == [2, 2]


def test_a_run_begins_again_with_slots_that_have_fallen_free_once_nobody_waits(stored, monkeypatch):
    first, second = submit(stored, study="a", workers=3), submit(stored, AUTHOR, "b", workers=1)
    assert [row["slots"] for row in queue.claim(stored, 2)[0]] == [1, 1]
    assert preemption.widen(stored, 4) == []  # they have hardly begun
    monkeypatch.setattr(preemption, "YOUNG", -1.0)
    assert preemption.widen(stored, 2) == []
    third = submit(stored, AUTHOR, "c")
    assert preemption.widen(stored, 4) == []  # somebody waits, who gets them
    queue.wish(stored, AUTHOR, third.id, "cancel")
    assert preemption.widen(stored, 4) == [first.id]  # the other has all that it wants
    assert preemption.widen(stored, 4) == []
    leases = {row["id"]: row["lease_token"] for row in queue.left_running(stored)}
    queue.end(stored, first.id, leases[first.id], {"status": "queued"})
    assert [(row["id"], row["slots"]) for row in queue.claim(stored, 4)[0]] == [(first.id, 3)]
    queue.end(stored, second.id, leases[second.id], {"status": "done"})
    assert preemption.widen(stored, 4) == []  # it has what it wants


def test_a_run_that_cannot_start_whatever_is_free_keeps_no_slot_from_those_that_run(stored, monkeypatch):
    monkeypatch.setattr(preemption, "YOUNG", -1.0)
    first, second = submit(stored, study="a"), submit(stored, AUTHOR, "b", workers=1)
    assert len(queue.claim(stored, 2)[0]) == 2
    submit(stored, study="a")  # follows the first
    people.change(stored, ADMIN, "admin", max_trials=1)
    submit(stored, ADMIN, "c", trials=2)  # for which the month has no trials left
    people.change(stored, ADMIN, "author", max_slots=1)
    submit(stored, AUTHOR, "d")  # for which the author has no slot left
    queue.claim(stored, 2)
    assert [run.reason.partition(" ")[0] for run in queue.waiting(stored)][2:] == ["waits", "waits:", "waits:"]
    assert preemption.widen(stored, 4) == [first.id]
    stop(stored, second, "done")
    assert preemption.widen(stored, 4) == []  # the author's other run takes its place


def test_a_run_takes_no_slots_for_which_it_has_no_trials_left(stored, monkeypatch):
    monkeypatch.setattr(preemption, "YOUNG", -1.0)
    run = submit(stored, study="a", trials=3)
    token = queue.claim(stored, 1)[0][0]["lease_token"]
    queue.note(stored, run.id, token, studies='["a"]')
    ended(stored, "a", [0, 1])
    assert preemption.widen(stored, 4) == []


def test_a_run_that_waits_for_a_node_says_so_to_those_who_follow_it(stored):
    run = submit(stored)
    for _ in range(2):
        assert queue.claim(stored, 0)[0] == []
    told = [event.data["reason"] for event in hub.read(stored, 0, (), run.id)]
    assert told == ["", "waits for a node of the cluster with room for a trial"]


def test_what_is_written_with_an_older_token_is_not_written(stored):
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


def ended(stored, study, trials, state="complete"):
    """Trials of a study that end now, as the follower writes them."""
    with stored.write() as connection:
        for trial in trials:
            row = {"time": time.time(), "kind": "ended", "study": study, "trial": trial}
            connection.execute(sa.insert(tables.events).values(**row, data=f'{{"state": "{state}"}}'))
            row = {"study": study, "trial": trial, "bytes": 0, "state": state}
            connection.execute(sa.insert(tables.cursors).values(**row))


def stop(stored, run, status="queued", device="cpu"):
    token = {each["id"]: each for each in queue.left_running(stored)}[run.id]["lease_token"]
    assert queue.end(stored, run.id, token, {"status": status}, device)


def test_a_running_run_gives_its_slots_up_when_the_hours_are_used_up(stored):
    groups.change(stored, ADMIN, "team", max_hours=3)
    people.change(stored, ADMIN, "runner", group="team")
    people.change(stored, ADMIN, "author", group="team")
    mine, other = submit(stored, study="a", workers=1), submit(stored, AUTHOR, "b", workers=1)
    tokens = {row["id"]: row["lease_token"] for row in queue.claim(stored, 2)[0]}
    assert preemption.overdrawn(stored) == []
    for run in (mine, other):  # together they have used more than the team may
        queue.note(stored, run.id, tokens[run.id], started=time.time() - 6000)
    assert sorted(preemption.overdrawn(stored)) == sorted((mine.id, other.id))
    assert preemption.overdrawn(stored) == []
    stop(stored, mine)
    assert queue.claim(stored, 2)[0] == []
    assert queue.get(stored, mine.id).reason == "waits: @team has used up the hours of this month"
    groups.change(stored, ADMIN, "team", max_hours=None)
    assert [row["id"] for row in queue.claim(stored, 2)[0]] == [mine.id]


def test_a_quota_of_trials_is_kept_to_the_trial_whatever_begins_together(stored):
    people.change(stored, ADMIN, "runner", max_trials=5)
    one, two = (submit(stored, study=name, trials=trials, workers=1) for name, trials in (("a", 4), ("b", 3)))
    assert [row["id"] for row in queue.claim(stored, 4)[0]] == [one.id]
    assert queue.get(stored, two.id).reason == "waits: it needs 3 of this month's trials, and runner has 1 left"
    token = queue.left_running(stored)[0]["lease_token"]
    queue.note(stored, one.id, token, studies='["a"]', started=time.time() - 10)
    ended(stored, "a", range(3))
    ended(stored, "a", [3], "failed")  # is no finished trial, and is not counted
    stop(stored, one, device="cuda")
    assert [row["id"] for row in queue.claim(stored, 4)[0]] == [one.id]  # it needs one more, which was left
    assert queue.claim(stored, 4)[0] == []
    people.change(stored, ADMIN, "runner", max_trials=7)
    assert [row["id"] for row in queue.claim(stored, 4)[0]] == [two.id]
    with stored.read() as connection:
        assert connection.execute(sa.select(tables.usage.c.device, tables.usage.c.trials)).all() == [("cuda", 3)]


def test_a_question_whose_trainings_nobody_has_counted_gets_a_part_of_the_quota_and_no_more(stored):
    people.change(stored, ADMIN, "runner", max_trials=130)
    one = submit(stored, study="a", question="compare", until_sure=True, workers=1)
    (row,) = queue.claim(stored, 4)[0]
    assert (row["id"], row["allowance"], row["reserved"]) == (one.id, 100, 100)
    two = submit(stored, study="b", question="ablate", workers=1)
    assert [(row["id"], row["allowance"]) for row in queue.claim(stored, 4)[0]] == [(two.id, 30)]
    three = submit(stored, study="c", question="confirm", workers=1)
    assert queue.claim(stored, 4)[0] == []
    assert queue.get(stored, three.id).reason.endswith("needs one of this month's trials, and runner has 0 left")


def test_a_run_without_a_number_of_trials_counts_as_the_number_that_it_ends_with(stored):
    people.change(stored, ADMIN, "runner", max_trials=99)
    run = submit(stored)
    assert queue.claim(stored, 1)[0] == []
    assert queue.get(stored, run.id).reason == "waits: it needs 100 of this month's trials, and runner has 99 left"


def test_a_quota_that_comes_while_a_question_runs_holds_from_then_on(stored):
    run = submit(stored, question="compare")
    assert queue.claim(stored, 1)[0][0]["allowance"] is None
    assert preemption.overdrawn(stored) == []
    people.change(stored, ADMIN, "runner", max_trials=7)
    assert preemption.overdrawn(stored) == [run.id]
    stop(stored, run)
    assert [row["allowance"] for row in queue.claim(stored, 1)[0]] == [7]
    assert preemption.overdrawn(stored) == []


def test_the_people_of_a_group_share_its_slots(stored):
    groups.change(stored, ADMIN, "team", max_slots=2)
    for name in ("runner", "author"):
        people.change(stored, ADMIN, name, group="team")
    mine, other = submit(stored, study="a"), submit(stored, AUTHOR, "b")
    submit(stored, ADMIN, "c", workers=4)
    got = {row["id"]: row["slots"] for row in queue.claim(stored, 6)[0]}
    assert (got[mine.id], got[other.id], sum(got.values())) == (1, 1, 6)
    late = submit(stored, AUTHOR, "d")
    queue.claim(stored, 6)
    assert queue.get(stored, late.id).reason == "waits: @team's quota is 2 slots"
    with pytest.raises(InputError, match="no group 'nobody'"):
        people.change(stored, ADMIN, "runner", group="nobody")


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


def test_a_database_has_one_server_at_a_time_whatever_home_each_has(stored):
    again = store.Database(stored.url)
    with store.served(stored):
        with pytest.raises(InputError, match="another `study serve` serves it"), store.served(again):
            pass
        command = [sys.executable, "-m", "study", "serve", "--home", "other", "--database", stored.url, "--port", "0"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, "another `study serve` serves it" in done.stderr) == (2, True), done.stderr
    with store.served(again):
        pass
    again.close()


@pytest.mark.slow
def test_a_server_whose_session_was_lost_takes_its_lock_again_unless_another_one_has_it(postgres):
    one, two = (store.opened(url) for url in [postgres()] * 2)
    lost = sa.text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = :number")
    with store.served(one):
        with two.engine.begin() as connection:
            connection.execute(lost, {"number": store.SERVES})
        one.serve()
        with pytest.raises(InputError, match="another `study serve` serves it"):
            two.serve()
        with two.engine.begin() as connection:
            connection.execute(lost, {"number": store.SERVES})
        until(lambda: not two.serve())
        with pytest.raises(InputError, match="another `study serve` serves it"):
            one.serve()
    one.close()
    two.close()


def moment(text):
    return datetime.fromisoformat(f"{text}+00:00").timestamp()


def test_each_month_is_charged_for_what_was_used_in_it(stored):
    run = submit(stored, workers=2)
    token = queue.claim(stored, 2)[0][0]["lease_token"]
    queue.note(stored, run.id, token, started=moment("2026-10-30T12:00"), studies='["a"]')
    ended(stored, "a", [0, 1, 2])
    with stored.write() as connection:
        for trial, time_ in enumerate(("2026-10-31T23:00", "2026-11-01T00:00", "2026-11-01T05:00")):
            this = sa.update(tables.events).where(tables.events.c.trial == trial)
            connection.execute(this.values(time=moment(time_)))
    people.change(stored, ADMIN, "runner", max_hours=100)
    with stored.read() as connection:
        running = [dict(row) for row in connection.execute(sa.select(tables.runs)).mappings()]
        assert quotas.read(connection, running, moment("2026-11-01T06:00")).hours == {"runner": 100 - 2 * 6}
        assert quotas.read(connection, running, moment("2026-10-31T12:00")).hours == {"runner": 100 - 2 * 24}
    row = queue.end(stored, run.id, token, {"status": "done"}, until=moment("2026-11-01T06:00"))
    assert row["slot_seconds"] == 2 * 42 * 3600
    with stored.read() as connection:
        used = connection.execute(sa.select(tables.usage).order_by(tables.usage.c.month)).all()
    assert used == [("runner", "2026-10", "cpu", 2 * 36 * 3600.0, 1), ("runner", "2026-11", "cpu", 2 * 6 * 3600.0, 2)]
    later = submit(stored, study="b", workers=1)
    token = queue.claim(stored, 1)[0][0]["lease_token"]
    queue.note(stored, later.id, token, started=moment("2026-12-02T00:00"))  # of a clock that was put back
    assert queue.end(stored, later.id, token, {"status": "done"}, until=moment("2026-12-01T00:00"))["slot_seconds"] == 0


def test_a_read_sees_one_state_of_the_database_whatever_is_written_meanwhile(stored):
    with stored.read() as connection:
        count = sa.select(sa.func.count()).select_from(tables.runs)
        before = connection.execute(count).scalar()
        submit(stored)
        assert connection.execute(count).scalar() == before == 0
    with stored.read() as connection:
        assert connection.execute(count).scalar() == 1
