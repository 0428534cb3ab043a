"""Pictures of a comparison can be read, whatever the variants cost."""

import pytest

from study.metric import Metric
from study.plots import figures
from study.stats.intervals import mean


@pytest.mark.parametrize(("slowest", "scale"), [(3.0, "linear"), (40.0, "log")])
def test_the_axis_of_seconds_is_logarithmic_where_one_training_takes_far_longer(slowest, scale):
    points = {"fast": (1.0, mean([0.8, 0.9])), "slow": (slowest, mean([0.8, 0.9]))}
    (axes,) = figures.cost(points, Metric("val_accuracy"), "cost").axes
    assert axes.get_xscale() == scale
