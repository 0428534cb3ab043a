"""Waiting in tests: for what another process, or a thread, is about to do."""

import time


def until(condition, seconds=90.0, said=lambda: "not within the time"):
    """Ask again and again until the condition is true; give what it gave. `said` is what a failure tells."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, said()
        time.sleep(0.02)
    return found
