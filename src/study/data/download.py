"""Download one file: gives up soon without a network, reports its progress, and leaves no partial file."""

from __future__ import annotations

import os
import queue
import threading
import urllib.error
import urllib.request
from hashlib import md5 as new_md5
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from study.errors import PlaceError
from study.record import atomic_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from study.data.reports import Report

ANSWER = 8.0  # seconds in which the servers must respond, all together: name look-up and redirects included
STALL = 30.0  # seconds without data after which a connection counts as dead
CHUNK = 2**18  # bytes
NETWORK = (OSError, HTTPException, ValueError)  # ValueError: an invalid proxy address


def intact(path: Path, md5: str) -> bool:
    """Tell whether a file exists and has this MD5, in hex. It protects against damage, not against forgery."""
    if not path.is_file():
        return False
    digest = new_md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest() == md5


def fetch(urls: Sequence[str], target: Path, md5: str, report: Report) -> None:
    """Fetch a file from the first of several servers that has it.

    Args:
        urls: of the same file on several servers.
        target: path of the file to write; its folder must exist.
        md5: of the file, in hex.
        report: called with a text and the share that is done, in [0, 1].

    Raises:
        ConnectionError: no server delivered the file; gives the reasons in one line.
        PlaceError: the disk is full or cannot be written.

    """
    reasons: list[str] = []
    for url in urls:
        try:
            _fetch(url, target, md5, report, ANSWER / len(urls))
        except NETWORK as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            reasons.append(" ".join(str(getattr(error, "reason", None) or error).split()))
        else:
            return
    raise ConnectionError("; ".join(dict.fromkeys(reasons)))


def _fetch(url: str, target: Path, md5: str, report: Report, seconds: float) -> None:
    part = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with _answer(url, seconds) as answer, part.open("wb") as file:
            total, done = int(answer.headers.get("Content-Length") or 0), 0
            while chunk := answer.read(CHUNK):
                _write(file, chunk)
                done += len(chunk)
                if total:
                    report(f"Downloading {target.name}", min(1.0, done / total))
        if not intact(part, md5):
            raise ConnectionError("the downloaded file is not the right one (its MD5 differs)")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _answer(url: str, seconds: float) -> Any:
    """Wait for a server's response, in a separate thread because a name look-up has no timeout."""
    answers: queue.Queue[Any] = queue.Queue()

    def ask() -> None:
        try:
            request = urllib.request.Request(url, headers={"User-Agent": "study"})  # noqa: S310 - torchvision's own URLs
            opener = urllib.request.build_opener()  # urlopen would keep the proxies of its first call
            answers.put(opener.open(request, timeout=STALL))
        except NETWORK as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer in {seconds:.0f} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _write(file: Any, chunk: bytes) -> None:
    try:
        file.write(chunk)
    except OSError as error:
        reason = "the disk is full" if atomic_files.is_full(error) else f"cannot be written: {error.strerror}"
        raise PlaceError(reason, where=file.name, fix="Free some space, or point STUDY_DATA elsewhere.") from error
