"""A search whose executor has no slot for a while."""

from __future__ import annotations

from study.executors.inline import Inline
from study.progress import TrialEnded
from tests.running.test_loop import Listed, loop, run


class Late(Inline):
    """Has no slot ready at first: a trainer of a cluster is still being started."""

    slots, looks = 0, 0

    def events(self, timeout):
        self.looks += 1
        if self.looks < 4:
            return ()
        self.slots = 1
        return super().events(timeout)


def test_a_search_waits_for_its_first_slot(tmp_path):
    """It ended at once, as if it were done."""
    ended = [each for each in run(loop(tmp_path, Listed([{}, {}]), executor=Late())) if isinstance(each, TrialEnded)]
    assert [each.ended.state for each in ended] == ["complete", "complete"]
