"""A bar is drawn where its values are on the scale."""

from __future__ import annotations

import pytest

from study.report.parts import Bar, Matrix, Table


def table(*centers):
    return Table("t", ("a",), [("x",)] * len(centers), [Bar(each - 1, each, each + 1, "good") for each in centers])


def test_zero_and_every_interval_lie_between_the_ends():
    drawn = table(2.0, 5.0)
    places = [drawn.position(each) for each in (0, 1, 2, 3, 4, 5, 6)]
    assert places == sorted(places)
    assert 0 < places[0] < places[-1] < 100
    assert not any(map(drawn.is_off, (0, 1, 6)))


def test_one_far_from_all_others_stands_at_the_end_and_leaves_them_room():
    drawn = table(-82.0, 4.0, -3.0)
    assert drawn.is_off(-82.0)
    assert drawn.position(-82.0) == 0
    assert drawn.position(4.0) - drawn.position(0) > 10


@pytest.mark.parametrize("centers", [(), (0.0,), (0.0, 0.0)])
def test_nothing_to_tell_apart_is_drawn_in_the_middle(centers):
    assert table(*centers).position(0) == 50


def test_a_class_without_an_example_has_no_share():
    assert Matrix(("a", "b"), ((3, 1), (0, 0))).share(0, 0) == 0.75
    assert Matrix(("a", "b"), ((3, 1), (0, 0))).share(1, 1) == 0
