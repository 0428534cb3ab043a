"""What trials are judged by: the split, the metric of their values, and its smallest step."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from study.definition import OUR_TRAIN
from study.errors import InputError
from study.formatting import knobs
from study.imports import import_object
from study.progress import Notice
from study.recipe import Recipe
from study.record.family import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike

    from study.definition import Study
    from study.record.family import Family, Kind


def require_smallest(study: Study, smallest: float) -> None:
    """Check that the smallest difference of interest is in the metric's unit.

    Raises:
        InputError: it is at least the whole range of an accuracy, so points were meant.

    """
    if study.train == OUR_TRAIN and smallest >= study.objective.whole:
        fix = f"An accuracy lies between 0 and 1: {smallest:g} points are --smallest {smallest / 100:g}."
        raise InputError(f"--smallest {smallest:g} is the whole range of an accuracy", fix=fix)


def judged_on_test(study: Study, kind: Kind) -> Study:
    """Make the study whose trials are judged on the test split: its own name, `final` applied to its recipe."""
    recipe = study.recipe_for(study.final)
    ours = study.train == OUR_TRAIN
    finals = replace(study.free_seed(), name=name_of(study.name, kind), recipe=recipe, space=None, test=ours)
    if isinstance(finals.recipe, Recipe) and not finals.recipe.val_fraction:
        finals = replace(finals, metric=study.followed.on("train").name)  # without validation data
    return finals


def resolution(study: Study, values: ArrayLike = (), *, test: bool) -> float:
    """Compute the resolution of the metric: 1/n for an accuracy over n examples, else 0.

    Args:
        study: whose trials are judged.
        values: of its trials; they show the resolution of an accuracy if the number of examples is not known.
        test: whether they are judged on the test split; otherwise on validation data.

    """
    metric, known = study.objective.on("test") if test else study.objective, 0
    if isinstance(study.recipe, Recipe) and study.train == OUR_TRAIN:
        from study.data.counts import examples  # noqa: PLC0415 - only where there is data

        known = examples(study.recipe, metric)
    return metric.resolution(known) or metric.step_in(np.ravel(values).tolist())


def unlike_search(family: Family) -> Iterator[Notice]:
    """Say where a comparison is trained with other settings than the search."""
    if otherwise := family.compared_otherwise():
        yield Notice(f"the search had other settings: here {knobs(otherwise)}; the report leaves the comparison out")


def can_test(study: Study) -> bool:
    """Tell whether a person's own training can be judged on the test split: it has a parameter `test`."""
    train = import_object(study.train) if isinstance(study.train, str) else study.train
    return "test" in inspect.signature(train).parameters
