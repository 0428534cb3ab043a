"""Shown: a result that can be rendered as text, JSON, CSV, a pandas DataFrame, and HTML in a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from study.schemas import Listing, Record, csv_of
from study.text.table import html_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from study.text.table import Block

Entry = TypeVar("Entry", bound=Record)


class Shown(ABC):
    """A result with several renderings; a subclass defines `record` and `blocks`, and `rows` if it has a table."""

    __slots__ = ()

    @abstractmethod
    def record(self) -> Record | Listing[Any]:
        """Describe the result in plain values, as `--json` prints it."""
        ...

    def rows(self) -> list[dict[str, Any]]:
        """Return the result's table as flat rows of plain values, as `--csv` prints it."""
        plain = self.record().plain()
        return plain if isinstance(plain, list) else [plain]

    @abstractmethod
    def blocks(self) -> Sequence[Block]:
        """Describe the result in lines and tables, as the terminal shows it."""
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
        """Return the rows as a data frame."""
        import pandas as pd  # noqa: PLC0415 - takes a second to import

        return pd.DataFrame(self.rows())

    def _repr_html_(self) -> str:
        return html_of(self.blocks())


@dataclass(frozen=True, slots=True)
class ShownList(Shown, Generic[Entry]):
    """A result that is a list of records; a subclass defines `blocks`.

    Args:
        entries: the records, in the order in which they are shown.

    """

    entries: Sequence[Entry]

    def record(self) -> Listing[Entry]:
        """Describe the result in plain values: a list."""
        return Listing[Entry](root=list(self.entries))

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Entry:
        return self.entries[index]
