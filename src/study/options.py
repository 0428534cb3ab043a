"""How trials are run: how many, where, by which sampler and pruner, for how long."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from study.errors import InputError
from study.sampling.pruning import PRUNERS
from study.sampling.trials import SAMPLERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to search.

    Args:
        trials: finished trials, complete or pruned, that the study has in the end.
        workers: jobs at a time; None is one a core, or one a GPU.
        device: auto, cpu, cuda, cuda:1, mps.
        executor: local (processes) or inline (this process, one job at a time).
        sampler: a name in `SAMPLERS`.
        pruner: a name in `PRUNERS`; variants are never pruned, they are what is asked about.
        seed: of the sampler, and of every trial's recipe that has a seed and was not given one.
        timeout: seconds after which running trials save their epoch and the search ends, and all that follows on it.
        accept: go on with a stored study that was defined otherwise.
        track: mirror to MLflow while searching.
        began: when the timeout began to run, of `time.monotonic`.

    """

    trials: int = 100
    workers: int | None = None
    device: str = "auto"
    executor: str = "local"
    sampler: str = "tpe"
    pruner: str = "median"
    seed: int = 0
    timeout: float | None = None
    accept: bool = False
    track: bool = True
    began: float = field(default_factory=time.monotonic, compare=False)

    @property
    def deadline(self) -> float:
        """When the time is up, of `time.monotonic`; never, without a timeout."""
        return math.inf if self.timeout is None else self.began + self.timeout

    def check(self) -> None:
        """Refuse what cannot be.

        Raises:
            InputError: which option, and what it may be.

        """
        for name, value, known in (
            ("sampler", self.sampler, tuple(SAMPLERS)),
            ("pruner", self.pruner, tuple(PRUNERS)),
            ("executor", self.executor, ("local", "inline")),
        ):
            if value not in known:
                raise InputError(f"unknown {name} {value!r}", fix=f"There are: {', '.join(known)}.")
        for name, number in (("trials", self.trials), ("workers", self.workers)):
            if number is not None and number < 1:
                raise InputError(f"--{name} must be 1 or more, not {number}")
