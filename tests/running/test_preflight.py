"""What is proven before a search starts."""

from __future__ import annotations

import pytest

from study import Recipe, Study
from study.definition import override
from study.engine.sources import ensure
from study.errors import RecipeError
from study.running.preflight import CHECKED_SAMPLES, check_recipes
from study.sampling.space import Space

TABLE = Recipe(dataset="breast_cancer", model="mlp", epochs=1)


@pytest.mark.parametrize("place", [0, CHECKED_SAMPLES, CHECKED_SAMPLES + 5])
@pytest.mark.parametrize(("knob", "value"), [("augment_crop", 2), ("augment_rotate", 5), ("normalize", True)])
def test_a_sample_with_an_image_knob_on_a_table_is_refused_wherever_it_is(place, knob, value):
    """Such a sample after the first ones was found only as its training died."""
    ensure(TABLE.dataset)
    samples = [TABLE] * (CHECKED_SAMPLES + 8)
    samples[place] = override(TABLE, {knob: value})
    with pytest.raises(RecipeError, match=f"{knob}=.* has no effect with dataset=breast_cancer, which is a table"):
        check_recipes(Study(name="table", recipe=TABLE), Space({}, samples), "cpu")
