"""What the service's API takes and gives: runs of its queue, people, tokens, events, pages of a list."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from study.schemas import Record

Question = Literal["run", "compare", "confirm", "ablate"]
RunStatus = Literal["queued", "running", "paused", "done", "failed", "cancelled"]
Role = Literal["viewer", "runner", "author", "admin"]
LIVE: tuple[RunStatus, ...] = ("queued", "running", "paused")  # not ended
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][\w.@+-]*$", max_length=200)]
Given = TypeVar("Given")


class StudyFile(Record):
    """A study's file that an author submits with a run."""

    name: str = Field(pattern=r"^[A-Za-z_]\w*$", max_length=100, description="name of the file, without .py")
    content: str = Field(max_length=200_000, description="its text")


class Asked(Record):
    """What a run is asked for: options of `study run`, `compare`, `confirm` and `ablate`; those unset are theirs."""

    question: Question = Field(default="run", description="the command")
    study: Name = Field(description="name of an installed study or of results, `@dataset` included")
    file: StudyFile | None = Field(default=None, description="the study's file instead of an installed one; of authors")
    trials: int | None = Field(default=None, ge=1, le=1_000_000, description="of `run`: finished trials in the end")
    workers: int | None = Field(default=None, ge=1, le=4096, description="trials at a time; all free slots if unset")
    timeout: float | None = Field(default=None, gt=0, description="seconds after which the run stops")
    device: str | None = Field(default=None, pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="as `--device`")
    hang: float | None = Field(default=None, ge=0, description="as `--hang`")
    sampler: Name | None = Field(default=None, description="of `run`: Optuna's sampler")
    pruner: Name | None = Field(default=None, description="of `run`: Optuna's pruner")
    seed: int | None = Field(default=None, ge=0, description="of `run`: seeds the sampler and the trainings")
    fixed: dict[str, Any] = Field(
        default_factory=dict[str, Any], description="of `run` and `compare`: knobs held fixed"
    )
    data: Name | None = Field(default=None, description="another data set")
    name: Name | None = Field(default=None, description="of all but `compare`: the study's new name")
    fallback: bool = Field(default=True, description="whether the study's fallback data may be taken")
    accept: bool = Field(default=False, description="continue although the study's definition has changed")
    variants: list[Name] | None = Field(default=None, description="of `compare`: these alone")
    against: Name | None = Field(default=None, description="of `compare`: the baseline")
    until_sure: bool = Field(default=False, description="of `compare`: add seeds until each verdict is settled")
    as_published: bool = Field(default=False, description="of `compare`: published protocols to the letter, too")
    smallest: float | None = Field(default=None, ge=0, description="of `compare` and `ablate`: as `--smallest`")
    seeds: int | None = Field(default=None, ge=2, le=10_000, description="of all but `run`: how many")
    resplit: bool | None = Field(default=None, description="of `compare` and `confirm`: a new split for each seed")
    top: int | None = Field(default=None, ge=1, le=10_000, description="of `confirm`: how many of the best trials")


class Submitted(Asked):
    """A run to be queued."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"study": "mnist_cnn", "trials": 20, "fixed": {"epochs": 3}, "key": "monday-1"}]
        }
    )

    key: str | None = Field(
        default=None, min_length=1, max_length=100,
        description="idempotency key of the submitter: the same key is the same run, however often it is sent",
    )  # fmt: skip
    priority: int = Field(default=0, ge=-100, le=100, description="higher ones first; above 0 for admins alone")


class Run(Record):
    """A run of the queue."""

    id: str = Field(description="its name in the queue")
    person: str = Field(description="who asked")
    question: Question = Field(description="the command")
    study: str = Field(description="the study that was asked for")
    studies: list[str] = Field(description="the studies that it writes, as far as they have begun")
    asked: dict[str, Any] = Field(description="what was asked, without a study's file")
    status: RunStatus = Field(description="queued, running, paused, done, failed or cancelled")
    reason: str = Field(description="why it waits, is paused or failed; else empty")
    priority: int = Field(description="higher ones first")
    slots: int = Field(description="trials at a time while it runs")
    attempt: int = Field(description="how often it was started")
    failures: int = Field(description="failures in a row")
    submitted: str | None = Field(description="when it was asked")
    started: str | None = Field(description="when it was last started")
    ended: str | None = Field(description="when it ended")
    slot_hours: float = Field(description="hours times slots, of all its attempts that have ended")
    answer: dict[str, Any] | None = Field(
        default=None, description="what the command printed with `--json`, at its end"
    )


class Event(Record):
    """Something that happened: of a run, or a line of a trial's log."""

    id: int = Field(description="grows; `Last-Event-ID` continues after it")
    time: float = Field(description="seconds since 1970")
    kind: str = Field(
        description="`run`, or the kind of the line: created, started, epoch, ended, died, restarted, ..."
    )
    run: str | None = Field(description="of a run's event")
    study: str | None = Field(description="of a trial's event")
    trial: int | None = Field(description="its number")
    data: dict[str, Any] = Field(description="the run's status and reason, or the line of the log")


class Person(Record):
    """Somebody who may log in."""

    name: str = Field(description="unique")
    role: Role = Field(description="viewer, runner, author or admin; each may do what those before may")
    created: str | None = Field(description="since when")
    disabled: bool = Field(description="whether logging in is refused")
    invited: bool = Field(description="whether no password was set yet")
    max_slots: int | None = Field(description="trials at a time, at most; null is no limit")
    max_hours: float | None = Field(description="slot-hours of a calendar month, at most; null is no limit")


class NewPerson(Record):
    """Somebody to invite."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", description="unique")
    role: Role = Field(default="viewer", description="the least by default")


class ChangedPerson(BaseModel):
    """What is to change of a person; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    role: Role = Field(default="viewer", description="the new role")
    disabled: bool = Field(default=False, description="whether logging in is refused from now on")
    max_slots: int | None = Field(default=None, ge=0, description="quota of slots; null is none")
    max_hours: float | None = Field(default=None, ge=0, description="quota of slot-hours a month; null is none")


class Invitation(Record):
    """A link that lets somebody set a password."""

    name: str = Field(description="of the person")
    link: str = Field(description="shown once; holds for three days")


class Token(Record):
    """A program's key, without what is secret."""

    id: str = Field(description="its name, to revoke it")
    person: str = Field(description="for whom it acts")
    label: str = Field(description="what it is for")
    created: str | None = Field(description="when it was made")
    expires: str | None = Field(description="until when it holds")
    revoked: str | None = Field(description="when it was revoked; null if it was not")
    used: str | None = Field(description="when it was last used, to the hour")


class NewToken(Record):
    """A token to be made."""

    label: str = Field(default="token", max_length=100, description="what it is for")
    days: float = Field(default=30, gt=0, le=366, description="how long it holds")


class MadeToken(Token):
    """A token, shown once."""

    token: str = Field(description="the secret: `Authorization: Bearer TOKEN`")


class Login(Record):
    """A name and a password, for which a program gets a token."""

    name: str = Field(max_length=64, description="of the person")
    password: str = Field(max_length=1000, description="of the person")
    label: str = Field(default="study login", max_length=100, description="what the token is for")


class Wish(Record):
    """A run's new place in the queue."""

    priority: int = Field(ge=-100, le=100, description="higher ones first; above 0 for admins alone")


class Usage(Record):
    """What somebody used in a month."""

    person: str = Field(description="who")
    month: str = Field(description="such as 2026-11")
    slot_hours: float = Field(description="hours times slots")


class AuditLine(Record):
    """A line of the audit log."""

    id: int = Field(description="grows")
    time: str | None = Field(description="when")
    person: str = Field(description="who")
    action: str = Field(description="what")
    subject: str = Field(description="to whom or what")
    detail: str = Field(description="how")


class Page(Record, Generic[Given]):
    """A part of a list."""

    items: list[Given] = Field(description="the entries")
    next: str | None = Field(description="`cursor` of the next part; null at the end")


class Trouble(Record):
    """Why a request was refused."""

    what: str = Field(description="what is wrong")
    fix: str = Field(default="", description="what to do")
