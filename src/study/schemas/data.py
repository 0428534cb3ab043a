"""Records of data sets: those on this machine, and the known ones, downloaded on first use."""

from __future__ import annotations

from pydantic import Field

from study.schemas import Record


class DataSet(Record):
    """A data set: an entry of `study data list --json`. Unknown values are null."""

    name: str = Field(description="name to use in recipes")
    path: str | None = Field(description="path of its file; null if it is not on this machine")
    kind: str | None = Field(description="image, table, tokens or tensor")
    classes: list[str] | None = Field(
        description="class names, in the order of the label numbers; empty for regression"
    )
    shape: list[int] | None = Field(
        description="shape of one example: height, width and channels; number of columns or tokens; or that of a tensor"
    )
    train: int | None = Field(description="number of training examples")
    test: int | None = Field(description="number of test examples")
    sha256: str | None = Field(description="SHA-256 of the arrays' names, types, shapes and contents; null if damaged")
    source: str = Field(description="where it comes from and how it was processed; if damaged, what is wrong")
    imported: bool | None = Field(description="whether a user imported it")
    created: str | None = Field(description="when its file was created")
    size: int | None = Field(description="size of its file in bytes")
    columns: list[str] | None = Field(description="column names of a table after encoding; empty for images")
    validation: int | None = Field(
        description="number of training examples that the data set designates for validation; 0 if a share is held out"
    )
    levels: list[int] | None = Field(
        description="lowest and highest 16-bit gray value, stored as 0 and 255; null for other data"
    )
    offsets: dict[str, float] | None = Field(
        description="offset subtracted from each table column whose values do not fit 32-bit floats, by column name"
    )
    here: bool = Field(description="whether its file is on this machine")
    task: str | None = Field(description="classification, regression or multilabel")
    vocabulary: int | None = Field(description="number of distinct tokens; 0 for other data")
    categories: list[int] | None = Field(
        description="of each stored column of a table, how many categories it codes, 0 for a number; empty if all are"
    )


class Verified(Record):
    """Whether a data set's file is intact: an entry of `study.verify_data()`."""

    name: str = Field(description="name of the data set")
    whole: bool = Field(description="whether its content matches the stored SHA-256")
    trouble: str | None = Field(default=None, description="why the file cannot be read; null if it can")


class DataRemoved(Record):
    """A data set's file, to be deleted or already deleted."""

    name: str = Field(description="name of the data set")
    path: str = Field(description="path of the file")
    size: int = Field(description="size of the file in bytes")
