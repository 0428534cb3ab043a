"""Data sets: those that are here, and the known ones that are fetched when first used."""

from __future__ import annotations

from pydantic import Field

from study.schemas import Record


class DataSet(Record):
    """A data set: each of `study data list --json`. What is not known of it is null."""

    name: str = Field(description="by which a recipe asks for it")
    path: str | None = Field(description="its file here; null if it is not here")
    kind: str | None = Field(description="image or table")
    classes: list[str] | None = Field(description="names of the classes, in the order of the label numbers")
    shape: list[int] | None = Field(description="of one example: height, width, channels; or the number of columns")
    train: int | None = Field(description="number of training examples")
    test: int | None = Field(description="number of test examples")
    sha256: str | None = Field(description="over names, types, shapes and contents of the arrays; null if damaged")
    source: str = Field(description="where it is from and what was done to it; of a damaged one what is wrong")
    imported: bool | None = Field(description="whether a person imported it")
    created: str | None = Field(description="when its file was made")
    size: int | None = Field(description="bytes of its file")
    columns: list[str] | None = Field(description="names of a table's columns after encoding; empty for images")
    here: bool = Field(description="whether its file is here")


class Verified(Record):
    """Whether a data set's file is what was written: each of `verify_data`."""

    name: str = Field(description="of the data set")
    whole: bool = Field(description="whether its content has the SHA-256 that the file names")
    trouble: str | None = Field(default=None, description="what is wrong with the file, if it cannot even be read")


class DataRemoved(Record):
    """A data set's file that is to be deleted, or was."""

    name: str = Field(description="of the data set")
    path: str = Field(description="its file")
    size: int = Field(description="bytes of the file")
