"""The service's tables: people, tokens, sessions, runs, events, cursors of the events, the audit log, messages.

Every name begins with `service_`, so that Optuna, MLflow and the service can share one PostgreSQL database. Times are
seconds since 1970. No secret is in them: passwords are argon2 hashes, tokens and sessions SHA-256.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

people = sa.Table(
    "service_people",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("password", sa.String(255)),  # argon2; null until it is set by an invitation
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("disabled", sa.Float),  # since when; null if the person may log in
    sa.Column("max_slots", sa.Integer),  # quotas; null is none
    sa.Column("max_hours", sa.Float),  # slot-hours of a calendar month
    sa.Column("max_trials", sa.Integer),  # trials of a calendar month
    sa.Column("team", sa.String(64)),  # the group that the person is in, if any
    sa.Column("identity", sa.String(255)),  # by which single sign-on knows the person, such as an e-mail address
    sa.Column("email", sa.String(255)),  # that is told of the person's runs
)
sa.Index("service_people_by_identity", people.c.identity, unique=True)

groups = sa.Table(
    "service_groups",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("max_slots", sa.Integer),  # quotas of all its people together; null is none
    sa.Column("max_hours", sa.Float),
    sa.Column("max_trials", sa.Integer),
)

invitations = sa.Table(
    "service_invitations",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),  # SHA-256 of the link's secret
    sa.Column("person", sa.String(64)),  # null: the first admin chooses a name
    sa.Column("expires", sa.Float, nullable=False),
)

tokens = sa.Table(
    "service_tokens",
    metadata,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),  # SHA-256
    sa.Column("person", sa.String(64), sa.ForeignKey("service_people.name"), nullable=False),
    sa.Column("label", sa.String(100), nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("expires", sa.Float, nullable=False),
    sa.Column("revoked", sa.Float),
    sa.Column("used", sa.Float),
)

sessions = sa.Table(
    "service_sessions",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),  # SHA-256 of the cookie's value
    sa.Column("person", sa.String(64), sa.ForeignKey("service_people.name"), nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("expires", sa.Float, nullable=False),
)

runs = sa.Table(
    "service_runs",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(16), nullable=False, unique=True),
    sa.Column("key", sa.String(100), nullable=False),  # the submitter's own; a repeated submit is the same run
    sa.Column("person", sa.String(64), sa.ForeignKey("service_people.name"), nullable=False),
    sa.Column("question", sa.String(16), nullable=False),  # run, compare, confirm or ablate
    sa.Column("study", sa.String(255), nullable=False),  # as it was asked for
    sa.Column("asked", sa.Text, nullable=False),  # all that was asked, as JSON
    sa.Column("wanted_slots", sa.Integer),  # null: as many as are free
    sa.Column("slots", sa.Integer, nullable=False, server_default="0"),  # trials at a time while it runs
    sa.Column("priority", sa.Integer, nullable=False, server_default="0"),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("wish", sa.String(16), nullable=False, server_default=""),  # of a running one: stop, cancel, yield
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),  # in a row
    sa.Column("not_before", sa.Float, nullable=False, server_default="0"),  # of the next attempt
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    sa.Column("lease_token", sa.String(32)),  # of the current claim
    sa.Column("lease_until", sa.Float),  # not used: earlier versions wrote it, none has read it
    sa.Column("process", sa.Text),  # of the child, as JSON: machine, pid, start, home, and where its messages begin
    sa.Column("studies", sa.Text, nullable=False, server_default="[]"),  # that it writes, as JSON
    sa.Column("answer", sa.Text),  # its last line of JSON
    sa.Column("submitted", sa.Float, nullable=False),
    sa.Column("started", sa.Float),  # of the current attempt
    sa.Column("ended", sa.Float),
    sa.Column("slot_seconds", sa.Float, nullable=False, server_default="0"),  # of all attempts
    sa.Column("reserved", sa.Integer),  # trials that a running one may still finish, for quotas
    sa.UniqueConstraint("person", "key"),
)
sa.Index("service_runs_by_status", runs.c.status, runs.c.priority)
sa.Index("service_runs_by_person", runs.c.person, runs.c.number)

events = sa.Table(
    "service_events",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("run", sa.String(16)),  # of an event of the queue
    sa.Column("study", sa.String(255)),  # of an event of a trial
    sa.Column("trial", sa.Integer),
    sa.Column("data", sa.Text, nullable=False),
    sqlite_autoincrement=True,  # an id is never given again
)
sa.Index("service_events_by_study", events.c.study, events.c.id)
sa.Index("service_events_by_run", events.c.run, events.c.id)

cursors = sa.Table(
    "service_cursors",
    metadata,
    sa.Column("study", sa.String(255), primary_key=True),
    sa.Column("trial", sa.Integer, primary_key=True),
    sa.Column("bytes", sa.BigInteger, nullable=False),  # of the trial's log that are events already
    # What these bytes tell; null where the trial is damaged, or was read by an older version.
    sa.Column("state", sa.String(16)),  # complete, pruned, failed or running
    sa.Column("value", sa.Float),
    sa.Column("seconds", sa.Float),
    sa.Column("row", sa.Text),  # the trial in short, as JSON: a `schemas.trial.Trial`
    sa.Column("curve", sa.Text),  # the followed metric of each epoch, as JSON
)
sa.Index("service_cursors_shown", cursors.c.study, cursors.c.state, cursors.c.value, cursors.c.seconds)  # for counts

notes = sa.Table(
    "service_notes",
    metadata,
    sa.Column("study", sa.String(255), primary_key=True),
    sa.Column("trial", sa.Integer, primary_key=True),  # -1 is the study itself
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("person", sa.String(64), nullable=False),  # who wrote it last
    sa.Column("time", sa.Float, nullable=False),
)

usage = sa.Table(
    "service_use",
    metadata,
    sa.Column("person", sa.String(64), primary_key=True),
    sa.Column("month", sa.String(7), primary_key=True),  # such as 2026-11
    sa.Column("device", sa.String(64), primary_key=True),  # cpu, mps or a GPU's model; cuda or empty in older versions
    sa.Column("slot_seconds", sa.Float, nullable=False),
    sa.Column("trials", sa.Integer, nullable=False),  # that ended
)

audit = sa.Table(
    "service_audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("person", sa.String(64), nullable=False),
    sa.Column("action", sa.String(32), nullable=False),
    sa.Column("subject", sa.String(255), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)

deliveries = sa.Table(
    "service_deliveries",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("made", sa.Float, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("not_before", sa.Float, nullable=False),
    sa.Column("delivered", sa.Float),  # or left, after days
    sa.Column("way", sa.String(16), server_default="webhook"),  # or mail
    sa.Column("address", sa.String(255)),  # of mail
    sqlite_autoincrement=True,
)
sa.Index("service_deliveries_due", deliveries.c.delivered, deliveries.c.not_before)

# The audit log is append-only in the database itself, whoever connects to it.
APPEND_ONLY = {
    "sqlite": [
        f"CREATE TRIGGER service_audit_{verb} BEFORE {verb.upper()} ON service_audit "
        "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
        for verb in ("update", "delete")
    ],
    "postgresql": [
        (
            "CREATE OR REPLACE FUNCTION service_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$"
        ),
        (
            "CREATE TRIGGER service_audit_kept BEFORE UPDATE OR DELETE ON service_audit "
            "FOR EACH ROW EXECUTE FUNCTION service_audit_refuse()"
        ),
        (
            "CREATE TRIGGER service_audit_whole BEFORE TRUNCATE ON service_audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION service_audit_refuse()"
        ),
    ],
}
