"""Which test examples a final training got right: bits with a checksum."""

import numpy as np
import pytest

from study.errors import Damaged, StudyError
from study.record import correct


def test_bits_come_back_and_a_flipped_one_is_found(tmp_path):
    path = tmp_path / "correct.json"
    assert correct.read(path) is None
    bits = np.random.default_rng(0).random(1003) < 0.9
    correct.write(path, bits)
    assert (correct.read(path) == bits).all()
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged, match="damaged"):
        correct.read(path)


@pytest.mark.parametrize("wrong", [[0.5, 1.0], [[True]], []])
def test_what_is_not_one_truth_value_for_each_example_is_refused(tmp_path, wrong):
    with pytest.raises(StudyError, match="not one truth value for each example"):
        correct.write(tmp_path / "correct.json", wrong)
    assert not (tmp_path / "correct.json").exists()
