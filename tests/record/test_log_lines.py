"""What a kill has cut short is told from what is damaged."""

from __future__ import annotations

import pytest

from study.record import log_lines
from study.record.log_lines import BLOCK

RECORDS = [{"kind": "started", "device": "cpu"}, {"kind": "epoch", "number": 1}, {"kind": "ended", "note": "x" * 900}]
LINES = [log_lines.encode(record) for record in RECORDS]
WHOLE = b"".join(LINES)


def test_a_last_line_without_a_newline_is_torn_wherever_it_was_cut():
    for length in range(1, len(LINES[-1])):
        read = log_lines.parse(WHOLE[: len(WHOLE) - len(LINES[-1]) + length])
        assert (read.lines, read.damaged) == (RECORDS[:2], [])
        assert read.torn == LINES[-1][:length]


def test_each_changed_bit_of_the_last_line_is_damage():
    for at in range(8 * (len(WHOLE) - len(LINES[-1])), 8 * len(WHOLE)):
        content = bytearray(WHOLE)
        content[at // 8] ^= 1 << at % 8
        read = log_lines.parse(bytes(content))
        assert read.damaged, at
        assert not read.torn


@pytest.mark.parametrize("line", [0, 1, 2])
def test_a_damaged_line_leaves_the_others_readable(line):
    lines = [*LINES[:line], b"rubbish\n", *LINES[line + 1 :]]
    read = log_lines.parse(b"".join(lines))
    assert read.damaged == [line + 1]
    assert [record for record in read.lines if record] == [*RECORDS[:line], *RECORDS[line + 1 :]]


def test_a_block_that_a_power_cut_has_left_unwritten_makes_the_last_line_torn():
    content = bytearray(WHOLE)
    edge = BLOCK * (len(content) // BLOCK)
    content[edge - BLOCK : edge] = bytes(BLOCK)
    begin = len(WHOLE) - len(LINES[-1])
    content[:begin] = WHOLE[:begin]
    read = log_lines.parse(bytes(content))
    assert (read.lines, read.damaged, read.whole) == (RECORDS[:2], [], begin)
