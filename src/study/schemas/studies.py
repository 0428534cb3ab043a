"""Records of whole studies: the list of studies, the check of a file, the report, synchronization and removal."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from study.schemas import Answer, Record


class ListedStudy(Record):
    """A study that can be run or has results: an entry of `study list --json`. Without results its counts are null."""

    study: str = Field(description="its name, with `@dataset` where it has one")
    file: str | None = Field(description="its file; null if there are only results")
    bundled: bool = Field(default=False, description="whether it comes with `study`")
    description: str = Field(description="description in one line; for damaged results, the damage")
    complete: int | None = Field(description="number of complete trials")
    pruned: int | None = Field(description="number of pruned trials")
    failed: int | None = Field(description="number of failed trials")
    running: int | None = Field(description="number of unfinished trials")
    metric: str | None = Field(description="name of the metric that is optimized")
    best: float | None = Field(description="value of the best complete trial")


class CheckedStudy(Answer):
    """A study that can be searched: `study check --json`."""

    type: str = Field(default="check", description="always `check`")
    file: str = Field(description="its file")
    metric: str = Field(description="name of the metric that is optimized")
    direction: str = Field(description="maximize or minimize")
    space: dict[str, str] = Field(description="range of each suggestion, by its name")
    variants: dict[str, dict[str, Any]] = Field(description="knobs that each variant changes, by its name")
    not_tried: str | None = Field(description="what could not be checked here, and why; null if everything was")
    sampled: int = Field(default=0, description="number of recipes that were sampled from the space")


class Report(Answer):
    """A report that was written: `study report --json`."""

    type: str = Field(default="report", description="always `report`")
    html: str | None = Field(description="path of the HTML page; null if only Markdown was asked for")
    markdown: str | None = Field(description="path of the Markdown; null if only HTML was asked for")
    pictures: list[str] = Field(description="paths of the pictures beside the Markdown")
    bytes: int = Field(description="size of the HTML page, else of the Markdown")


class SyncedStudy(Record):
    """What was written to Optuna and MLflow for a study: an entry of `study sync --json`."""

    study: str = Field(description="its name")
    optuna: int | None = Field(description="trials changed in Optuna's database; null if a search is writing it now")
    mlflow: int | None = Field(description="trials of which something was sent to MLflow; null with `--dry-run`")
    pending: int = Field(description="trials of which MLflow does not have everything")
    trouble: str | None = Field(description="why something could not be sent; null if everything was")


class Removal(Answer):
    """A study's results that will be deleted, or were."""

    type: str = Field(default="removal", description="always `removal`")
    trials: dict[str, int] = Field(description="number of trials of the study and of each study made for it, by name")
    bytes: int = Field(description="size of their folders")
