"""How values, times and tables are spelt."""

import math

import pytest

from study import formatting


@pytest.mark.parametrize(
    ("value", "spelt"),
    [(0.91346, "0.9135"), (None, "-"), (0.0, "0.0000"), (1234.5, "1234"), (0.00001234, "1.234e-05"), (-0.5, "-0.5000")],
)
def test_a_number_shows_four_decimals_or_four_digits(value, spelt):
    assert formatting.number(value) == spelt


def test_knobs_are_spelt_as_set_reads_them():
    knobs = {"lr": 0.00213456, "normalize": True, "hidden": [64, 32], "model": "mlp", "momentum": None}
    assert formatting.knobs(knobs) == "lr=0.002135 normalize=true hidden=[64, 32] model=mlp momentum=null"


@pytest.mark.parametrize(
    ("seconds", "spelt"), [(3.21, "3.2 s"), (45.4, "45 s"), (200, "3 min"), (4800, "80 min"), (7260, "2 h 01 min")]
)
def test_a_duration_is_spelt_in_the_unit_that_people_would_use(seconds, spelt):
    assert formatting.duration(seconds) == spelt


@pytest.mark.parametrize(("count", "spelt"), [(999, "999 B"), (1.5e6, "1.5 MB"), (2e12, "2.0 TB")])
def test_a_size_is_spelt_in_powers_of_a_thousand(count, spelt):
    assert formatting.size(count) == spelt


def test_json_is_strict_and_what_is_not_finite_is_null():
    assert (
        formatting.to_json({"a": math.nan, "b": [math.inf, (1.5, True)], 3: "ü"})
        == '{"a": null, "b": [null, [1.5, true]], "3": "ü"}'
    )


def test_the_password_of_a_url_is_hidden_wherever_it_stands():
    line = "cannot reach postgresql+psycopg://me:se:cret@host/db or http://u:p@h:5000"
    assert (
        formatting.without_password(line) == "cannot reach postgresql+psycopg://me:***@host/db or http://u:***@h:5000"
    )
    line = "study run x --storage=postgresql://me:s@cr/et@db/optuna --set lr=0.1 --home http://127.0.0.1:80"
    assert formatting.without_password(line) == line.replace("s@cr/et", "***")


def test_a_moment_is_iso_8601_in_utc():
    assert formatting.moment(1_795_000_000) == "2026-11-18T11:06:40+00:00"
    assert formatting.moment(None) is None


def test_a_command_is_never_broken():
    text = "Look at it: `study compare mnist_optimizers --seeds 10` shows it."
    assert formatting.wrapped(text, 30) == ["Look at it:", "`study compare mnist_optimizers --seeds 10`", "shows it."]
