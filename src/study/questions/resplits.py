"""New splits: each fresh seed holds out other examples, so that no figure hangs on the split of the search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from study.definition import OUR_TRAIN
from study.errors import InputError
from study.recipe import SPLIT, Recipe
from study.schemas.questions import Spread
from study.stats import splitting

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from study.definition import Study
    from study.questions.replicates import Pairs


def possible(study: Study) -> bool:
    """Tell whether another `split_seed` makes another split of the study's data.

    It does not where the recipe has no such knob, or it is held fixed; where nothing is held out and all examples are
    trained on; and where the data set brings its validation examples.
    """
    if SPLIT not in type(study.recipe).model_fields or SPLIT in study.fixed:
        return False
    if not (isinstance(study.recipe, Recipe) and study.train == OUR_TRAIN):
        return True  # a person's own training does with it what it does
    from study.data.counts import has_other_splits  # noqa: PLC0415 - only where there is data

    return has_other_splits(study.recipe)


def chosen(study: Study, stored: Mapping[str, Any] | None, *, wanted: bool | None, usual: bool) -> bool:
    """Decide whether each seed gets its own split.

    Args:
        study: whose trainings are repeated.
        stored: the last question of this kind; None if there was none. Older versions made no new splits.
        wanted: what was asked for; None goes on as before, and decides by `usual` the first time.
        usual: whether splits are new where the data permit it.

    Raises:
        InputError: new splits are wanted, and there is no other split.

    """
    there = possible(study)
    if wanted and not there:
        fix = f"It takes a knob {SPLIT!r} that is not held fixed, and examples that are held out."
        raise InputError("there is no other split of these data", where="--resplit", fix=fix)
    if wanted is not None:
        return wanted
    return bool(stored.get("resplit")) if stored is not None else usual and there


def spread(found: Pairs) -> Spread | None:
    """Tell how much varies with the split, and how much with the training; None where that is not known."""
    if not found.design.resplit:
        return None
    values, distinct = found.values(), dict[str, str]()
    for arm, recipe in found.design.recipes().items():
        distinct.setdefault(recipe, arm)
    parts = splitting.parts(np.array([values[arm] for arm in distinct.values()]))
    return None if parts is None else Spread(
        split=parts.split, seed=parts.seed, splits=parts.splits, recipes=parts.recipes
    )  # fmt: skip
