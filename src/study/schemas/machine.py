"""This machine: what a search needs of it."""

from __future__ import annotations

from pydantic import Field

from study.schemas import Record


class Finding(Record):
    """One thing that a search needs: each of `study doctor --json`."""

    check: str = Field(description="what was looked at")
    ok: bool = Field(description="whether a search can use it")
    found: str = Field(description="what it is, or what is wrong with it")
    cure: str = Field(default="", description="what to do about it; empty if nothing is wrong")
