"""Shown: a result that writes itself as text, as JSON, as rows, as a table of pandas, and in a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from study.schemas import csv_of
from study.text.table import html_of, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from study.schemas import Answer
    from study.text.table import Block


class Shown(ABC):
    """Gives a result its faces; a subclass gives its record, its rows and its blocks of text."""

    __slots__ = ()

    @abstractmethod
    def record(self) -> Answer:
        """Describe the result in plain values: what `--json` prints."""
        ...

    @abstractmethod
    def rows(self) -> list[dict[str, Any]]:
        """Give the result's table as flat rows of plain values: what `--csv` prints."""
        ...

    @abstractmethod
    def blocks(self) -> Sequence[Block]:
        """Say the result in lines and tables: what the terminal shows."""
        ...

    def text(self, width: int | None = None) -> str:
        """Write the result for people; lines of tables longer than `width` characters end in an ellipsis."""
        return text_of(self.blocks(), width)

    def to_json(self, *, indent: int | None = None) -> str:
        """Write the record as strict JSON."""
        return self.record().to_json(indent=indent)

    def to_csv(self) -> str:
        """Write the rows as CSV."""
        return csv_of(self.rows())

    def to_pandas(self) -> pd.DataFrame:
        """Give the rows as a data frame."""
        import pandas as pd  # noqa: PLC0415 - a second that only its users pay

        return pd.DataFrame(self.rows())

    def _repr_html_(self) -> str:
        return html_of(self.blocks())
