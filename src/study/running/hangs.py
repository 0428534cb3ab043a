"""Detects hanging epochs: those that take many times as long as the longest so far."""

from __future__ import annotations

import math
import time

LEAST = 300.0  # seconds that every epoch may take: the first one may load data or compile
STEP = 5.0  # longest time in seconds between two checks; a longer gap means that this process was suspended


class HangDetector:
    """Measures running epochs and reports the trials that hang."""

    def __init__(self, factor: float) -> None:
        """Start without epochs.

        Args:
            factor: an epoch hangs if it takes this many times the longest so far, and over `LEAST`; 0 turns it off.

        """
        self._factor, self._longest = factor, 0.0
        self._taken: dict[int, float] = {}
        self._looked = time.monotonic()

    def begins(self, number: int) -> None:
        """Start measuring an epoch of a trial."""
        self._taken[number] = 0.0

    def ends(self, number: int) -> float:
        """Stop measuring a trial; return the seconds that its latest epoch took."""
        return self._taken.pop(number, 0.0)

    def learn(self, seconds: float) -> None:
        """Record the duration of a finished epoch."""
        self._longest = max(self._longest, seconds)

    def hanging(self, *, is_stopping: bool) -> dict[int, float]:
        """Return the hanging trials, each with the seconds taken so far.

        Args:
            is_stopping: whether the run is stopping; an epoch can then hang before any has finished.

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
