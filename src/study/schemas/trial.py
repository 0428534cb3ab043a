"""A trial: as a line of a table, as `study run --json` prints it, and whole."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from study.schemas import Answer, Measured, Record

State = Literal["complete", "pruned", "failed", "running"]


class Trial(Record):
    """One trial in short."""

    trial: int = Field(description="its number, from 0")
    variant: str | None = Field(description="its name, if it is one of the study's variants")
    state: State = Field(description="complete, pruned, failed, or running: it has no end yet")
    value: float | None = Field(description="the objective after the last epoch; of a pruned trial what it had reached")
    best_value: float | None = Field(
        description="the best value of the objective over its epochs; null on the test split, which the end alone sees"
    )
    epochs: int = Field(description="whole epochs trained")
    seconds: float = Field(description="wall-clock time of these epochs")
    overrides: dict[str, Any] = Field(description="what it was trained with, as far as the study's recipe differs")
    metrics: dict[str, float] = Field(description="every metric of the last epoch")
    reason: str = Field(description="why it was pruned or failed; else empty")
    started: str | None = Field(description="when it was started first")
    device: str | None = Field(description="the device of its last start")


class EndedTrial(Trial, Answer):
    """A trial as it ends: a line of `study run --json` and of `study compare --json`."""

    type: str = Field(default="trial", description="always `trial`")


class TrialDetails(Trial, Measured, Answer):
    """A trial with everything in its folder: `study show NAME --trial N --json`."""

    type: str = Field(default="trial_details", description="always `trial_details`")
    folder: str = Field(description="folder of its files")
    recipe: dict[str, Any] = Field(description="every knob")
    history: list[dict[str, int | float]] = Field(description="for each epoch `epoch`, its metrics and `seconds`")
    evaluation: dict[str, Any] | None = Field(description="what the training found out about its last model")
    deaths: list[str] = Field(description="why workers died that trained it")
    node: str = Field(description="node of a cluster on which it last started; empty on one machine")
    chip: str = Field(description="processor or GPU of that node; empty on one machine")
    environment: dict[str, Any] | None = Field(description="versions and machine at its first start")
    repeats: int | None = Field(
        description="the trial of the same recipe and seed whose values were copied; null if this one was trained"
    )
    audited: int | None = Field(
        description="the epoch after which the pruner would have stopped an audited trial; null for others"
    )


class RepeatableRecipe(Record):
    """One training, for `study run --recipe`: what `study best` prints."""

    study: str = Field(description="name of the study that it is from")
    trial: int | None = Field(default=None, description="number of the trial that it is from")
    value: float | None = Field(default=None, description="its value; a repetition is compared with it")
    metric: str = Field(description="what the value is of")
    recipe_type: str = Field(description="import path of the recipe's class")
    train: str = Field(description="import path of the training")
    recipe: dict[str, Any] = Field(description="every knob")
