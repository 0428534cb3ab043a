"""What the fuzz tests share: how many inputs, values that JSON has, and bytes that were a file once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

EXAMPLES = int(os.environ.get("STUDY_FUZZ", "60"))  # inputs for each test; a campaign sets more
IS_SHARE = "STUDY_FUZZ" not in os.environ  # the same inputs each time, so that the tests are repeatable

fuzzed = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=IS_SHARE, database=None, print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip

TEXTS = st.one_of(
    st.text(max_size=12), st.sampled_from(["", "nan", "1e999", "\ud800", "\0", "../x", "-1", "true", "a" * 300, "None"])
)
NUMBERS = st.one_of(
    st.integers(-3, 12), st.integers(), st.floats(), st.sampled_from([10**400, -0.0, 2**63, 1e308, float("nan")])
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def mutated(draw, whole: bytes) -> bytes:
    """Take a whole file's bytes and change some, drop some, double some."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        match draw(st.integers(0, 4)):
            case 0 if content:
                content[at] ^= 1 << draw(st.integers(0, 7))
            case 1:
                del content[at:]
            case 2:
                del content[at : at + draw(st.integers(1, 40))]
            case 3:
                content[at:at] = draw(st.binary(max_size=12))
            case _:
                content[at:at] = content[at : at + draw(st.integers(1, 40))]
    return bytes(content)


def bytes_like(whole: bytes) -> SearchStrategy[bytes]:
    """Give bytes: mostly those of a file, changed."""
    return st.one_of(mutated(whole), mutated(whole), mutated(whole), st.binary(max_size=200))


@st.composite
def changed(draw, record: dict) -> dict:
    """Take a record, a dict of JSON values, and change, drop or add fields at any depth."""
    found = dict(record)
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(found)) if found else TEXTS)
        match draw(st.integers(0, 3)):
            case 0:
                found.pop(name, None)
            case 1:
                found[draw(TEXTS)] = draw(VALUES)
            case 2 if isinstance(found.get(name), dict):
                found[name] = draw(changed(found[name]))
            case _:
                found[name] = draw(VALUES)
    return found
