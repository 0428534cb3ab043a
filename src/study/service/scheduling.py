"""How slots are shared between runs: by priority, then evenly between people, then evenly between a person's runs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that has slots, or waits for some.

    Args:
        run: its id.
        person: whose it is.
        priority: higher ones first.
        wanted: trials at a time; None takes as many as there are.
        has: slots that it holds; 0 while it waits.
        group: of the person, as the quotas name it; empty for none.

    """

    run: str
    person: str
    priority: int
    wanted: int | None
    has: int = 0
    group: str = ""


def share(slots: int, claims: Sequence[Claim], quotas: Mapping[str, int]) -> dict[str, int]:
    """Share slots out, one at a time, always to whom has the least.

    Args:
        slots: of the machine.
        claims: oldest first; among equals the older one is served first.
        quotas: slots that a person or a group may hold at most; those without one are not in it.

    Returns:
        The slots of each run that gets any.

    >>> share(4, [Claim("a", "ann", 0, None), Claim("b", "ben", 0, None), Claim("c", "ann", 0, 1)], {})
    {'a': 1, 'b': 2, 'c': 1}
    >>> share(4, [Claim("a", "ann", 0, None), Claim("b", "ben", 5, 3)], {})
    {'b': 3, 'a': 1}

    """
    given: dict[str, int] = {}
    held: dict[str, int] = defaultdict(int)
    for priority in sorted({each.priority for each in claims}, reverse=True):
        level = [each for each in claims if each.priority == priority]
        while slots > 0:
            open_ = [
                (held[each.person], given.get(each.run, 0), place, each)
                for place, each in enumerate(level)
                if (each.wanted is None or given.get(each.run, 0) < each.wanted)
                and all(held[one] < quotas.get(one, slots + held[one]) for one in (each.person, each.group) if one)
            ]
            if not open_:
                break
            chosen = min(open_, key=lambda one: one[:3])[3]
            given[chosen.run] = given.get(chosen.run, 0) + 1
            for holder in (chosen.person, chosen.group):
                held[holder] += 1
            slots -= 1
    return {run: count for run, count in given.items() if count}
