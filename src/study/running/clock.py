"""The clock of epochs that are under way: one that takes many times the longest so far hangs."""

from __future__ import annotations

import math
import time

LEAST = 300.0  # seconds that an epoch may always take: a first one may load data or compile
STEP = 5.0  # seconds that pass at most between two looks; more means that this process itself was suspended


class Clock:
    """Says which trials have an epoch that hangs."""

    def __init__(self, factor: float) -> None:
        """Start with no epoch.

        Args:
            factor: an epoch hangs that takes this many times the longest so far, and longer than `LEAST`; 0 for none.

        """
        self._factor, self._longest = factor, 0.0
        self._taken: dict[int, float] = {}
        self._looked = time.monotonic()

    def begins(self, number: int) -> None:
        """Note that a trial trains an epoch from now on."""
        self._taken[number] = 0.0

    def ends(self, number: int) -> float:
        """Note that a trial trains no epoch any more; gives the seconds that the last one took."""
        return self._taken.pop(number, 0.0)

    def learn(self, seconds: float) -> None:
        """Take note of how long an epoch took that was finished."""
        self._longest = max(self._longest, seconds)

    def hanging(self, *, is_stopping: bool) -> dict[int, float]:
        """Give the trials that hang, with the seconds that they have taken.

        Args:
            is_stopping: whether a person waits for the epochs, who then need not be long enough known.

        """
        now = time.monotonic()
        step, self._looked = min(now - self._looked, STEP), now
        for number in self._taken:
            self._taken[number] += step
        limit = self._limit(is_stopping=is_stopping)
        return {number: taken for number, taken in self._taken.items() if taken > limit}

    def _limit(self, *, is_stopping: bool) -> float:
        if not self._factor or not (self._longest or is_stopping):
            return math.inf
        return max(LEAST, self._factor * self._longest)
