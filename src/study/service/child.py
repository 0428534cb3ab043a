"""The command that is an attempt of a run: how it begins, is told to end, and what it has said in the run's folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from study.record.owner import is_dead
from study.schemas.service import Asked
from study.service import commands, run_request

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from study.service.machines import Machines
    from study.settings import Settings


@dataclass(slots=True)
class Child:
    """A running attempt of a run.

    Args:
        row: of the run, with the token of its claim.
        who: the process: machine, number, start; empty before it has begun.
        process: None for a child that a killed server has started.
        studies: that it was seen to run.
        sent: the wish that was sent to it, and when.
        over: when it was seen to have ended, in seconds since 1970; None before.

    """

    row: dict[str, Any]
    who: Mapping[str, Any]
    process: subprocess.Popen[bytes] | None = None
    studies: list[str] = field(default_factory=list[str])
    sent: tuple[str, float] = ("", 0.0)
    over: float | None = None

    def ended(self) -> tuple[bool, int | None]:
        """Tell whether it has ended, and with which exit code, if that can be known; note when that was seen."""
        code = self.process.poll() if self.process is not None else None
        over = code is not None if self.process is not None else is_dead(self.who)
        if over and self.over is None:
            self.over = time.time()
        return over, code

    def signal(self, number: int) -> None:
        """Send a signal to the whole group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.who["pid"], number)


def begin(
    row: Mapping[str, Any], folder: Path, places: Settings, machines: Machines
) -> tuple[subprocess.Popen[bytes], int]:
    """Start the command of a run, whose answer and messages go into a folder.

    Returns:
        The process, and the size of the file of messages, to which earlier attempts have written.

    Raises:
        OSError: a full disk, or no process more.
        ValidationError: what was asked, by an older version of ours, is no more what can be asked.

    """
    folder.mkdir(parents=True, exist_ok=True)
    asked = Asked.model_validate_json(row["asked"])
    file = None
    if asked.file is not None:
        file = folder / f"{asked.file.name}.py"
        file.write_text(asked.file.content, encoding="utf-8")
    words = [*run_request.words(asked, row["slots"], file), *machines.words(asked.device)]
    command = [sys.executable, "-m", "study", *words]
    started = commands.started(places)
    started["env"]["STUDY_SERVED"] = "1"
    if row["allowance"] is not None:
        started["env"]["STUDY_ALLOWANCE"] = str(row["allowance"])
    with (folder / "answer.jsonl").open("wb") as answer, (folder / "messages.log").open("ab") as messages:
        before = messages.tell()
        process = subprocess.Popen(  # noqa: S603 - our own program, its words checked one by one
            command, stdin=subprocess.DEVNULL, stdout=answer, stderr=messages, start_new_session=True, **started,
        )  # fmt: skip
        return process, before


def answer(folder: Path) -> dict[str, Any] | None:
    """Read the last line of JSON that a command has printed."""
    try:
        lines = (folder / "answer.jsonl").read_text(encoding="utf-8").splitlines()
        return json.loads(lines[-1]) if lines else None
    except (OSError, ValueError):
        return None


def said(folder: Path, before: int) -> str:
    """Read what a command said last: its error, which may have several lines, else its last line.

    Args:
        folder: of its run.
        before: bytes of messages that were there when it began.

    """
    try:
        content = (folder / "messages.log").read_bytes()[before:]
    except OSError:
        content = b""
    return commands.last_error(content.decode("utf-8", "replace"))
