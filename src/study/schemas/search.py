"""Records of a search: its summary, its remarks, its plan."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from study.schemas import Answer, Measured, Record
from study.schemas.trial import Trial  # noqa: TC001 - pydantic reads it

Status = Literal["finished", "stopped", "interrupted", "failed"]


class Variant(Record):
    """A variant's trial in the search: one training on one seed."""

    variant: str = Field(description="its name")
    trial: int = Field(description="number of its trial")
    state: str = Field(description="state of its trial")
    value: float | None = Field(description="the objective after its last epoch")
    difference: float | None = Field(description="how much its value exceeds the baseline's; null for the baseline")


class Counts(Measured, Answer):
    """Counts of a study's trials, the best one and the variants."""

    finished: int = Field(description="trials that count towards `--trials`: complete or pruned")
    complete: int = Field(description="trials trained to their end")
    pruned: int = Field(description="trials ended early, diverged ones included")
    failed: int = Field(description="trials that raised an error")
    running: int = Field(description="trials that have not ended")
    seconds: float = Field(description="training time of all trials together")
    best: Trial | None = Field(description="the complete trial with the best value; of equal ones the first")
    variants: list[Variant] = Field(description="the named variants, best first")
    baseline: int | None = Field(default=None, description="number of the trial that variants are compared with")
    has_seed: bool = Field(default=False, description="whether its recipes have a seed, as `study confirm` needs")


class Summary(Counts):
    """What `study.run` gives."""

    type: str = Field(default="search", description="always `search`")


class EndedSearch(Counts):
    """The last line of `study run --json`."""

    type: str = Field(default="summary", description="always `summary`")
    status: Status = Field(description="finished, stopped by `--timeout`, interrupted or failed")
    target: int = Field(description="number of finished trials requested")


class Remark(Record):
    """A remark on a search."""

    kind: str = Field(description="what it is about, such as `boundary` or `more trials`")
    text: str = Field(description="what was found, one line")
    fix: str = Field(description="what to do, one line; may be empty")


class Overview(Counts):
    """A study with its trials: `study show NAME --json`."""

    type: str = Field(default="overview", description="always `overview`")
    remarks: list[Remark] = Field(description="remarks on the search")
    trials: list[Trial] = Field(description="its trials, in the requested order, at most the requested number")
    failures: str = Field(default="", description="why trials failed, one line; empty if none did")
    others: int = Field(default=0, description="number of trials left out")


class Plan(Answer):
    """What a search would do: `study run --dry-run --json`."""

    type: str = Field(default="plan", description="always `plan`")
    finished: int = Field(description="trials that are finished already")
    target: int = Field(description="finished trials in the end")
    slots: int = Field(description="trials at a time")
    device: str = Field(description="where they run")
    epochs: int | None = Field(description="epochs of a full-length trial, if the recipe says")
    seconds_per_epoch: float = Field(description="of one trial while all slots are busy, measured")
    expected_seconds: float | None = Field(description="until the end, if nothing is pruned; null without `epochs`")
    disk_bytes: int = Field(description="disk space of all remaining trials")
