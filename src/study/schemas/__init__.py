"""Records: the fields of each result, shared by `--json`, Python, the HTTP API and the docs.

Records are for programs: accuracies in [0, 1], times in ISO 8601, durations in seconds, NaN and
infinity as null in JSON. `study.text` formats them for people. Within a `version`, keys are only added.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, RootModel

from study.formatting import to_json
from study.metric import Direction, Metric

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Record(BaseModel):
    """Part of a result, such as a table row."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    def plain(self) -> dict[str, Any]:
        """Return the record as plain values, in field order."""
        return self.model_dump(by_alias=True)

    def to_json(self, *, indent: int | None = None) -> str:
        """Write the record as strict JSON; NaN and infinity become null."""
        return to_json(self.plain(), indent=indent)


class Shared(Record):
    """Fields that several records have; nothing is printed as these alone."""


class Body(Record):
    """What a request sends as JSON: a text is no number, a number no text, and NaN and Infinity are no numbers."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class Answer(Record):
    """A complete result, printed as one `--json` object; each subclass sets `type`."""

    type: str = Field(description="type of the object")
    version: Literal[1] = Field(default=1, description="version of this type; within a version, keys are only added")
    study: str = Field(description="name of the study, including `@dataset` if it has one")


Entry = TypeVar("Entry", bound=Record)


class Listing(RootModel[list[Entry]], Generic[Entry]):
    """A list of records, printed as a `--json` array."""

    model_config = ConfigDict(frozen=True)

    def plain(self) -> list[dict[str, Any]]:
        """Return the records as plain values."""
        return [each.plain() for each in self.root]

    def to_json(self, *, indent: int | None = None) -> str:
        """Write the records as strict JSON; NaN and infinity become null."""
        return to_json(self.plain(), indent=indent)


class Measured(Record):
    """A result whose values are of one metric."""

    metric: str = Field(description="name of the metric")
    direction: Direction = Field(description="maximize or minimize")
    in_percent: bool = Field(
        default=False, description="whether the training reports accuracy in per cent instead of [0, 1]"
    )

    @property
    def judged_by(self) -> Metric:
        """The metric, which formats values for people."""
        return Metric(self.metric, self.direction, self.in_percent)


def csv_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write rows as CSV with the union of their columns; lists and mappings become JSON."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([cell(row.get(name)) for name in columns] for row in rows)
    return text.getvalue()


def cell(value: Any) -> str | int | float | None:
    """Convert a value to a table cell: keep numbers and strings, write everything else as JSON."""
    if value is None or (isinstance(value, str | int | float) and not isinstance(value, bool)):
        return value
    return to_json(value)
