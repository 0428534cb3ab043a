"""Records of a search: summary, remarks, plan."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from study.schemas import Answer, Measured, Record, Shared
from study.schemas.trial import Trial  # noqa: TC001 - pydantic reads it

Status = Literal["finished", "stopped", "interrupted", "failed"]


class Variant(Record):
    """The trial of a variant in the search: one training on one seed."""

    variant: str = Field(description="name of the variant")
    trial: int = Field(description="trial number")
    state: str = Field(description="trial state")
    value: float | None = Field(description="value of the objective after the last epoch")
    difference: float | None = Field(description="value minus the baseline's value; null for the baseline")


class Counts(Measured, Answer, Shared):
    """The trial counts of a study, its best trial and its variants."""

    finished: int = Field(description="number of trials that count towards `--trials`: complete or pruned")
    complete: int = Field(description="number of trials that ran to completion")
    pruned: int = Field(description="number of trials that ended early, including diverged ones")
    failed: int = Field(description="number of trials that raised an error")
    running: int = Field(description="number of trials that have not ended, paused ones included")
    paused: int = Field(default=0, description="number of trials that the pruner has paused")
    seconds: float = Field(description="total training time of all trials")
    best: Trial | None = Field(description="complete trial with the best value; the first if several are equal")
    variants: list[Variant] = Field(description="the variants, best first")
    baseline: int | None = Field(default=None, description="trial number of the baseline of the variants")
    has_seed: bool = Field(default=False, description="whether recipes have a seed, which `study confirm` needs")


class Summary(Counts):
    """The result of `study.run`."""

    type: str = Field(default="search", description="always `search`")


class EndedSearch(Counts):
    """The last line of `study run --json`."""

    type: str = Field(default="summary", description="always `summary`")
    status: Status = Field(description="finished, stopped by `--timeout`, interrupted or failed")
    target: int = Field(description="requested number of finished trials")


class Remark(Record):
    """A remark about a search."""

    kind: str = Field(description="topic, such as `boundary` or `more trials`")
    text: str = Field(description="what was found, in one line")
    fix: str = Field(description="what to do, in one line; may be empty")


class Overview(Counts):
    """A study with its trials: `study show NAME --json`."""

    type: str = Field(default="overview", description="always `overview`")
    remarks: list[Remark] = Field(description="remarks about the search")
    trials: list[Trial] = Field(description="trials in the requested order, up to the requested number")
    failures: str = Field(default="", description="why trials failed, in one line; empty if none did")
    others: int = Field(default=0, description="number of trials left out")


class Plan(Answer):
    """The plan of a search: `study run --dry-run --json`."""

    type: str = Field(default="plan", description="always `plan`")
    finished: int = Field(description="number of trials already finished")
    target: int = Field(description="number of finished trials at the end")
    slots: int = Field(description="number of trials at a time")
    device: str = Field(description="device of the trials")
    epochs: int | None = Field(description="epochs of a full-length trial; null if the recipe sets none")
    seconds_per_epoch: float = Field(description="measured time per epoch of a trial while all slots are busy")
    expected_seconds: float | None = Field(description="expected duration without pruning; null without `epochs`")
    disk_bytes: int = Field(description="disk space for all remaining trials")
