"""What was looked at before a comparison: by the record of looks at the test split, and by the search.

A test for a number of seeds that was fixed in advance holds at the first look alone. Whoever adds seeds and looks again
is judged by the test that holds at any time; and whoever picks variants after a look shares the error with all that
were looked at. A variant that a search found was chosen for what it did on the search's seed, which says nothing new.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from study.errors import StudyError
from study.recipe import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from study.definition import Study
    from study.questions.replicates import Design
    from study.record.journal import Journal


@dataclass(frozen=True, slots=True)
class Earlier:
    """The looks before a comparison.

    Args:
        looks: earlier looks at some of its variants on another number of seeds, or on other splits.
        others: recipes, its own left out, that were looked at before, beside the same baseline.

    """

    looks: int = 0
    others: int = 0


def earlier(design: Design, against: str, journal: Journal, *, until_sure: bool) -> Earlier:
    """Count what was looked at before a comparison.

    Args:
        design: which variants are trained on which seeds.
        against: the baseline's name.
        journal: of the comparison, with its record of looks.
        until_sure: whether it is judged after every seed.

    """
    recipes = design.recipes()
    baseline, ours = recipes[against], sorted(recipes.values())
    seen: set[str] = set()
    looks = 0
    for each in sorted(journal.openings(), key=lambda look: look["time"]):
        ways = each.get("until_sure", until_sure), each.get("resplit", design.resplit), each["seeds"]
        same_way = ways == (until_sure, design.resplit, design.seeds)
        if each["recipes"] == ours and same_way:
            break  # its own look, which may have been continued since
        if baseline in each["recipes"]:
            seen.update(each["recipes"])
            looks += not same_way and bool({*each["recipes"]} & {*ours} - {baseline})
    return Earlier(looks, len(seen - {*ours, baseline}))


def found_by_search(study: Study, variants: Iterable[str], search: Journal) -> dict[str, int]:
    """Find the variants that a search came to by itself, with the trial of each.

    Args:
        study: as it is searched; its variants.
        variants: names of those that are looked for.
        search: the search's folders.

    """
    wanted = {fingerprint(study.recipe_for(study.variants[name])): name for name in variants}
    found: dict[str, int] = {}
    for folder in search.trials() if wanted else ():
        try:
            if folder.about().get("variant") is None:
                name = wanted.get(fingerprint(type(study.recipe).model_validate(folder.recipe())))
                found.setdefault(name or "", folder.number)
        except (StudyError, ValidationError):
            continue  # a damaged trial, or one of another recipe class
    return {name: trial for name, trial in found.items() if name}
