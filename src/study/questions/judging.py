"""Decides what trials are judged by: the split, the metric of their values, and its resolution."""

from __future__ import annotations

import inspect
import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from study.definition import OUR_TRAIN
from study.errors import InputError
from study.formatting import knobs
from study.imports import import_object
from study.progress import Notice
from study.recipe import Recipe, fingerprint
from study.record.family import name_of
from study.stats import sequential, verdicts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import ArrayLike, NDArray

    from study.definition import Study
    from study.metric import Direction
    from study.questions.comparison import ComparisonQuestion
    from study.questions.looks import Earlier
    from study.record.family import Family, Kind
    from study.stats.verdicts import Contrast


SMALLEST = 0.005  # the smallest difference of interest if none is named: half a point of an accuracy in [0, 1]


def require_seeds(seeds: int) -> None:
    """Check that there are seeds enough to tell how much they differ.

    Raises:
        InputError: fewer than two.

    """
    if seeds < 2:
        raise InputError(f"--seeds must be 2 or more, not {seeds}", fix="One seed is not enough.")


def require_smallest(study: Study, smallest: float) -> None:
    """Check that the smallest difference of interest is a size, in the metric's unit.

    Raises:
        InputError: it is no size, or it covers the whole range of an accuracy; it was probably meant in points.

    """
    if not 0 <= smallest < math.inf:
        raise InputError(f"--smallest must be a number, 0 or more, not {smallest:g}")
    if study.train == OUR_TRAIN and smallest >= study.objective.whole:
        fix = f"An accuracy lies between 0 and 1: {smallest:g} points are --smallest {smallest / 100:g}."
        raise InputError(f"--smallest {smallest:g} is the whole range of an accuracy", fix=fix)


def judged_on_test(study: Study, kind: Kind) -> Study:
    """Return the study whose trials are judged on the test split: with its own name and `final` applied."""
    recipe = study.recipe_for(study.final)
    ours = study.train == OUR_TRAIN
    finals = replace(study.free_seed(), name=name_of(study.name, kind), recipe=recipe, space=None, test=ours)
    if isinstance(finals.recipe, Recipe) and not finals.recipe.val_fraction:
        finals = replace(finals, metric=study.followed.on("train").name)  # without validation data
    return finals


def resolution(study: Study, values: ArrayLike = (), *, test: bool) -> float:
    """Compute the resolution of the metric: 1/n for an accuracy over n examples, otherwise 0.

    Args:
        study: its trials are judged.
        values: values of its trials, which show the resolution of an accuracy if the number of examples is unknown.
        test: whether they are judged on the test split; otherwise on validation data.

    """
    metric, known = study.objective.on("test") if test else study.objective, 0
    if isinstance(study.recipe, Recipe) and study.train == OUR_TRAIN:
        from study.data.counts import examples  # noqa: PLC0415 - only where there is data

        known = examples(study.recipe, metric)
    return metric.resolution(known) or metric.step_in(np.ravel(values).tolist())


class Unit(NamedTuple):
    """What an outcome is counted in: which direction is better, the smallest difference of interest, the resolution."""

    direction: Direction
    smallest: float
    step: float


def contrasts(
    question: ComparisonQuestion,
    values: Mapping[str, NDArray[np.float64]],
    finals: Study,
    before: Earlier,
    failed: Mapping[str, NDArray[np.bool_]] | None = None,
    unit: Unit | None = None,
    *,
    complete: bool = True,
) -> dict[str, Contrast]:
    """Compare the others with the baseline: for a fixed number of seeds, all run, at the first look; else at any time.

    Args:
        question: of the comparison.
        values: of each variant, by seed; NaN for a missing one.
        finals: the study that stores the trials.
        before: what was looked at before.
        failed: which trainings failed; None if that is no outcome here.
        unit: of the values; None for the metric on the test split.
        complete: whether all trainings have run: whoever looks before, and goes on, looks more than once.

    """
    others = [name for name in question.variants if name != question.against]
    known = {name: fingerprint(finals.recipe_for(finals.variants[name])) for name in question.variants}
    step = unit.step if unit else resolution(finals, np.concatenate([*values.values()]), test=True)
    at_any_time = question.until_sure or before.looks or not complete
    test = sequential.compare if at_any_time else verdicts.compare
    found = test(
        np.array([values[name] for name in others]),
        values[question.against],
        direction=unit.direction if unit else finals.direction,
        smallest=unit.smallest if unit else question.smallest,
        step=step,
        same=[known[name] == known[question.against] for name in others],
        failed=(np.array([failed[name] for name in others]), failed[question.against]) if failed else None,
        family=len(others) + before.others,
    )
    return dict(zip(others, found, strict=True))


def unlike_search(family: Family) -> Iterator[Notice]:
    """Report the settings in which a comparison differs from the search."""
    if otherwise := family.compared_otherwise():
        yield Notice(f"the search had other settings: here {knobs(otherwise)}; the report leaves the comparison out")


def can_test(study: Study) -> bool:
    """Tell whether a custom training supports the test split: it has a parameter `test`."""
    train = import_object(study.train) if isinstance(study.train, str) else study.train
    return "test" in inspect.signature(train).parameters
