"""Data sets: those that are here, and the known ones that are fetched when first used."""

from __future__ import annotations

from pydantic import Field

from study.schemas import Record


class DataSet(Record):
    """A data set: an entry of `study data list --json`. Unknown fields are null."""

    name: str = Field(description="the name that recipes use")
    path: str | None = Field(description="its file; null if it is not on this machine")
    kind: str | None = Field(description="image, table or tokens")
    classes: list[str] | None = Field(
        description="names of the classes, in the order of the label numbers; empty where numbers are predicted"
    )
    shape: list[int] | None = Field(
        description="shape of one example: height, width, channels; or number of columns, or of tokens"
    )
    train: int | None = Field(description="number of training examples")
    test: int | None = Field(description="number of test examples")
    sha256: str | None = Field(
        description="SHA-256 of names, types, shapes and contents of the arrays; null if damaged"
    )
    source: str = Field(description="where it comes from and how it was processed; for a damaged one, the damage")
    imported: bool | None = Field(description="whether a user imported it")
    created: str | None = Field(description="when its file was made")
    size: int | None = Field(description="bytes of its file")
    columns: list[str] | None = Field(description="names of a table's columns after encoding; empty for images")
    validation: int | None = Field(
        description="number of the training examples that were brought for validation; 0 if a share is held out"
    )
    levels: list[int] | None = Field(
        description="lowest and highest 16-bit grey value, stored as 0 and 255; null for data of another kind"
    )
    offsets: dict[str, float] | None = Field(
        description="what was subtracted from a table's columns, by name, where 32-bit floats cannot hold their values"
    )
    here: bool = Field(description="whether its file is on this machine")
    task: str | None = Field(description="what is predicted: classification, regression or multilabel")
    vocabulary: int | None = Field(description="number of different tokens; 0 for data of another kind")


class Verified(Record):
    """Whether a data set's file is unchanged: an entry of `verify_data`."""

    name: str = Field(description="of the data set")
    whole: bool = Field(description="whether its content has the SHA-256 that is stored in it")
    trouble: str | None = Field(default=None, description="why the file cannot be read; null if it can")


class DataRemoved(Record):
    """A data set's file that will be deleted, or was."""

    name: str = Field(description="of the data set")
    path: str = Field(description="its file")
    size: int = Field(description="bytes of the file")
