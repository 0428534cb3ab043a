"""Records of the server's API: runs in the queue, people, tokens, events, pages of a list."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import ConfigDict, Field

from study.schemas import Body, Record

Question = Literal["run", "compare", "confirm", "ablate"]
RunStatus = Literal["queued", "running", "paused", "done", "failed", "cancelled"]
Role = Literal["viewer", "runner", "author", "admin"]
LIVE: tuple[RunStatus, ...] = ("queued", "running", "paused")  # not ended
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][\w.@+-]*$", max_length=200)]
Email = Annotated[str, Field(pattern=r"^[^@\s<>,;:\"]+@[^@\s<>,;:\"]+$", max_length=255)]
Names = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][\w.@+-]*(,[A-Za-z0-9_][\w.@+-]*)*$", max_length=1000)]
Given = TypeVar("Given")


class StudyFile(Body):
    """A study file that an author submits with a run."""

    name: str = Field(pattern=r"^[A-Za-z_]\w*$", max_length=100, description="name of the file, without .py")
    content: str = Field(max_length=200_000, description="content of the file")


class Asked(Body):
    """The options of a run: those of `study run`, `compare`, `confirm` and `ablate`, with their defaults."""

    question: Question = Field(default="run", description="the command")
    study: Name = Field(description="name of an installed study or of results, including `@dataset`")
    file: StudyFile | None = Field(
        default=None, description="study file to use instead of an installed study; authors only"
    )
    trials: int | None = Field(
        default=None, ge=1, le=1_000_000, description="`run` only: number of finished trials at the end"
    )
    workers: int | None = Field(
        default=None, ge=1, le=4096, description="number of trials at a time; all free slots if unset"
    )
    timeout: float | None = Field(default=None, gt=0, description="seconds after which the run stops")
    device: str | None = Field(default=None, pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="see `--device`")
    hang: float | None = Field(default=None, ge=0, description="see `--hang`")
    sampler: Name | None = Field(default=None, description="`run` only: Optuna sampler")
    pruner: Name | None = Field(default=None, description="`run` only: Optuna pruner")
    seed: int | None = Field(default=None, ge=0, description="`run` only: seed of the sampler and the trainings")
    fixed: dict[str, Any] = Field(default_factory=dict[str, Any], description="`run` and `compare`: knobs held fixed")
    data: Names | None = Field(
        default=None, description="data set to use instead of the study's own; for `compare` also several: `A,B`"
    )
    name: Name | None = Field(default=None, description="all but `compare`: new name of the study")
    fallback: bool = Field(default=True, description="whether the study's fallback data may be used")
    accept: bool = Field(default=False, description="whether to continue although the study's definition has changed")
    variants: list[Name] | None = Field(default=None, description="`compare` only: variants to compare; all if unset")
    against: Name | None = Field(default=None, description="`compare` only: the baseline")
    until_sure: bool = Field(
        default=False, description="`compare` only: whether to add seeds until each verdict is settled"
    )
    as_published: bool = Field(
        default=False, description="`compare` only: whether to also run published protocols exactly as published"
    )
    smallest: float | None = Field(default=None, ge=0, description="`compare` and `ablate`: see `--smallest`")
    seeds: int | None = Field(default=None, ge=2, le=10_000, description="all but `run`: number of seeds")
    resplit: bool | None = Field(default=None, description="`compare` and `confirm`: a new split for each seed")
    target: float | None = Field(default=None, description="`compare` only: value of the metric, see `--target`")
    top: int | None = Field(default=None, ge=1, le=10_000, description="`confirm` only: number of best trials")


class Submitted(Asked):
    """A run to queue."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"study": "mnist_cnn", "trials": 20, "fixed": {"epochs": 3}, "key": "monday-1"}]
        }
    )

    key: str | None = Field(
        default=None, min_length=1, max_length=100,
        description="idempotency key: a repeated key returns the run that was first submitted with it",
    )  # fmt: skip
    priority: int = Field(default=0, ge=-100, le=100, description="higher runs first; only admins may set it above 0")


class Run(Record):
    """A run in the queue."""

    id: str = Field(description="identifier of the run")
    person: str = Field(description="who submitted the run")
    question: Question = Field(description="the command")
    study: str = Field(description="name of the requested study")
    studies: list[str] = Field(description="names of the studies that the run has begun to write")
    asked: dict[str, Any] = Field(description="requested options, without the study file")
    status: RunStatus = Field(description="queued, running, paused, done, failed or cancelled")
    reason: str = Field(description="why the run waits, is paused or failed; empty otherwise")
    priority: int = Field(description="higher runs first")
    slots: int = Field(description="number of trials at a time while the run is running")
    attempt: int = Field(description="number of starts")
    failures: int = Field(description="number of consecutive failures")
    submitted: str | None = Field(description="submission time")
    started: str | None = Field(description="time of the latest start")
    ended: str | None = Field(description="end time")
    slot_hours: float = Field(description="hours times slots, over all ended attempts")
    answer: dict[str, Any] | None = Field(
        default=None, description="final object that the command printed with `--json`"
    )


class Event(Record):
    """An event: a change of a run, or a line of a trial's log."""

    id: int = Field(description="increasing number; `Last-Event-ID` continues after it")
    time: float = Field(description="seconds since 1970")
    kind: str = Field(
        description="`run`, or the kind of the line: created, started, epoch, ended, died, restarted, ..."
    )
    run: str | None = Field(description="identifier of the run, for events of runs")
    study: str | None = Field(description="name of the study, for events of trials")
    trial: int | None = Field(description="trial number, for events of trials")
    data: dict[str, Any] = Field(description="status and reason of the run, or the log line")


class Person(Record):
    """A person who may log in."""

    name: str = Field(description="unique name")
    role: Role = Field(description="viewer, runner, author or admin; each includes the rights of those before it")
    created: str | None = Field(description="creation time")
    disabled: bool = Field(description="whether login is disabled")
    invited: bool = Field(description="whether the person has not yet set a password")
    max_slots: int | None = Field(description="largest number of trials at a time; null for no limit")
    max_hours: float | None = Field(description="largest number of slot-hours per calendar month; null for no limit")
    max_trials: int | None = Field(
        default=None, description="largest number of finished trials per calendar month; null for no limit"
    )
    group: str | None = Field(default=None, description="group of the person, whose quotas hold as well; null for none")
    identity: str | None = Field(
        default=None, description="name that single sign-on knows the person by; null for none"
    )
    email: str | None = Field(default=None, description="address that is told of the person's runs; null for none")


class NewPerson(Body):
    """A person to invite."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", description="unique name")
    role: Role = Field(default="viewer", description="role of the person")


class ChangedPerson(Body):
    """Changes to a person; omitted fields keep their values."""

    role: Role = Field(default="viewer", description="new role")
    disabled: bool = Field(default=False, description="whether login is disabled")
    max_slots: int | None = Field(
        default=None, ge=0, le=2**31 - 1, description="largest number of trials at a time; null for no limit"
    )
    max_hours: float | None = Field(
        default=None, ge=0, le=1e9, description="largest number of slot-hours per calendar month; null for no limit"
    )
    max_trials: int | None = Field(
        default=None,
        ge=0,
        le=2**31 - 1,
        description="largest number of finished trials per calendar month; null for no limit",
    )
    group: str | None = Field(default=None, max_length=63, description="name of the person's group; null for none")
    identity: str | None = Field(
        default=None, max_length=255, description="name that single sign-on knows the person by; null for none"
    )
    email: Email | None = Field(default=None, description="address that is told of the person's runs; null for none")


class Group(Record):
    """A group of people, who share quotas."""

    name: str = Field(description="unique name")
    max_slots: int | None = Field(
        description="largest number of trials at a time, of all its people; null for no limit"
    )
    max_hours: float | None = Field(
        description="largest number of their slot-hours per calendar month; null for no limit"
    )
    max_trials: int | None = Field(
        description="largest number of their finished trials per calendar month; null for no limit"
    )


class ChangedGroup(Body):
    """Quotas of a group; omitted fields keep their values."""

    max_slots: int | None = Field(default=None, ge=0, le=2**31 - 1, description="largest number of trials at a time")
    max_hours: float | None = Field(default=None, ge=0, le=1e9, description="largest number of slot-hours a month")
    max_trials: int | None = Field(
        default=None, ge=0, le=2**31 - 1, description="largest number of finished trials a month"
    )


class Invitation(Record):
    """A link with which a person sets a password."""

    name: str = Field(description="name of the person")
    link: str = Field(description="shown once; valid for three days")


class Token(Record):
    """An API token, without its secret."""

    id: str = Field(description="identifier, to revoke the token by")
    person: str = Field(description="person that the token acts for")
    label: str = Field(description="purpose of the token")
    created: str | None = Field(description="creation time")
    expires: str | None = Field(description="expiry time")
    revoked: str | None = Field(description="time of revocation; null if not revoked")
    used: str | None = Field(description="time of the latest use, to the hour")


class NewToken(Body):
    """A token to create."""

    label: str = Field(default="token", max_length=100, description="purpose of the token")
    days: float = Field(default=30, gt=0, le=366, description="days until the token expires")


class MadeToken(Token):
    """A new token, with its secret."""

    token: str = Field(description="the secret, shown once, for `Authorization: Bearer TOKEN`")


class Login(Body):
    """A name and a password, exchanged for a token."""

    name: str = Field(max_length=64, description="name of the person")
    password: str = Field(max_length=1000, description="password of the person")
    label: str = Field(default="study login", max_length=100, description="purpose of the token")


class Wish(Body):
    """The new priority of a run."""

    priority: int = Field(ge=-100, le=100, description="higher runs first; only admins may set it above 0")


class Usage(Record):
    """A person's usage of a device in a month."""

    person: str = Field(description="name of the person")
    month: str = Field(description="month, such as 2026-11")
    device: str = Field(default="", description="cpu, mps or the model of the GPU; in older versions cuda, or empty")
    group: str | None = Field(default=None, description="group that the person is in now; null for none")
    slot_hours: float = Field(description="hours times slots")
    trials: int = Field(default=0, description="number of finished trials")


class Retention(Record):
    """What `study gc` removes by its rules: the object of `study gc --json`."""

    trials: dict[str, int] = Field(description="number of trials whose weights are removed, by study")
    kept: dict[str, str] = Field(description="studies all of whose weights are kept, and why")
    messages: int = Field(description="number of ended runs whose messages are removed")
    events: int = Field(description="number of events that are removed from the server's database")
    bytes: int = Field(description="size of the files in bytes")


class AuditLine(Record):
    """An entry of the audit log."""

    id: int = Field(description="increasing number")
    time: str | None = Field(description="time of the action")
    person: str = Field(description="who acted")
    action: str = Field(description="the action")
    subject: str = Field(description="whom or what it affected")
    detail: str = Field(description="details of the action")


class Note(Record):
    """What somebody wrote about a study or a trial."""

    text: str = Field(default="", max_length=20_000, description="plain text; empty for no note")
    person: str | None = Field(default=None, description="who wrote it last")
    time: str | None = Field(default=None, description="when")


class NewNote(Body):
    """A note that replaces the one before."""

    text: str = Field(max_length=20_000, description="plain text; an empty one removes the note")


class Registering(Body):
    """What is to be registered as a version of a model."""

    study: Name = Field(description="name of the study")
    trial: int | None = Field(default=None, ge=0, description="a trial of the search; null is the confirmed winner")
    model: Name | None = Field(default=None, description="name of the model; null is the study's")


class Promoted(Body):
    """Which version is to become champion."""

    version: int | None = Field(default=None, ge=1, description="its number; null is the newest")
    margin: float | None = Field(
        default=None,
        gt=0,
        description="the loss that does not matter: of accuracy, or in the unit of the numbers; null is half a point, "
        "or a hundredth of the numbers' standard deviation",
    )
    force: bool = Field(default=False, description="promote without the test; for admins")
    reason: str | None = Field(default=None, max_length=500, description="why it is forced")


class Page(Record, Generic[Given]):
    """A page of a list."""

    items: list[Given] = Field(description="entries of the page")
    next: str | None = Field(description="`cursor` of the next page; null on the last page")


TroubleKind = Literal["mistake", "refused", "undecided", "unavailable", "fault"]


class Trouble(Record):
    """Why a request was refused."""

    kind: TroubleKind = Field(
        description="`mistake` of the asker's, `refused` for what is so, `undecided` on too few examples, "
        "`unavailable` for now, or `fault` of the server's"
    )
    what: str = Field(description="what is wrong")
    fix: str = Field(default="", description="what to do")
