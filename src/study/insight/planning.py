"""How many seeds a comparison needs, before any of it runs: by the noise between seeds that earlier runs showed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from study.errors import InputError
from study.insight import seed_noise
from study.record import family, results
from study.record.family import Family
from study.schemas import insight as schemas
from study.stats import power
from study.text import insight as text
from study.text.shown import Shown

if TYPE_CHECKING:
    from study.definition import Study
    from study.insight.seed_noise import Noise
    from study.metric import Metric
    from study.settings import Settings
    from study.text.table import Block

STEPS = (0.5, 1.0, 2.0)  # of the difference asked about: half of it needs four times the seeds


@dataclass(frozen=True, slots=True)
class SeedPlan(Shown):
    """How many seeds a comparison of a study's variants needs.

    Args:
        study: its name.
        metric: of the comparison, on the test split.
        against: the baseline.
        variants: number of variants that are compared with it.
        sd: standard deviation between the seeds of one recipe, in the metric's unit.
        noise: where it was measured; None if it was given.
        seconds: of one training; None if none has ended.
        workers: trainings at a time.
        difference: that is to be found, in the metric's unit.

    """

    study: str
    metric: Metric
    against: str
    variants: int
    sd: float
    noise: Noise | None
    seconds: float | None
    workers: int
    difference: float

    def record(self) -> schemas.SeedPlan:
        """Return the plan as a record."""
        return schemas.SeedPlan(
            study=self.study,
            **self.metric.asked(),
            against=self.against,
            variants=self.variants,
            noise=self.sd,
            source=self.noise.source if self.noise else None,
            freedom=self.noise.freedom if self.noise else None,
            workers=self.workers,
            seconds_per_training=self.seconds,
            differences=[self._needs(step * self.difference) for step in STEPS],
        )

    def _needs(self, difference: float) -> schemas.SeedsNeeded:
        sd, family_size = math.sqrt(2) * self.sd, {"family": self.variants, "undecided": self.variants}
        found = power.seeds_needed(difference, sd, **family_size)
        trainings = found * (self.variants + 1) if found else None
        rounds = math.ceil(trainings / self.workers) if trainings else 0
        return schemas.SeedsNeeded(
            difference=difference,
            seeds_alone=power.seeds_needed(difference, sd),
            seeds=found,
            seeds_to_rule_out=power.seeds_needed(0.0, sd, smallest=difference, **family_size),
            trainings=trainings,
            seconds=rounds * self.seconds if self.seconds is not None and trainings else None,
        )

    def blocks(self) -> list[Block]:
        """Describe the plan in words."""
        return text.seed_plan(self.record())


def plan(study: Study, places: Settings, difference: float, sd: float | None, workers: int) -> SeedPlan:
    """Plan how many seeds a comparison of a study's variants needs.

    Args:
        study: its fair variants are compared.
        places: where its results are.
        difference: that is to be found, above 0, in the metric's unit (0.005 is half a point of accuracy).
        sd: standard deviation between seeds, above 0, in the metric's unit; None for that of earlier trainings.
        workers: trainings at a time.

    Raises:
        InputError: nothing to compare, a number out of range, or no recipe has been trained on two seeds yet.

    """
    there = study.fair_variants
    if len(there) < 2:
        raise InputError(f"{study.name} has no two variants to compare")
    if not (0 < difference < math.inf and (sd is None or 0 < sd < math.inf)):
        raise InputError("--difference and --sd must be above 0")
    ours = Family(study.name, places.home)
    noise = seed_noise.noise(ours) if sd is None and ours.search.folder.parent.exists() else None
    if sd is None and noise is None:
        raise InputError(
            f"{study.name}: no recipe has been trained on two seeds, so the noise between seeds is not known",
            fix=f"Run `study compare {study.name} --seeds 3` first, or give it with --sd.",
        )
    return SeedPlan(
        study=study.name,
        metric=replace(study.objective, in_percent=_in_percent(ours)).on("test"),
        against=family.baseline({name: study.variants[name] for name in there}) or "",
        variants=len(there) - 1,
        sd=noise.sd if noise else sd or 0.0,
        noise=noise,
        seconds=_seconds(ours),
        workers=workers,
        difference=difference,
    )


def _in_percent(ours: Family) -> bool:
    """Tell whether the trainings so far show that an accuracy is measured in per cent."""
    return any(results.metric_of(each).in_percent for each in ours.all() if each.definition())


def _seconds(ours: Family) -> float | None:
    """The mean duration of a full training, of the comparison or else of the search."""
    for journal in (ours.compare, ours.search):
        times = (
            [row.seconds for row in results.rows(journal) if row.state == "complete"] if journal.definition() else []
        )
        if times:
            return sum(times) / len(times)
    return None
