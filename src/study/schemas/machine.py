"""Records of what a search needs on this machine."""

from __future__ import annotations

from pydantic import Field

from study.schemas import Record


class Finding(Record):
    """The result of one check: an entry of `study doctor --json`."""

    check: str = Field(description="what was checked")
    ok: bool = Field(description="whether a search can use it")
    found: str = Field(description="what was found, or what is wrong")
    cure: str = Field(default="", description="what to do about it; empty if nothing is wrong")
