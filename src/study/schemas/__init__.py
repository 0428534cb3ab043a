"""One description of each result, for `--json`, for Python, for an API and for the docs: records of plain values.

Programs read a record: accuracies in [0, 1] as they were measured, times in ISO 8601, seconds as numbers, NaN and
infinity as null in JSON. `study.text` renders it for people. Within a `version`, keys are only added.
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
    """A part of a result, or a line of its table."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    def plain(self) -> dict[str, Any]:
        """Give the record as plain values, in the order of its fields."""
        return self.model_dump(by_alias=True)

    def to_json(self, *, indent: int | None = None) -> str:
        """Write the record as strict JSON; what is not finite becomes null."""
        return to_json(self.plain(), indent=indent)


class Answer(Record):
    """A whole result, as one `--json` object; a subclass sets its `type`."""

    type: str = Field(description="which object this is")
    version: Literal[1] = Field(default=1, description="of the description; keys are only added within a version")
    study: str = Field(description="name of the study, with `@dataset` where it has one")


Entry = TypeVar("Entry", bound=Record)


class Listing(RootModel[list[Entry]], Generic[Entry]):
    """A result that is a list of records, as a `--json` array."""

    model_config = ConfigDict(frozen=True)

    def plain(self) -> list[dict[str, Any]]:
        """Give the records as plain values."""
        return [each.plain() for each in self.root]

    def to_json(self, *, indent: int | None = None) -> str:
        """Write the records as strict JSON; what is not finite becomes null."""
        return to_json(self.plain(), indent=indent)


class Measured(Record):
    """Names what values are of."""

    metric: str = Field(description="name of the metric that the values are of")
    direction: Direction = Field(description="maximize or minimize")
    in_percent: bool = Field(
        default=False, description="whether the training itself gives an accuracy in per cent; else it lies in [0, 1]"
    )

    @property
    def judged_by(self) -> Metric:
        """Give the metric, which writes values for people."""
        return Metric(self.metric, self.direction, self.in_percent)


def csv_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write rows as CSV with every column that any of them has; lists and mappings as JSON."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([cell(row.get(name)) for name in columns] for row in rows)
    return text.getvalue()


def cell(value: Any) -> str | int | float | None:
    """Give a value for a table's cell: numbers and text as they are, everything else as JSON."""
    if value is None or (isinstance(value, str | int | float) and not isinstance(value, bool)):
        return value
    return to_json(value)
