"""An error in one line: its parts are joined as sentences."""

import pytest

from study.errors import InputError


@pytest.mark.parametrize(
    ("what", "where", "fix", "line"),
    [
        ("which study?", "study run", "`study list` shows them.", "study run: which study? `study list` shows them."),
        ("no trial 7", "mine", "They go from 0 to 3.", "mine: no trial 7. They go from 0 to 3."),
        ("it ended.", "", "Start it again.", "it ended. Start it again."),
        ("it differs:", "", "See above.", "it differs: See above."),
        ("no trial 7", "mine", "", "mine: no trial 7"),
    ],
)
def test_what_was_said_and_what_to_do_are_two_sentences_with_one_mark_each(what, where, fix, line):
    assert str(InputError(what, where=where, fix=fix)) == line
