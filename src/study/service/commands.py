"""Commands that the server asks for an answer: models are loaded, and a person's code runs, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from study.errors import InputError, StudyError, Undecided
from study.service.errors import Refused
from study.service.run_as import Places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.service.run_as import Started, User
    from study.settings import Settings

SECONDS = 600.0  # that a command may take
PATIENCE = 10.0  # seconds to wait for the command before it
FRESH = 30.0  # seconds for which the list of models is not asked for again
RAY_ENDS = "Failed to connect to GCS"  # in the last line of a process that Ray ends when its cluster has gone
_one = threading.Lock()  # a registry is changed by one at a time
_listed: dict[str, tuple[float, list[dict[str, Any]]]] = {}


def environment(places: Settings) -> dict[str, str]:
    """Give a command what it needs; secrets of the service are none of its business."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("STUDY_")}
    if user := user_of(places):
        ours |= user.variables()
    kept = {name: os.environ[name] for name in ("STUDY_CACHE", "STUDY_DATA") if name in os.environ}
    return ours | kept | {
        "STUDY_HOME": str(places.home),
        "STUDY_STORAGE": places.storage,
        "STUDY_TRACKING_URI": places.tracking_uri,
    }  # fmt: skip


def user_of(places: Settings) -> User | None:
    """Give the user as whom commands run; None for the server's own."""
    return places.user if isinstance(places, Places) else None


def started(places: Settings) -> Started:
    """Give the arguments of `subprocess.Popen` by which a command has its environment and its user."""
    user = user_of(places)
    return user.started(environment(places)) if user else {"env": environment(places)}


def last_error(text: str) -> str:
    """Find what a command said last: its error, which may have several lines, else its last line."""
    lines = [line for line in text.splitlines() if line.strip()]
    if lines and RAY_ENDS in lines[-1]:
        return "the Ray cluster no longer answers"
    last = next((place for place in range(len(lines) - 1, -1, -1) if lines[place].startswith("error: ")), -1)
    return " ".join(line.strip() for line in lines[last:]).removeprefix("error: ") or "it said nothing"


def answer_of(places: Settings, words: Sequence[str]) -> Any:
    """Run `study WORDS --json` and give its answer.

    Raises:
        InputError: it was asked wrongly.
        Undecided: there are too few examples to tell.
        Refused: it failed, and why; or another one is not done.

    """
    if not _one.acquire(timeout=PATIENCE):
        raise Refused("another command about models is under way", fix="Try again when it is done.")
    try:
        done = subprocess.run(  # noqa: S603 - our own program, its words checked one by one
            [sys.executable, "-m", "study", *words, "--json"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=SECONDS, check=False, **started(places),
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Refused(f"`study {words[0]}` took longer than {SECONDS:.0f} s") from error
    finally:
        _one.release()
    if done.returncode == 0:
        return json.loads(done.stdout)
    kind = {2: InputError, 3: Undecided}.get(done.returncode, Refused)
    raise kind(last_error(done.stderr))


def models(places: Settings) -> list[dict[str, Any]]:
    """List the versions of all models; what is older than half a minute is given at once and asked for again.

    Raises:
        StudyError: as `answer_of`, where nothing was listed before.

    """
    known = _listed.get(places.tracking_uri)
    if known is None:
        return _list(places)
    if time.monotonic() - known[0] > FRESH:
        _listed[places.tracking_uri] = (time.monotonic(), known[1])
        threading.Thread(target=_list_again, args=(places,), name="models", daemon=True).start()
    return known[1]


def _list(places: Settings) -> list[dict[str, Any]]:
    found = answer_of(places, ["models"])
    _listed[places.tracking_uri] = (time.monotonic(), found)
    return found


def _list_again(places: Settings) -> None:
    with suppress(StudyError):  # what was listed before stays
        _list(places)


def changed(places: Settings, words: Sequence[str]) -> Any:
    """Register, promote or roll back. Raises as `answer_of`."""
    try:
        return answer_of(places, words)
    finally:
        _listed.pop(places.tracking_uri, None)
