"""How trials are run: how many, where, by which sampler and pruner, for how long."""

from __future__ import annotations

import math
import os
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from study import choices
from study.errors import InputError
from study.executors import Resources
from study.executors.table import EXECUTORS
from study.sampling.table import PRUNER, PRUNERS, SAMPLER, SAMPLERS

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from study.executors import Call, Executor

TRIALS = 100  # of a search that names no number


@dataclass(slots=True)
class Allowance:
    """How many trials a command may still finish, in all its stages, before it ends and waits to be started again.

    Args:
        left: 0 or more; None is any number.

    """

    left: int | None = None

    @classmethod
    def given(cls) -> Allowance:
        """Read what a server allows from `STUDY_ALLOWANCE`, which it sets for the commands that it starts."""
        text = os.environ.get("STUDY_ALLOWANCE", "")
        return cls(int(text) if text.isdigit() else None)

    def take(self, finished: int) -> None:
        """Count trials that were finished."""
        if self.left is not None:
            self.left = max(0, self.left - finished)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run a search, a comparison, a confirmation or an ablation.

    An object can be used for several runs: each has the full time. To run several under one deadline, give each of
    them the same `started()` copy.

    Args:
        trials: finished trials, complete or pruned, that the study has in the end.
        workers: jobs at a time; one a core, or one a GPU, if None.
        device: auto, cpu, cuda, cuda:1.
        executor: a name in `study.executors.table.EXECUTORS`.
        sampler: a name in `study.sampling.table.SAMPLERS`; None is the stored study's, else tpe.
        pruner: a name in `study.sampling.table.PRUNERS`; None is the stored study's, else median. A study's variants
            are never pruned.
        seed: of the sampler, and of every trial's recipe that has a seed and was not given one. None is the stored
            study's; in a new one 0 for the sampler, and the recipes as they are.
        timeout: seconds of a run; then running trials finish and save their epoch, and no other trial starts.
        hang: an epoch that takes this many times the longest so far, and over 5 minutes, is killed and retried; 0 for
            never. An epoch in this process, as with the executor `inline`, cannot be killed.
        address: of a Ray cluster, auto or HOST:PORT; empty is RAY_ADDRESS, else Ray is started on this machine.
        cpus_per_trial: of a node of a cluster, more than 0.
        gpus_per_trial: of a node of a cluster, 0 or more; None is one where there are any; auto is one at first, then
            the share that the memory of the trials so far allows.
        shared_home: whether all nodes of a cluster see the home folder at the same path: trials write their checkpoints
            and weights there, instead of sending them.
        accept: continue a stored study whose definition was another one.
        track: mirror to MLflow while trials run.
        allowance: trials that may be finished before the command ends, resumably.
        began: when the run began, by `time.monotonic`; `started` sets it.

    """

    trials: int = TRIALS
    workers: int | None = None
    device: str = "auto"
    executor: str = "local"
    sampler: str | None = None
    pruner: str | None = None
    seed: int | None = None
    timeout: float | None = None
    hang: float = 10.0
    address: str = ""
    cpus_per_trial: float = 1.0
    gpus_per_trial: float | Literal["auto"] | None = None
    shared_home: bool = False
    accept: bool = False
    track: bool = True
    allowance: Allowance = field(default_factory=Allowance.given, compare=False)
    began: float | None = field(default=None, compare=False)

    def started(self) -> Options:
        """Give a copy whose time runs from now; a copy that was started before is left as it is."""
        return self if self.began is not None else replace(self, began=time.monotonic())

    def continuing(self, stored: Mapping[str, Any] | None) -> Options:
        """Give a copy whose sampler, pruner and seed are those of the stored study where none were given."""
        known = stored or {}
        sampler, pruner = known.get("sampler") or SAMPLER, known.get("pruner") or PRUNER
        was_given = known.get("seed") or (known.get("recipe") or {}).get("seed") == 0  # else 0 stands for no seed
        seed = known["seed"] if self.seed is None and was_given else self.seed
        return replace(self, sampler=self.sampler or sampler, pruner=self.pruner or pruner, seed=seed)

    @property
    def deadline(self) -> float:
        """When the time is up, by `time.monotonic`: infinity without a timeout; from now on if not started."""
        began = time.monotonic() if self.began is None else self.began
        return math.inf if self.timeout is None else began + self.timeout

    def make_executor(self) -> Executor:
        """Make the executor; close it after use.

        Raises:
            InputError: the device is not there, or the executor's extra is not installed.

        """
        resources = Resources(
            self.device, self.workers, self.address, self.cpus_per_trial, self.gpus_per_trial, self.shared_home
        )
        return EXECUTORS[self.executor].load()(resources)

    @contextmanager
    def calling(self) -> Generator[Call]:
        """Give a function that calls another one where torch is, by `study.executors.Call`; ends its worker after use.

        Nothing starts before the first call.
        """
        with ExitStack() as stack:
            made: list[Executor] = []

            def call(*arguments: Any, **more: Any) -> Any:
                if not made:
                    made.append(stack.enter_context(closing(self.make_executor())))
                return made[0].call(*arguments, **more)

            yield call

    def check(self) -> None:
        """Check the names and the numbers.

        Raises:
            InputError: which option is wrong, and what it may be.

        """
        choices.check("sampler", self.sampler or SAMPLER, SAMPLERS)
        choices.check("pruner", self.pruner or PRUNER, PRUNERS)
        choices.check("executor", self.executor, EXECUTORS)
        for name, number in (("trials", self.trials), ("workers", self.workers)):
            if number is not None and number < 1:
                raise InputError(f"--{name} must be 1 or more, not {number}")
        if not 0 <= self.hang < math.inf:
            raise InputError(f"--hang must be a number, 0 or more, not {self.hang:g}", fix="0 waits for ever.")
        if self.timeout is not None and not 0 < self.timeout <= math.inf:
            raise InputError(f"--timeout must be above 0, not {self.timeout:g}")
        if isinstance(self.gpus_per_trial, str) and self.gpus_per_trial != "auto":
            raise InputError(f"--gpus-per-trial must be a number or auto, not {self.gpus_per_trial!r}")
        for name, share in (("cpus", self.cpus_per_trial), ("gpus", self.gpus_per_trial)):
            if share is None or isinstance(share, str):
                continue
            if not (0 < share < 1 or (share >= (name == "cpus") and float(share).is_integer())):
                fits = "a whole number, or a share between 0 and 1"
                raise InputError(f"--{name}-per-trial must be {fits}, not {share:g}")
        if self.gpus_per_trial and self.device == "cpu":
            raise InputError("has no effect with --device cpu", where="--gpus-per-trial", fix="Leave one of them out.")
