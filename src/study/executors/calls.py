"""A function called in a worker: what is asked, and what the worker sends until it has returned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from study.errors import StudyError
from study.events import Died

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True, slots=True)
class Asked:
    """A function to call, by its import path; `reports` says whether it takes a function that hears of progress."""

    function: str
    arguments: tuple[Any, ...]
    reports: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """How far a called function is: a text, and a share in [0, 1] or None."""

    text: str
    share: float | None


@dataclass(frozen=True, slots=True)
class Returned:
    """What a called function returned."""

    value: Any


@dataclass(frozen=True, slots=True)
class Raised:
    """What a called function raised; `traceback` is empty where the error says all."""

    error: StudyError
    traceback: str = ""


def result_of(replies: Iterable[object], function: str, report: Callable[[str, float | None], None] | None) -> Any:
    """Read what a worker sends for `Asked` until its end: what the function returned.

    Raises:
        StudyError: the function's own, or the worker has died or sent nothing.

    """
    for reply in replies:
        match reply:
            case Told(text, share):
                if report:
                    report(text, share)
            case Returned(value):
                return value
            case Raised(error, trace):
                if trace:
                    error.add_note(trace)
                raise error
            case Died(reason):
                raise StudyError(reason, where=function)
            case other:
                raise AssertionError(other)
    raise StudyError("it has returned nothing", where=function)
