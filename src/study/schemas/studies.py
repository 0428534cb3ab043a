"""Records of whole studies: listing, checking, report, synchronization and removal."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from study.schemas import Answer, Record


class ListedStudy(Record):
    """A study that can be run or has results: an entry of `study list --json`. Counts are null without results."""

    study: str = Field(description="name of the study, including `@dataset` if it has one")
    file: str | None = Field(description="path of the study file; null if there are only results")
    bundled: bool = Field(default=False, description="whether it is bundled with `study`")
    description: str = Field(description="one-line description; for damaged results, the damage")
    complete: int | None = Field(description="number of complete trials")
    pruned: int | None = Field(description="number of pruned trials")
    failed: int | None = Field(description="number of failed trials")
    running: int | None = Field(description="number of unfinished trials, paused ones included")
    paused: int | None = Field(default=None, description="number of trials that the pruner has paused")
    metric: str | None = Field(description="name of the optimized metric")
    best: float | None = Field(description="value of the best complete trial")


class CheckedStudy(Answer):
    """A study that can be searched: `study check --json`."""

    type: str = Field(default="check", description="always `check`")
    file: str = Field(description="path of the study file")
    metric: str = Field(description="name of the optimized metric")
    direction: str = Field(description="maximize or minimize")
    space: dict[str, str] = Field(description="range of each suggested knob, by name")
    variants: dict[str, dict[str, Any]] = Field(description="knobs that each variant changes, by variant name")
    not_tried: str | None = Field(description="what could not be checked here, and why; null if everything was")
    sampled: int = Field(default=0, description="number of recipes sampled from the space")


class Report(Answer):
    """A written report: `study report --json`."""

    type: str = Field(default="report", description="always `report`")
    html: str | None = Field(description="path of the HTML page; null if only Markdown was asked for")
    markdown: str | None = Field(description="path of the Markdown file; null if only HTML was asked for")
    pictures: list[str] = Field(description="paths of the pictures next to the Markdown file")
    bytes: int = Field(description="size of the HTML page, or of the Markdown file if there is no page")


class SyncedStudy(Record):
    """What Optuna and MLflow received of a study: an entry of `study sync --json`."""

    study: str = Field(description="name of the study")
    optuna: int | None = Field(
        description="number of trials changed in Optuna's database; null while a search is writing to it"
    )
    mlflow: int | None = Field(description="number of trials of which data was sent to MLflow; null with `--dry-run`")
    pending: int = Field(description="number of trials that MLflow lacks in whole or in part")
    trouble: str | None = Field(description="why something could not be sent; null if everything was sent")


class Removal(Answer):
    """The results of a study, to be deleted or already deleted."""

    type: str = Field(default="removal", description="always `removal`")
    trials: dict[str, int] = Field(
        description="number of trials of the study and of its derived studies, by study name"
    )
    bytes: int = Field(description="size of their folders in bytes")
