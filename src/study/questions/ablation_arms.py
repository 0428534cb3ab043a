"""The recipes between two: each knob in which they differ moved from one to the other, with those that depend on it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from study.definition import LENGTHS
from study.errors import RecipeError
from study.recipe import every_knob

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic import BaseModel

    from study.definition import Study

    Fits = Callable[[BaseModel], None]

Side = Literal["less", "plus", "simplest"]


@dataclass(frozen=True, slots=True)
class Arm:
    """One recipe of an ablation.

    Args:
        side: the winner less some knobs, the baseline plus some, or a candidate for the simplest recipe.
        knobs: which.
        overrides: of the study's recipe.

    """

    side: Side
    knobs: tuple[str, ...]
    overrides: Mapping[str, Any]

    @property
    def label(self) -> str:
        """Name it: "without lr", "with optimizer, momentum", "without lr, dropout at once"."""
        match self.side:
            case "less":
                return f"without {', '.join(self.knobs)}"
            case "plus":
                return f"with {', '.join(self.knobs)}"
            case "simplest":
                return f"without {', '.join(self.knobs)} at once"


def arms(
    study: Study, winner: Mapping[str, Any], baseline: Mapping[str, Any], fits: Fits | None = None
) -> tuple[Arm, ...]:
    """Lay out the winner less each knob, then the baseline plus each.

    Args:
        study: whose overrides these are.
        winner: overrides of the one end.
        baseline: overrides of the other.
        fits: raises RecipeError where model and data refuse a recipe; None takes what the recipe itself says.

    Returns:
        Nothing if both ends are one recipe.

    """
    top, bottom = ends(study, winner, baseline)
    differing = [knob for knob in top if top[knob] != bottom[knob] and knob != "seed"]
    found: dict[tuple[Side, frozenset[str]], Arm] = {}
    sides: tuple[tuple[Side, dict[str, Any], dict[str, Any]], ...] = (("less", top, bottom), ("plus", bottom, top))
    for side, start, end in sides:
        for knob in differing:
            if moved := _moved(study, start, end, knob, differing, fits):
                found.setdefault((side, frozenset(moved)), Arm(side, moved, overrides(study, start, end, moved)))
    return tuple(found.values())


def ends(study: Study, winner: Mapping[str, Any], baseline: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give every knob of both."""
    return every_knob(study.recipe_for(winner)), every_knob(study.recipe_for(baseline))


def _moved(
    study: Study, start: Mapping[str, Any], end: Mapping[str, Any], knob: str, differing: list[str], fits: Fits | None
) -> tuple[str, ...]:
    """Give the knob and those that must move with it for the recipe to be one; empty if there is no such set."""
    moved = [knob, *(each for each in differing if LENGTHS.get(knob) == each)]  # epochs or steps: one length
    while True:
        try:
            recipe = study.recipe_for(overrides(study, start, end, moved))
            if fits:
                fits(recipe)
        except RecipeError as error:
            named = [each for each in differing if each not in moved and re.search(rf"\b{each}\b", error.what)]
            if not named:
                return ()
            moved += named
        else:
            return tuple(moved)


def overrides(study: Study, start: Mapping[str, Any], end: Mapping[str, Any], moved: Sequence[str]) -> dict[str, Any]:
    """Give the overrides of the start with some knobs as they are at the end."""
    plain = every_knob(study.recipe)
    knobs = {**start, **{knob: end[knob] for knob in moved}}
    return {knob: value for knob, value in knobs.items() if knob != "seed" and plain[knob] != value}


@dataclass(frozen=True, slots=True, kw_only=True)
class AblationQuestion:
    """What is ablated.

    Args:
        trial: the confirmed winner's number in the search.
        winner: its overrides of the study's recipe.
        baseline: the baseline's.
        arms: the winner less each knob, the baseline plus each.
        seeds: how many.
        smallest: the smallest difference of interest, in the metric's unit.

    """

    trial: int
    winner: Mapping[str, Any]
    baseline: Mapping[str, Any]
    arms: tuple[Arm, ...]
    seeds: int
    smallest: float

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON values, to be kept."""
        arms = [{"side": arm.side, "knobs": list(arm.knobs), "overrides": dict(arm.overrides)} for arm in self.arms]
        ends = {"winner": dict(self.winner), "baseline": dict(self.baseline)}
        return {"trial": self.trial, **ends, "arms": arms, "seeds": self.seeds, "smallest": self.smallest}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> AblationQuestion:
        """Take what `to_json` gave."""
        named = ("trial", "winner", "baseline", "seeds", "smallest")
        arms = tuple(Arm(each["side"], tuple(each["knobs"]), each["overrides"]) for each in stored["arms"])
        return cls(arms=arms, **{name: stored[name] for name in named})
