"""Records of the checks of this machine."""

from __future__ import annotations

from pydantic import Field

from study.schemas import Record


class Finding(Record):
    """The result of one check: an entry of `study doctor --json`."""

    check: str = Field(description="name of the check")
    ok: bool = Field(description="whether the check passed")
    found: str = Field(description="what was found, or what is wrong")
    cure: str = Field(default="", description="what to do about it; empty if nothing is wrong")
