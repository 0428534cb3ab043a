"""The arms of an ablation: each moves a knob in which winner and baseline differ, with the knobs that depend on it."""

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
        side: less: the winner without some knobs; plus: the baseline with some; simplest: a candidate for the simplest
            recipe.
        knobs: knobs that are reset or added.
        overrides: overrides of the study's recipe.

    """

    side: Side
    knobs: tuple[str, ...]
    overrides: Mapping[str, Any]

    @property
    def label(self) -> str:
        """Label of the arm: "without lr", "with optimizer, momentum", "without lr, dropout at once"."""
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
    """Build the arms: the winner without each knob, then the baseline with each.

    Args:
        study: the overrides change its recipe.
        winner: the winner's overrides.
        baseline: the baseline's overrides.
        fits: raises RecipeError if a recipe does not fit the model and the data; None checks the recipe alone.

    Returns:
        The arms; none if winner and baseline are the same recipe.

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
    """Return all knobs of the winner and of the baseline."""
    return every_knob(study.recipe_for(winner)), every_knob(study.recipe_for(baseline))


def _moved(
    study: Study, start: Mapping[str, Any], end: Mapping[str, Any], knob: str, differing: list[str], fits: Fits | None
) -> tuple[str, ...]:
    """Find the knobs that must move together with a knob for a valid recipe; empty if there is no valid one."""
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
    """Return the overrides of the start recipe with some knobs of the end recipe."""
    plain = every_knob(study.recipe)
    knobs = {**start, **{knob: end[knob] for knob in moved}}
    return {knob: value for knob, value in knobs.items() if knob != "seed" and plain[knob] != value}


@dataclass(frozen=True, slots=True, kw_only=True)
class AblationQuestion:
    """The question of an ablation.

    Args:
        trial: trial number of the confirmed winner in the search.
        winner: its overrides of the study's recipe.
        baseline: the baseline's overrides.
        arms: the winner without each knob, the baseline with each.
        seeds: number of fresh seeds.
        smallest: smallest difference of interest, in the metric's unit.

    """

    trial: int
    winner: Mapping[str, Any]
    baseline: Mapping[str, Any]
    arms: tuple[Arm, ...]
    seeds: int
    smallest: float

    def to_json(self) -> dict[str, Any]:
        """Convert the question to JSON values."""
        arms = [{"side": arm.side, "knobs": list(arm.knobs), "overrides": dict(arm.overrides)} for arm in self.arms]
        ends = {"winner": dict(self.winner), "baseline": dict(self.baseline)}
        return {"trial": self.trial, **ends, "arms": arms, "seeds": self.seeds, "smallest": self.smallest}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> AblationQuestion:
        """Restore a question from the values of `to_json`."""
        named = ("trial", "winner", "baseline", "seeds", "smallest")
        arms = tuple(Arm(each["side"], tuple(each["knobs"]), each["overrides"]) for each in stored["arms"])
        return cls(arms=arms, **{name: stored[name] for name in named})
