"""Executors run jobs and report their events: what a job is, and the methods of an executor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from study.definition import Study
    from study.events import Event
    from study.metric import Metric
    from study.record.journal import TrialFolder


@dataclass(frozen=True, slots=True)
class Job:
    """One training to run. It is complete: the process that trains needs nothing else.

    Args:
        number: the trial's number; its events carry it.
        recipe: every knob, as JSON values.
        recipe_type: import path of the recipe's class.
        train: import path of the training, `train(recipe, resume) -> Iterator[Epoch]`.
        metric: decides which epoch is the best; its name is a key of `Epoch.metrics`.
        checkpoint: file to resume from if it exists, replaced after every epoch.
        best: file for the weights of the best epoch so far.
        last: file for the weights of the finished training, unless these are the best ones.
        test: whether the finished model is also judged on the test split.
        chip: processor or GPU of the cluster's node that made its checkpoint; empty without one, or on one machine.
        correct: file for which test examples it got right; None to keep none.
        data: name and sha256 of the data set that the study was checked with; empty for a training of one's own.

    """

    number: int
    recipe: Mapping[str, Any]
    recipe_type: str
    train: str
    metric: Metric
    checkpoint: Path
    best: Path
    last: Path
    test: bool = False
    chip: str = ""
    correct: Path | None = None
    data: tuple[str, str] | tuple[()] = ()

    @classmethod
    def of(
        cls,
        study: Study,
        number: int,
        recipe: Mapping[str, Any],
        folder: TrialFolder,
        *,
        test: bool = False,
        chip: str = "",
        data: Mapping[str, Any] | None = None,
    ) -> Job:
        """Make the job of one of the study's trials, whose files are kept in the folder.

        Raises:
            StudyFileError: another process cannot import the training or the recipe's class.

        """
        from study.imports import reference_to  # noqa: PLC0415 - pydantic, which starting the server does not need

        return cls(
            number=number,
            recipe=recipe,
            recipe_type=reference_to(type(study.recipe)),
            train=reference_to(study.train),
            metric=study.followed,
            checkpoint=folder.checkpoint,
            best=folder.best,
            last=folder.last,
            test=test,
            chip=chip,
            correct=folder.correct,
            data=(data["name"], data["sha256"]) if data else (),
        )


@dataclass(frozen=True, slots=True)
class Resources:
    """What an executor may use.

    Args:
        device: auto, cpu, cuda, cuda:1.
        workers: jobs at a time; the executor decides if None.
        address: of a cluster; empty starts one on this machine.
        cpus: of a node that a job takes, more than 0.
        gpus: of a node that a job takes, 0 or more; None is one where the cluster has any, auto begins so and then
            takes the share that the memory of the trainings allows.
        shared_home: whether all nodes of a cluster see the files of the jobs at the same paths.

    """

    device: str = "auto"
    workers: int | None = None
    address: str = ""
    cpus: float = 1.0
    gpus: float | Literal["auto"] | None = None
    shared_home: bool = False


class Call(Protocol):
    """Calls a function where torch is, and returns what it returns."""

    def __call__(
        self, function: str, *arguments: Any, report: Callable[[str, float | None], None] | None = None
    ) -> Any:
        """Call a function by its import path.

        Args:
            function: import path; its module may load torch.
            arguments: for the function; they and its value are pickled where another process calls it.
            report: is handed to the function as its keyword argument `report`, if given: a text, and a share in
                [0, 1] or None.

        Raises:
            StudyError: that of the function, or the worker has died.

        """
        ...


class Executor(Protocol):
    """Runs up to `slots` jobs at a time.

    The events of a job come in this order: Started, the epochs of its checkpoint, new epochs, and last one of
    Finished, Stopped, Failed, Stuck or Died. The worker replaces the checkpoint before it sends an epoch. Then it
    waits for the answer, so that a pruned trial takes no step too many. After any of the last events the slot is
    free, after Died too; an executor never runs a job again by itself. All methods are called from one thread.

    tests/contracts/test_executor.py holds every executor of `study.executors.table` to this.
    """

    slots: int
    call: Call  # while no job runs, it waits for the function's end

    def submit(self, job: Job) -> None:
        """Run a job; the caller submits no more than `slots` at a time."""
        ...

    def events(self, timeout: float) -> Sequence[tuple[int, Event]]:
        """Wait up to `timeout` seconds for events; returns job numbers with their events, oldest first."""
        ...

    def answer(self, number: int, *, go_on: bool) -> None:
        """Answer an Epoch of a job, exactly once: train the next epoch, or stop, which Stopped confirms."""
        ...

    def kill(self, number: int) -> None:
        """End the process of a job that hangs, which Died confirms; nothing where it is the caller's own process."""
        ...

    def close(self) -> None:
        """End all processes at once; a second call does nothing."""
        ...
