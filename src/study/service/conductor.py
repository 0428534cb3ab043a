"""Starts the runs of the queue as commands of their own, watches them, and writes how they ended.

Each child leads a process group and outlives a server that is killed: the next one finds it by its machine, number and
start. A run whose end nobody saw is begun again: the command goes on where it was stopped, or says that it is done.
"""

from __future__ import annotations

import json
import logging
import signal
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from study import processes
from study.errors import UNAVAILABLE, AllowanceUsed, StudyError
from study.formatting import plural, without_password
from study.record import family
from study.record.owner import is_dead, is_here, known
from study.service import child as command
from study.service import preemption, queue
from study.service.child import Child
from study.service.following import Follower, last_line, progressed_since

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from study.service.machines import Machines
    from study.service.store import Database
    from study.settings import Settings

TICK = 0.3  # seconds between looks at the queue and the children
OTHERS = 2.0  # seconds between looks at the studies that no child runs
SHARES = 5.0  # seconds between looks at the quotas and the free slots of what runs
LAST_PATIENCE = 60.0  # seconds after a cancel, after which a child is killed
SAVING = 8.0  # seconds for which the children may save their epochs as the server stops
WAIT_FOR_STUDY = 5.0  # seconds until a study that another process runs is tried again
SIGNALLED = {128 + number for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)}
GENTLE = {"stop", "yield"}  # wishes that wait for the epochs under way; a second signal would not
log = logging.getLogger("study.service")


class Conductor:
    """Runs the queue in a thread until it is told to stop.

    Args:
        database: of the service.
        places: where results are; passed to the commands by their environment.
        machines: what trains.
        told: is called after something has changed.

    """

    def __init__(  # noqa: D107 - see the class
        self, database: Database, places: Settings, machines: Machines, told: Callable[[], None] = lambda: None
    ) -> None:
        self.database, self.places, self.machines, self._told = database, places, machines, told
        self.folder = places.home / "service"
        self._home = str(places.home.resolve())
        self.follower = Follower(database, places.home)
        self._children: dict[str, Child] = {}
        self._over = threading.Event()
        self._claimed: list[dict[str, Any]] = []  # rows of runs that are to begin
        self._shared = 0.0  # when quotas and free slots were looked at last
        self._served = time.monotonic()
        self._locks: dict[str, int] = {}  # when the lock of a study was written last, as far as it was looked at
        self._thread = threading.Thread(target=self._loop, name="queue")
        self._others = threading.Thread(target=self._follow_others, name="studies", daemon=True)
        self.heard = time.monotonic()  # of its thread

    def start(self) -> None:
        """Take over what an ended server has left, and begin."""
        for row in queue.left_running(self.database):
            who = json.loads(row["process"]) if row["process"] else {}
            if who.get("home", self._home) != self._home:  # of the home that this one is a copy of
                who = {}
            self._children[row["id"]] = Child(row, who, studies=json.loads(row["studies"]))
        self._note_studies()  # of those, too, that were killed meanwhile: what they trained is theirs
        for child in list(self._children.values()):
            who = child.who
            if who and is_here(who) and not is_dead(who):
                log.info("run %s goes on as process %d", child.row["id"], who["pid"])
            else:
                self._note_answer(child)
                self._follow(child)
                child.over = self._last_sign(child)
                self._end(child, {"status": "queued", "reason": "begins again: its server had ended"})
        self._thread.start()
        self._others.start()

    def stop(self) -> None:
        """Let the children save their epochs and end; their runs wait for the next server."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        for child in list(self._children.values()):
            child.signal(signal.SIGTERM)
        until = time.monotonic() + SAVING
        while self._children and time.monotonic() < until:
            for child in list(self._children.values()):
                over, code = child.ended()
                if over:
                    with suppress(SQLAlchemyError):  # away: the next server begins it again, and it is done at once
                        self._finish(child, code)
            time.sleep(0.05)
        for child in list(self._children.values()):
            child.signal(signal.SIGKILL)
            with suppress(SQLAlchemyError):
                self._end(child, {"status": "queued", "reason": "its server was stopped"})

    def _loop(self) -> None:
        while not self._over.is_set():
            try:
                self.step()
            except Exception as error:  # the queue outlives a database that is away
                log.warning("queue: %s", without_password(f"{type(error).__name__}: {error}".split("\n")[0]))
                self._over.wait(2)
            self.heard = time.monotonic()
            self._over.wait(TICK)

    def step(self) -> None:
        """Look once at children, wishes and the queue."""
        if time.monotonic() - self._served > SHARES:
            self.database.serve()
            self._served = time.monotonic()
        self._look()
        tokens = {child.row["id"]: child.row["lease_token"] for child in self._children.values()}
        if tokens and time.monotonic() - self._shared > SHARES:
            self._shared = time.monotonic()
            preemption.overdrawn(self.database)
            preemption.widen(self.database, self.machines.slots)
        for identity, wish in queue.wishes(self.database, tokens).items() if tokens else ():
            self._heed(self._children[identity], wish)
        claimed, late = queue.claim(self.database, self.machines.slots)
        self._claimed += claimed
        while self._claimed:  # one that the database, away again, has kept from beginning begins at the next look
            self._begin(self._claimed[0])
        if claimed or late:
            self._told()

    def _look(self) -> None:
        for child in self._children.values():
            child.ended()  # notes when, also while the database is away
        if self._children:
            self._note_studies()
        for child in list(self._children.values()):
            over, code = child.ended()
            if child.row["process"] is None and child.who:
                self._note_process(child)
            if self._follow(child):
                self._told()
            if over:
                self._finish(child, code)
                self._told()

    def _heed(self, child: Child, wish: str) -> None:
        """Send a wish to a child once: SIGINT waits for the epochs, SIGTERM ends within seconds."""
        sent, since = child.sent
        if wish and wish != sent:
            child.sent = (wish, time.monotonic())
            if not {wish, sent} <= GENTLE:
                child.signal(signal.SIGTERM if wish == "cancel" else signal.SIGINT)
        elif sent == "cancel" and time.monotonic() - since > LAST_PATIENCE:
            child.signal(signal.SIGKILL)

    def _note_studies(self) -> None:
        """Note which studies the children run: a study's lock is read where it was written since the last look."""
        by_process = {_process(child.who): child for child in self._children.values() if child.who}
        for name, written in family.locks(self.places.home).items():
            if self._locks.get(name) == written:
                continue
            settled = time.time() - written / 1e9 > 1  # else it may be written again at once
            held = family.last_held_by(family.journal(name, self.places.home))
            child = by_process.get(_process(held)) if held is not None else None
            if child is not None and name not in child.studies:
                self._add_studies(child, [name])
            self._locks[name] = written if settled else -1

    def _add_studies(self, child: Child, names: list[str]) -> None:
        """Note studies of a child in the database, and only then here: a database that is away is told again."""
        studies = [*child.studies, *names]
        queue.note(self.database, child.row["id"], child.row["lease_token"], studies=json.dumps(studies))
        child.studies = studies

    def _note_process(self, child: Child) -> None:
        """Note which process a child is, by which the next server finds it."""
        said = json.dumps(child.who)
        queue.note(self.database, child.row["id"], child.row["lease_token"], process=said)
        child.row["process"] = said

    def _follow(self, child: Child, *, whole: bool = False) -> int:
        """Make events of the folders of the studies that a child runs."""
        return sum(self.follower.follow(name, whole=whole) for name in child.studies)

    def _follow_others(self) -> None:
        """Follow, in a thread of its own, the studies that no child runs: those of commands beside the server."""
        whole = True  # once, for what happened while no server ran
        while not self._over.is_set():
            try:
                for name in self.follower.studies(whole=whole):
                    if self._over.is_set():
                        return
                    self.follower.follow(name, whole=whole, mine=lambda name=name: not self._is_childs(name))
                whole = False
            except (OSError, StudyError, SQLAlchemyError) as error:
                log.warning("studies: %s", without_password(f"{type(error).__name__}: {error}".split("\n")[0]))
            self._over.wait(OTHERS)

    def _is_childs(self, study: str) -> bool:
        """Tell whether a child runs a study; it must have been noted before its trials become events."""
        held = family.last_held_by(family.journal(study, self.places.home))
        children = list(self._children.values())
        return any(study in each.studies for each in children) or (
            held is not None and _process(held) in {_process(each.who) for each in children}
        )

    def _begin(self, row: dict[str, Any]) -> None:
        """Begin a claimed run; one that cannot begin is tried again, as one that has failed."""
        child = Child(row, {})
        try:
            child.process, said = command.begin(row, self.run_folder(row["id"]), self.places, self.machines)
        except OSError as error:
            self._fail(child, f"cannot begin: {error.strerror or error}: {error.filename or row['study']}")
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(each) for each in first["loc"])
            what = f"this version cannot do what was asked: {where}: {first['msg']}"
            self._end(child, {"status": "failed", "reason": what})
        else:
            child.who = {**known(child.process.pid), "home": self._home, "said": said}
            self._children[row["id"]] = child
        self._claimed.remove(row)
        if child.process is None:
            return
        self._note_process(child)
        what, slots = f"study {row['question']} {row['study']}", plural(row["slots"], "slot")
        log.info("run %s of %s: %s, %s", row["id"], row["person"], what, slots)

    def run_folder(self, identity: str) -> Path:
        """Folder of what a run has printed."""
        return self.folder / "runs" / identity

    def _finish(self, child: Child, code: int | None) -> None:
        """Decide what becomes of a run whose child has ended."""
        row, answer = child.row, self._note_answer(child)
        self._follow(child, whole=True)
        if code == 0:
            stopped = (answer or {}).get("status") == "stopped"
            why = "its time limit was reached" if stopped else ""
            self._end(child, {"status": "done", "reason": why, "answer": json.dumps(answer), "failures": 0})
            return
        wish = queue.wishes(self.database, {row["id"]: row["lease_token"]}).get(row["id"], "")
        if wish == "cancel":
            self._end(child, {"status": "cancelled"})
        elif wish == "stop":
            self._end(child, {"status": "paused", "reason": "stopped, everything saved"})
        elif wish == "yield" or code is None or code in SIGNALLED:
            self._end(child, {"status": "queued", "reason": "gave its slots up" if wish else "begins again"})
        elif code == AllowanceUsed.exit_code:
            self._end(child, {"status": "queued", "reason": "goes on within the quota of trials", "failures": 0})
        elif code == 2 and self._is_taken(child):
            later = {"reason": "waits: another process runs the study", "not_before": time.time() + WAIT_FOR_STUDY}
            self._end(child, {"status": "queued", **later})
        elif code == 2:
            self._end(child, {"status": "failed", "reason": self._said(child)})
        elif code == UNAVAILABLE:
            self._fail(child, self._said(child))
        else:
            how = f"exit code {code}" if code > 0 else f"killed by signal {-code}"
            self._fail(child, f"{how}: {self._said(child)}")

    def _note_answer(self, child: Child) -> dict[str, Any] | None:
        """Give a command's answer, and note the studies that it names: the command may have let go of a lock unseen."""
        row, answer = child.row, command.answer(self.run_folder(child.row["id"]))
        named = [each.get("study") for each in (answer or {}).get("comparisons", [answer or {}])]
        if row["question"] != "run":  # which wrote the study that is made of the one it names
            named = [name and family.name_of(name, row["question"]) for name in named]
        if new := [name for name in named if name not in {None, *child.studies}]:
            self._add_studies(child, new)
        return answer

    def _last_sign(self, child: Child) -> float:
        """Tell when a child has ended that nobody watched: the time of its last line or message, or of its start."""
        messages = self.run_folder(child.row["id"]) / "messages.log"
        said = messages.stat().st_mtime if messages.exists() else 0.0
        signs = (child.row["started"] or 0.0, said, last_line(self.database, child.studies))
        return min(max(signs), time.time())

    def _fail(self, child: Child, said: str) -> None:
        """Put a run back into the queue for later; after failures in a row it is paused."""
        row = child.row
        goes_on = child.studies and progressed_since(self.database, child.studies, row["started"] or 0.0)
        failures = 1 if goes_on else row["failures"] + 1
        if failures >= queue.FAILURES:
            said = f"{failures} failures in a row, the last with {said}"
            self._end(child, {"status": "paused", "failures": failures, "reason": said})
            return
        later = time.time() + queue.BACKOFF * 2 ** (failures - 1)
        self._end(
            child, {"status": "queued", "failures": failures, "not_before": later, "reason": f"tries again; {said}"}
        )

    def _end(self, child: Child, to: dict[str, Any]) -> None:
        if child.process is None and child.who and is_here(child.who) and not is_dead(child.who):
            processes.end(child.who["pid"])
        reason = without_password(to.get("reason", "")).replace("\0", "")[:2000]  # PostgreSQL stores no NUL
        to = {"answer": None, **to, "reason": reason}
        device = self.machines.named(json.loads(child.row["asked"]).get("device") or "auto")
        if queue.end(self.database, child.row["id"], child.row["lease_token"], to, device, child.over):
            log.info("run %s: %s%s", child.row["id"], to["status"], f", {reason}" if reason else "")
        self._children.pop(child.row["id"], None)  # only now: what a database that is away did not take is tried again

    def _is_taken(self, child: Child) -> bool:
        """Tell whether another process of this machine runs the study, or did so a moment ago."""
        said = self._said(child)
        return " runs it since " in said or "another process runs it" in said

    def _said(self, child: Child) -> str:
        return command.said(self.run_folder(child.row["id"]), child.who.get("said", 0))


def _process(who: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """Identify a process: its number may be that of another one later."""
    return who.get("machine"), who.get("pid"), who.get("started")
