"""People: invitations, passwords, tokens, roles; an audit log that nobody edits."""

from __future__ import annotations

import time

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError

from study.errors import InputError
from study.service import people, server, store, tables
from tests.service.conftest import ADMIN, PASSWORD, SERVER, bearer


def test_an_invitation_works_once_and_the_first_admins_only_while_there_is_nobody(stored):
    secret = people.invite(stored, "admin", "eve", "runner")
    assert people.accept(stored, secret, "ignored", PASSWORD).name == "eve"
    with pytest.raises(InputError, match="used already"):
        people.accept(stored, secret, "eve", PASSWORD)
    with pytest.raises(InputError, match="used already"):
        people.accept(stored, people.invite(stored, "serve"), "second", PASSWORD)
    assert people.log_in(stored, "second", PASSWORD) is None


def test_somebody_who_is_refused_comes_back_by_a_new_invitation_alone(stored):
    _, token = people.make_token(stored, "runner", "of before")
    before = [people.invite(stored, "admin", "runner") for _ in range(3)]
    people.accept(stored, before.pop(), "runner", PASSWORD)
    with pytest.raises(InputError, match="used already"):
        people.accept(stored, before.pop(), "runner", "another good password")
    before.append(people.invite(stored, "admin", "runner"))
    people.change(stored, ADMIN, "runner", disabled=True)
    for secret in before:
        assert people.invited(stored, secret) is None
        with pytest.raises(InputError, match="used already"):
            people.accept(stored, secret, "runner", PASSWORD)
    assert people.log_in(stored, "runner", PASSWORD) is None
    with stored.write() as connection:  # as an earlier version has left it
        connection.execute(sa.update(tables.tokens).values(revoked=None))
    people.accept(stored, people.invite(stored, "admin", "runner"), "runner", PASSWORD)
    assert people.log_in(stored, "runner", PASSWORD).role == "runner"
    assert people.by_token(stored, token) is None


def test_a_new_password_ends_all_sessions(stored):
    who = people.log_in(stored, "viewer", PASSWORD)
    cookie = people.begin_session(stored, who)
    assert people.by_session(stored, cookie).name == "viewer"
    people.change_password(stored, "viewer", PASSWORD, "another good password")
    assert people.by_session(stored, cookie) is None
    assert people.log_in(stored, "viewer", PASSWORD) is None


@pytest.mark.parametrize(
    ("password", "why"), [("short", "needs 12"), ("x" * 1001, "at most 1000"), ("AnnAnnAnnAnn1", "besides")]
)
def test_a_password_that_is_too_easy_is_refused_whoever_sets_it(stored, password, why):
    secret = people.invite(stored, "admin", "ann")
    with pytest.raises(InputError, match=why):
        people.accept(stored, secret, "", password)
    people.accept(stored, secret, "", "correct-annex")  # which the name is a part of
    with pytest.raises(InputError, match=why):
        people.change_password(stored, "ann", "correct-annex", password)


def test_a_token_ends_when_it_expires_is_revoked_or_its_person_is_refused(stored, monkeypatch):
    _, first = people.make_token(stored, "runner", "a", days=1)
    identity, second = people.make_token(stored, "runner", "b")
    assert people.by_token(stored, first).role == "runner"
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2 * people.DAY)
    assert people.by_token(stored, first) is None
    assert people.by_token(stored, second) is not None
    monkeypatch.setattr(time, "time", lambda: now + 31 * people.DAY)
    assert people.by_token(stored, second) is None
    monkeypatch.setattr(time, "time", lambda: now)
    assert people.change(stored, ADMIN, "runner", disabled=True)
    assert people.by_token(stored, second) is None
    assert people.change(stored, ADMIN, "runner", disabled=False)
    assert people.by_token(stored, second) is None
    assert not people.revoke(stored, ADMIN, identity)  # it is revoked
    identity, third = people.make_token(stored, "runner", "c")
    assert people.by_token(stored, third).role == "runner"
    assert people.revoke(stored, ADMIN, identity)
    assert people.by_token(stored, third) is None


def test_the_last_admin_stays_one(stored):
    for change in ({"role": "viewer"}, {"disabled": True}):
        with pytest.raises(InputError, match="last admin"):
            people.change(stored, ADMIN, "admin", **change)


@pytest.mark.parametrize("change", [sa.update(tables.audit).values(person="x"), sa.delete(tables.audit)])
def test_the_audit_log_is_append_only_in_the_database_itself(stored, change):
    with pytest.raises(DatabaseError, match="append-only"), stored.write() as connection:
        connection.execute(change)


def test_tables_of_another_version_are_refused_and_brought_up_by_a_command_after_a_copy(study, tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"
    made = store.opened(url)
    with made.write() as connection:
        connection.execute(sa.text("UPDATE service_version SET version_num='9999'"))
    made.close()
    answer = study("serve", "--database", url, "--port", "0")
    assert (answer.code, "study upgrade" in answer.err) == (2, True)
    with store.Database(url).write() as connection:
        for each in reversed(tables.metadata.sorted_tables):
            connection.execute(sa.text(f"DROP TABLE {each.name}"))
        connection.execute(sa.text("DELETE FROM service_version"))
    assert study("upgrade", "--database", url).out == f"version {store.newest_version()}, before none\n"
    assert study("upgrade", "--database", url).out == f"version {store.newest_version()}\n"


def test_the_api_tells_a_person_only_their_own_use_and_tokens(here):
    identity, _ = people.make_token(here.database, "author", "of another")
    assert here.client.delete(f"/api/v1/tokens/{identity}", headers=bearer(here.tokens["runner"])).status_code == 404
    listed = here.client.get("/api/v1/tokens", headers=bearer(here.tokens["runner"])).json()["items"]
    assert {each["person"] for each in listed} == {"runner"}


def test_whoever_starts_the_server_can_replace_a_lost_password(stored):
    said = []
    server._invite(stored, "https://study", "", said.append)
    assert said == []  # there is an admin
    server._invite(stored, "https://study", "admin", said.append)
    assert said[0].startswith("admin sets a new password, once, within three days: https://study/invitation/")
    people.accept(stored, said[0].rpartition("/")[2], "admin", "entirely another password")
    assert people.log_in(stored, "admin", PASSWORD) is None
    assert people.log_in(stored, "admin", "entirely another password").role == "admin"


@pytest.mark.parametrize("by", ["token", "session"])
def test_a_token_makes_none_that_outlives_it(here, by):
    _, secret = people.make_token(here.database, "viewer", "short", days=1)
    if by == "token":
        headers = bearer(secret)
        assert here.client.post("/me/tokens", data={"label": "page"}, headers=headers).status_code == 200
    else:
        cookie = people.begin_session(here.database, people.log_in(here.database, "viewer", PASSWORD))
        headers = {"Cookie": f"study_session={cookie}", "Origin": SERVER}
    assert here.client.post("/api/v1/tokens", json={"days": 366}, headers=headers).status_code == 201
    made = [row for row in people.list_tokens(here.database, "viewer") if row["label"] in {"token", "page"}]
    assert [round((row["expires"] - time.time()) / people.DAY) for row in made] == ([1, 1] if by == "token" else [366])


def test_a_link_for_somebody_who_is_here_says_that_it_sets_another_password(here):
    admin = bearer(here.tokens["admin"])
    said = "runner has an account already, whose role stays as it is: the link sets another password."
    page = here.client.post("/people", data={"name": "runner", "role": "admin"}, headers=admin).text
    assert said in page
    assert (
        "has an account already"
        not in here.client.post("/people", data={"name": "eve", "role": "runner"}, headers=admin).text
    )
    lines = here.client.get("/api/v1/audit", headers=admin).json()["items"][:2]
    told = [(line["action"], line["subject"], line["detail"]) for line in lines]
    assert told == [("invite", "eve", "runner"), ("invite", "runner", "to another password")]
    assert people.log_in(here.database, "runner", PASSWORD).role == "runner"


@pytest.mark.parametrize("none", ["", " ", None])
def test_many_may_have_no_identity(here, none):
    admin = bearer(here.tokens["admin"])
    for name in ("runner", "author"):
        people.change(here.database, ADMIN, name, identity=f"{name}@example.org")
        answer = here.client.patch(f"/api/v1/people/{name}", json={"identity": none}, headers=admin)
        assert (answer.status_code, answer.json()["identity"]) == (200, None)
