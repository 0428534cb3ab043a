"""The executor that trains in this process: for notebooks, a debugger and most tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from study.errors import StudyError
from study.events import Died, Epoch, Event, Failed, Finished, Stopped, Stuck
from study.executors.worker import perform
from study.imports import import_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from study.executors import Job, Resources


def call(function: str, *arguments: Any, report: Callable[[str, float | None], None] | None = None) -> Any:
    """Call a function in this process: see `study.executors.Call`."""
    return import_object(function)(*arguments, **({"report": report} if report else {}))


class Inline:
    """Runs one job at a time, up to its next event at each call of `events`.

    torch gets one thread, as in a worker, so that the results are equal to the bit.
    """

    slots = 1
    call = staticmethod(call)

    def __init__(self, device: str = "cpu") -> None:
        """Train on a device, named as torch names it."""
        import torch  # noqa: PLC0415 - only this executor loads torch in the coordinator's process

        self._device = device
        self._threads = torch.get_num_threads()
        self._number = -1
        self._events: Iterator[Event] = iter(())
        self._asks = False  # whether the last epoch waits for its answer
        self._broken = ""
        torch.set_num_threads(1)

    def submit(self, job: Job) -> None:
        """Run a job.

        Raises:
            StudyError: the device has failed in an earlier one, and this process can use it no more.

        """
        if self._broken:
            fix = "Run the same command again. With `--executor local` the search replaces the process by itself."
            raise StudyError(f"{self._broken}; this process can use it no more", fix=fix)
        self._number, self._events, self._asks = job.number, perform(job, self._device), False

    def events(self, timeout: float) -> Sequence[tuple[int, Event]]:  # noqa: ARG002 - an epoch cannot be interrupted
        """Train up to the job's next event; nothing happens while an epoch waits for its answer."""
        event = None if self._asks else next(self._events, None)
        if event is None:
            return ()
        self._asks = isinstance(event, Epoch)
        if isinstance(event, Finished | Failed | Stopped | Stuck | Died):
            self._events = iter(())
        if isinstance(event, Died):
            self._broken = event.reason
        return ((self._number, event),)

    def answer(self, number: int, *, go_on: bool) -> None:
        """Answer the job's Epoch."""
        if number == self._number:
            self._asks = False
            if not go_on:
                self._events = iter((Stopped(),))

    def kill(self, number: int) -> None:
        """Do nothing: a training that hangs here lets nobody ask for it."""

    def close(self) -> None:
        """Drop the job and give torch its threads back."""
        import torch  # noqa: PLC0415 - as above

        self._events, self._asks = iter(()), False
        torch.set_num_threads(self._threads)


def make(resources: Resources) -> Inline:
    """Make the executor; it runs one job at a time, whatever number of workers is asked for.

    Raises:
        DeviceError: this machine has no such device.

    """
    from study.engine.device import pick  # noqa: PLC0415 - as above

    return Inline(pick(resources.device))
