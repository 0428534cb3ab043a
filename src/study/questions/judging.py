"""Decides what trials are judged by: the split, the metric of their values, and its resolution."""

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
        InputError: it covers the whole range of an accuracy; it was probably meant in points.

    """
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


def unlike_search(family: Family) -> Iterator[Notice]:
    """Report the settings in which a comparison differs from the search."""
    if otherwise := family.compared_otherwise():
        yield Notice(f"the search had other settings: here {knobs(otherwise)}; the report leaves the comparison out")


def can_test(study: Study) -> bool:
    """Tell whether a custom training supports the test split: it has a parameter `test`."""
    train = import_object(study.train) if isinstance(study.train, str) else study.train
    return "test" in inspect.signature(train).parameters
