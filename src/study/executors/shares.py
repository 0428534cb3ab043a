"""The share of a GPU that a trial takes with `--gpus-per-trial auto`, from the memory that trials were seen to need.

The first trials have a GPU each. From then on as many share one as fit into `ROOM` of its memory, each with the most
that any trial has needed. A trial that runs out of memory nevertheless doubles the share, and is trained again.
"""

from __future__ import annotations

ROOM = 0.9  # of a GPU's memory is given to trials: the allocators of those that share it leave gaps
OUT_OF_MEMORY = "OutOfMemoryError: "  # how a training's failure begins that had too little of its device


class Share:
    """A share of a GPU, or a number of them, which changes only if it is measured."""

    def __init__(self, gpus: float, *, is_measured: bool) -> None:
        """Begin with what a first trial takes.

        Args:
            gpus: 0 or more; 1 if it is measured and there are any.
            is_measured: whether it follows what trials need.

        """
        self.gpus = gpus
        self.is_measured = is_measured and gpus > 0
        self._need, self._least = 0.0, 0.0

    def learn(self, memory: float) -> bool:
        """Take the share of a GPU's memory that a trial has needed; tells whether the share of a trial changes."""
        if not self.is_measured or memory <= self._need:
            return False
        self._need = memory
        return self._settle()

    def widen(self, gpus: float) -> bool:
        """Take that a trial ran out of memory with this share; tells whether it can be tried with twice of it."""
        if not self.is_measured or gpus >= 1:
            return False
        self._least = max(self._least, min(1.0, 2 * gpus))
        self._settle()
        return True

    def _settle(self) -> bool:
        together = max(1, int(ROOM / self._need)) if self._need else 1
        before, self.gpus = self.gpus, max(self._least, 1 / together)
        return self.gpus != before
