"""What a trainer on another node sends: an event as JSON, and the files that changed as bytes; checked before use."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, deserialize

from study import errors
from study.errors import PlaceError
from study.events import Died, Epoch, Event, Failed, Finished, Started, Stopped, Stuck
from study.record import atomic_files, checked, weights

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from study.executors import Job

OUTPUT = "output.log"
FILES = ("best", "last", "correct", "checkpoint")  # of a job, as they are written: the checkpoint vouches for the rest
KINDS = {each.__name__: each for each in (Started, Epoch, Finished, Stopped, Failed, Stuck, Died)}
Text = dict[str, str]


class BadMessage(ValueError):
    """What a trainer has sent is no event or no file of ours; nothing of it was written."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The next event of a job.

    Args:
        attempt: the number of the attempt that it is of.
        event: as JSON.
        files: content of each file that has changed, by name; of the output what is new.
        moved: names of the files that have changed and were written where the coordinator finds them.
        memory: share of its GPU's memory that the job has needed so far; 0 without a GPU.

    """

    attempt: int
    event: str
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    memory: float = 0.0
    moved: tuple[str, ...] = ()


def encode(event: Event) -> str:
    """Write an event as JSON, which a training's report is."""
    match event:
        case Epoch(number, metrics, seconds, last=last):
            values: dict[str, Any] = {"number": number, "metrics": dict(metrics), "seconds": seconds, "last": last}
        case Stuck(error):
            values = {"kind": type(error).__name__, "what": error.what, "where": error.where, "fix": error.fix}
        case _:
            values = asdict(event)
    return json.dumps({"event": type(event).__name__, **values})


def decode(text: str) -> Event:
    """Read an event.

    Raises:
        BadMessage: it is no event.

    """
    try:
        values: dict[str, Any] = json.loads(text)
        kind = KINDS[values.pop("event")]
        if kind is Stuck:
            named = getattr(errors, values.pop("kind"), PlaceError)
            is_place = isinstance(named, type) and issubclass(named, PlaceError)
            return Stuck((named if is_place else PlaceError)(**_texts(values)))
        if kind is Epoch:
            metrics = {str(name): float(value) for name, value in values["metrics"].items()}
            last = values["last"] if values["last"] is None else bool(values["last"])
            return Epoch(int(values["number"]), metrics, float(values["seconds"]), last=last)
        event = kind(**values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadMessage(f"no event: {type(error).__name__}: {error}"[:200]) from error
    if isinstance(event, Finished) and not isinstance(event.evaluation, dict | None):
        raise BadMessage(f"the training returns a {type(event.evaluation).__name__}, not a report")
    return event


def places_of(job: Job) -> dict[str, Path]:
    """Give the files that a job's training writes, by their names in `Job`."""
    return {name: place for name in FILES if (place := getattr(job, name)) is not None}


def write(job: Job, files: Mapping[str, bytes]) -> None:
    """Write what a trainer has sent into the job's folder; all of it is checked first.

    Raises:
        BadMessage: a file is not ours, or not as it was written; nothing is written.
        PlaceError: the disk is full or cannot be written.

    """
    places = {each.name: each for each in places_of(job).values()}
    for name, content in files.items():
        if name not in places and name != OUTPUT:
            raise BadMessage(f"a file {name!r}")
        if name != OUTPUT and not _is_whole(name, content):
            raise BadMessage(f"{name} is not as it was written")
    if output := files.get(OUTPUT):
        atomic_files.append(job.checkpoint.with_name(OUTPUT), output)
    for name, place in places.items():
        if (content := files.get(name)) is not None:
            before = atomic_files.before(place) if place == job.checkpoint else None
            atomic_files.replace(place, [content], before=before)


def take(job: Job, names: Collection[str], folder: Path) -> None:
    """Take files that a trainer has written beside the job's into their places; only the small one is read.

    Raises:
        BadMessage: a file is not ours, or not there; nothing is taken.
        PlaceError: the folder cannot be written.

    """
    places = {each.name: each for each in places_of(job).values()}
    for name in names:
        if name not in places or not (folder / name).is_file():
            raise BadMessage(f"no file {name!r}")
        if name.endswith(".json") and not _is_checked((folder / name).read_bytes()):
            raise BadMessage(f"{name} is not as it was written")
    try:
        for name, place in places.items():
            if name not in names:
                continue
            if place == job.checkpoint and place.exists():
                place.replace(atomic_files.before(place))
            (folder / name).replace(place)
        if names:
            atomic_files.sync_folder(job.checkpoint.parent)
    except OSError as error:
        raise atomic_files.cannot_write(job.checkpoint, error) from error


def _is_whole(name: str, content: bytes) -> bool:
    match Path(name).suffix:
        case ".json":
            return _is_checked(content)
        case ".pt":
            return weights.is_whole_checkpoint(content)
        case _:
            return _is_weights(content)


def _is_checked(content: bytes) -> bool:
    try:
        checked.decode(content)
    except ValueError:
        return False
    return True


def _is_weights(content: bytes) -> bool:
    try:
        deserialize(content)
    except SafetensorError:
        return False
    return weights.is_whole(content)


def _texts(values: Mapping[str, Any]) -> Text:
    return {name: str(value) for name, value in values.items()}
