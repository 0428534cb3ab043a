"""Executors run jobs and tell what becomes of them; what a job is, and the four methods that an executor has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from study.definition import reference_to

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from study.definition import Study
    from study.events import Event
    from study.record.journal import TrialFolder


@dataclass(frozen=True, slots=True)
class Job:
    """One training to run, complete: nothing else has to cross to the process that trains.

    Args:
        number: the trial's number, by which its events are told apart.
        recipe: every knob, as JSON values.
        recipe_type: import path of the recipe's class.
        train: import path of the training, `train(recipe, resume) -> Iterator[Epoch]`.
        metric: the name in `Epoch.metrics` by which the best epoch is known.
        maximize: whether more of it is better.
        checkpoint: file to go on from, if it is there, and to replace after every epoch.
        best: file for the weights of the best epoch so far.
        last: file for the weights of the finished training, unless they are the best ones.
        test: whether the finished model is also judged on the test split.

    """

    number: int
    recipe: Mapping[str, Any]
    recipe_type: str
    train: str
    metric: str
    maximize: bool
    checkpoint: Path
    best: Path
    last: Path
    test: bool = False

    @classmethod
    def of(
        cls, study: Study, number: int, recipe: Mapping[str, Any], folder: TrialFolder, *, test: bool = False
    ) -> Job:
        """Make the job of one of the study's trials, whose files lie in the folder.

        Raises:
            StudyFileError: the training or the recipe's class cannot be imported by another process.

        """
        return cls(
            number=number,
            recipe=recipe,
            recipe_type=reference_to(type(study.recipe)),
            train=reference_to(study.train),
            metric=study.metric,
            maximize=study.direction == "maximize",
            checkpoint=folder.checkpoint,
            best=folder.best,
            last=folder.last,
            test=test,
        )


class Executor(Protocol):
    """Runs up to `slots` jobs at a time.

    Of one job the events come in this order: Started, the epochs that its checkpoint holds, new epochs, and last one
    of Finished, Stopped, Failed, Stuck or Died. The worker has replaced the checkpoint before it sends an epoch, and
    then waits for an answer, so that a pruned trial costs not one step too many. After Died the executor is as good as
    before; it never runs a job again by itself. All methods are called from one thread.
    """

    slots: int

    def submit(self, job: Job) -> None:
        """Run a job; the caller sees to it that no more than `slots` are under way."""
        ...

    def events(self, timeout: float) -> Sequence[tuple[int, Event]]:
        """Wait up to `timeout` seconds for something to happen; job numbers with their events, oldest first."""
        ...

    def answer(self, number: int, *, go_on: bool) -> None:
        """Answer a job's Epoch, each of them once: the next epoch, or no more; then Stopped follows."""
        ...

    def close(self) -> None:
        """End all processes at once; safe to call twice."""
        ...
