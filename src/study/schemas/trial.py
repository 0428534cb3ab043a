"""Records of a trial: as a table row, as a line of `study run --json`, and in full."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from study.schemas import Answer, Measured, Record

State = Literal["complete", "pruned", "failed", "running"]
# In JSON a number that is not finite is null, and a client reads it again.
Figure = Annotated[float, BeforeValidator(lambda read: math.nan if read is None else read)]


class Trial(Record):
    """A trial in brief."""

    trial: int = Field(description="trial number, from 0")
    variant: str | None = Field(description="name of the variant, if it is one")
    state: State = Field(description="complete, pruned, failed, or running if it has not ended, paused ones included")
    paused: bool = Field(
        default=False, description="whether the pruner has paused it: it goes on later, or is pruned at the end"
    )
    value: float | None = Field(
        description="value of the objective after the last epoch; for a pruned trial, the value it reached"
    )
    best_value: float | None = Field(
        description="best value of the objective over the epochs; null on the test split, which is only used at the end"
    )
    epochs: int = Field(description="number of whole epochs trained")
    seconds: float = Field(description="wall-clock time of the epochs")
    overrides: dict[str, Any] = Field(description="knobs that differ from the study's recipe")
    metrics: dict[str, Figure] = Field(description="all metrics of the last epoch")
    reason: str = Field(description="why the trial was pruned or failed; empty otherwise")
    started: str | None = Field(description="time of the first start")
    device: str | None = Field(description="device of the latest start")


class EndedTrial(Trial, Answer):
    """An ended trial: a line of `study run --json` and of `study compare --json`."""

    type: str = Field(default="trial", description="always `trial`")


class TrialDetails(Trial, Measured, Answer):
    """A trial with all the data in its folder: `study show NAME --trial N --json`."""

    type: str = Field(default="trial_details", description="always `trial_details`")
    folder: str = Field(description="path of the trial folder")
    recipe: dict[str, Any] = Field(description="all knobs")
    history: list[dict[str, int | Figure]] = Field(description="`epoch`, the metrics and `seconds` of each epoch")
    evaluation: dict[str, Any] | None = Field(description="evaluation of the final model by the training")
    deaths: list[str] = Field(description="why workers that trained it died")
    traceback: str = Field(description="traceback of what a failed trial's training raised; empty otherwise")
    node: str = Field(description="node of a cluster on which it last started; empty on a single machine")
    chip: str = Field(description="processor or GPU of that node; empty on a single machine")
    environment: dict[str, Any] | None = Field(description="versions and machine at the first start")
    repeats: int | None = Field(
        description="trial of the same recipe and seed whose values were copied; null if this trial was trained"
    )
    audited: int | None = Field(
        description="epoch after which the pruner would have stopped an audited trial; null for others"
    )


class RepeatableRecipe(Record):
    """One training, for `study run --recipe`: what `study best` prints."""

    study: str = Field(description="name of the study of the trial")
    trial: int | None = Field(default=None, description="trial number")
    value: float | None = Field(default=None, description="value of the trial, which a repetition is compared with")
    metric: str = Field(description="name of the value's metric")
    recipe_type: str = Field(description="import path of the recipe class")
    train: str = Field(description="import path of the training function")
    recipe: dict[str, Any] = Field(description="all knobs")
