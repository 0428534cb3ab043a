"""What the loop is given: a source of trials, and a watch over what happens outside the trainings."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from study.errors import StudyError
    from study.progress import Notice
    from study.sampling.trials import NextTrial, Trials


class Source(Protocol):
    """A source of trials: a search asks Optuna, a comparison has a list."""

    at_once: ClassVar[bool]  # whether further trials can be asked for before the folders of the last ones are there

    def target(self, trials: Trials) -> int:
        """Return the number of finished trials at the end; an upper bound if it is unknown."""
        ...

    def is_done(self, trials: Trials) -> bool:
        """Tell whether there is nothing left to run."""
        ...

    def next(self, trials: Trials, under_way: Collection[int]) -> NextTrial | None:
        """Return the next trial, interrupted ones first; None while all remaining trials are running."""
        ...

    def may_prune(self, trial: NextTrial) -> bool:
        """Tell whether the trial may be stopped early."""
        ...


class Watch(Protocol):
    """Watches what happens outside the trainings, such as an unavailable database."""

    over: StudyError | None  # why the search must end after the current epochs

    def look(self) -> Iterator[Notice]:
        """Yield new notices; called about twice a second."""
        ...
