"""Pictures of a network's inside show every layer and filter, whatever the values."""

from __future__ import annotations

import numpy as np
import pytest

from study.engine.inspect import Filters, Layer
from study.plots import inside
from study.plots.figures import write


def layer(values):
    return Layer("1", *(np.asarray(values, float) for _ in range(3)))


@pytest.mark.parametrize("what", ["weights", "activations", "gradients"])
def test_every_variant_has_a_row_and_every_layer_a_panel(tmp_path, what):
    variants = {"zero": [layer([0, 0, 0]), layer([0, 0])], "he": [layer([-1, 0, 1]), layer(np.linspace(1, 3, 500))]}
    figure = inside.distributions(variants, what, "initial weights")
    assert [axes.get_ylabel() for axes in figure.axes][::2] == ["zero", "he"]
    told = [axes.get_title("right") for axes in figure.axes]
    assert told == ["sd 0, 100 % zero", "sd 0, 100 % zero", "sd 0.82, 33 % zero", "sd 0.58"]
    assert all(path.stat().st_size > 1000 for path in write(figure, tmp_path, "init"))


def test_every_filter_is_drawn_with_what_it_sees(tmp_path):
    random = np.random.default_rng(0)
    found = Filters(random.normal(size=(10, 3, 5, 5)), random.random((3, 12, 12)), random.random((10, 8, 8)))
    figure = inside.filters(found, "first convolution")
    assert sum(bool(axes.images) for axes in figure.axes) == 10 + 10 + 1
    assert write(figure, tmp_path, "filters")[1].stat().st_size > 1000
