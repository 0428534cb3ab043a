"""How many examples a metric is measured on, which says how fine it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.data import packed

if TYPE_CHECKING:
    from study.metric import Metric
    from study.recipe import Recipe


def examples(recipe: Recipe, metric: Metric) -> int:
    """Count the examples that the metric of a training of ours is measured on; 0 if the data set is not there.

    Args:
        recipe: of the training.
        metric: whose name tells the split.

    """
    pack = packed.find(recipe.dataset)
    if pack is None:
        return 0
    held_out = pack.held_out(recipe.val_fraction)
    if metric.name.startswith("train_"):
        return recipe.train_size or pack.train - held_out
    return pack.test if metric.of_test else held_out


def has_other_splits(recipe: Recipe) -> bool:
    """Tell whether another `split_seed` holds out or draws other examples."""
    pack = packed.find(recipe.dataset)
    if recipe.val_fraction:
        return pack is None or not pack.validation
    return recipe.train_size is not None
