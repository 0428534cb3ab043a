"""Text of the checks of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.text.table import Block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.schemas.machine import Finding


def findings(found: Sequence[Finding]) -> list[Block]:
    """Show a line for each finding."""
    return [Block([finding(each) for each in found])]


def finding(found: Finding) -> str:
    """Write a finding in one line, with its cure if something is wrong."""
    cure = f" -> {found.cure}" if found.cure else ""
    return f"{'ok ' if found.ok else 'BAD'}  {found.check:<10} {found.found}{cure}"
