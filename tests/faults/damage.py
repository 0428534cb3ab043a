"""Single flipped bits and cuts in every kind of file: what reading it then gives, beside what was written.

python -m tests.faults.damage --flips 10000 --cuts 1000 --seed 0
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import study
from study.data import packed
from study.engine import checkpoint
from study.errors import StudyError
from study.record.journal import History, Journal
from study.tracking import cursor
from tests.faults.running import SMALL

if TYPE_CHECKING:
    from collections.abc import Callable

OUTCOMES = ("refused", "equal", "started over", "wrong", "crashed")
EMPTY: Any = object()  # what is read as if it had never been written: done again, so nothing is wrong


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file: where it is, how it is read, and which bytes are damaged."""

    name: str
    file: Path
    read: Callable[[], Any]
    first: int = 0  # byte from which damage is done
    last: int | None = None  # byte up to which


def home(folder: Path) -> list[Kind]:
    """Make one file of each kind, by a search and by their own writers."""
    os.environ["STUDY_CACHE"] = str(folder / "cache")
    place = folder / "home"
    study.run(study.load(str(SMALL)), 2, home=place, executor="inline", track=False)
    journal = Journal(place / "studies" / "small")
    trial = journal.trial(1)
    journal.store_groups({"baseline": {"0": 0.5, "1": 0.625}, "slow": {"0": 0.25, "1": 0.375}})
    journal.record_opening(
        {"time": 1.5, "command": "study confirm small", "study": "small", "recipes": ["ab"], "seeds": [1]}
    )
    sent = {number: cursor.SentTrial(f"run{number}", f"uid{number}", 0, 3, "complete", 0.5, 1.5) for number in range(2)}
    cursor.store(journal, "server", cursor.Cursor("run", "summary", sent))
    checkpoint.save(trial.checkpoint, {"epochs": [{"number": 1}], "state": {"model": {"weights": torch.arange(64.0)}}})
    rows = np.arange(120, dtype=np.uint8).reshape(10, 2, 2, 3)
    labels = np.arange(10) % 2
    arrays = {"train_x": rows, "train_y": labels, "test_x": rows[:4], "test_y": labels[:4]}
    pack = packed.write("mine", arrays, kind="image", classes=["a", "b"], source="made", imported=True)
    log = trial.path / "log.jsonl"
    last = log.read_bytes().rstrip(b"\n").rfind(b"\n") + 1
    folder_files = [
        Kind("log.jsonl, before its last line", log, trial.history, 0, last - 1),
        Kind("log.jsonl, its last line", log, trial.history, last - 1),
        Kind("recipe.json", trial.path / "recipe.json", trial.recipe),
        Kind("trial.json", trial.path / "trial.json", trial.about),
        Kind("best.safetensors", trial.best, lambda: _tensors(trial.best)),
        Kind("checkpoint.pt", trial.checkpoint, lambda: _checkpoint(trial.checkpoint)),
    ]
    return [
        *folder_files,
        Kind("study.json", journal.definition_file, journal.definition),
        Kind("run.json", journal.folder / "run.json", lambda: journal.question("run")),
        Kind("groups.json", journal.folder / "groups.json", journal.groups),
        Kind("openings.json", journal.folder / "openings.json", journal.openings),
        Kind("mirror.json", journal.folder / "mirror.json", lambda: _cursor(journal)),
        Kind("pack", pack.path, lambda: _pack("mine")),
    ]


def _tensors(file: Path) -> Any:
    return {name: tensor.tolist() for name, tensor in checkpoint.load_weights(file).items()}


def _checkpoint(file: Path) -> Any:
    found, damaged = checkpoint.recover(file)
    if found is None:
        file.with_name("checkpoint.pt.damaged").unlink()
        assert damaged  # it is said
    return EMPTY if found is None else repr(found)


def _cursor(journal: Journal) -> Any:
    found = cursor.load(journal, "server")
    return EMPTY if found == cursor.Cursor() else found


def _pack(name: str) -> Any:
    packed._whole.clear()  # as in a process of its own
    pack = packed.find(name)
    if pack is None:
        return EMPTY
    return pack, {array: values.tobytes() for array, values in packed.read(pack).items()}


def outcome(kind: Kind, whole: Any, *, is_cut: bool) -> str:
    """Read a damaged file: one of OUTCOMES."""
    try:
        found = kind.read()
    except StudyError:
        return "refused"
    except Exception:  # whatever else it raises is what is looked for
        return "crashed"
    if found is EMPTY:
        return "started over"
    if repr(found) == repr(whole):
        return "equal"
    return "started over" if is_cut and isinstance(found, History) and _is_earlier(found, whole) else "wrong"


def _is_earlier(found: History, whole: History) -> bool:
    """Tell whether a history is the beginning of another: the rest of the trial is done again, to the bit."""
    return found.ended is None and found.epochs == whole.epochs[: len(found.epochs)]


def campaign(folder: Path, flips: int, cuts: int, seed: int, only: str = "") -> dict[str, Counter]:
    """Damage each kind of file in turn.

    Args:
        folder: an empty one.
        flips: of single bits, over all kinds.
        cuts: of the end of a file, over all kinds.
        seed: of the places.
        only: name of the one kind to damage; all if empty.

    Returns:
        How often each of OUTCOMES came, by kind.

    """
    chance, found = random.Random(seed), {}
    kinds = [kind for kind in home(folder) if only in {"", kind.name}]
    for kind in kinds:
        content, whole = kind.file.read_bytes(), kind.read()
        last = len(content) if kind.last is None else kind.last
        count = found[kind.name] = Counter()
        for number in range((flips + cuts) // len(kinds)):
            at = chance.randrange(kind.first, last)
            damaged = bytearray(content)
            is_cut = number * (flips + cuts) >= flips * ((flips + cuts) // len(kinds))
            if is_cut:
                del damaged[at:]
            else:
                damaged[at] ^= 1 << chance.randrange(8)
            kind.file.write_bytes(damaged)
            count[outcome(kind, whole, is_cut=is_cut)] += 1
        kind.file.write_bytes(content)
        assert repr(kind.read()) == repr(whole)
    return found


def table(found: dict[str, Counter]) -> str:
    """Show the figures as Markdown."""
    rows = ["| file | " + " | ".join(OUTCOMES) + " |", "|---" * (1 + len(OUTCOMES)) + "|"]
    rows += [f"| {name} | " + " | ".join(str(count[each]) for each in OUTCOMES) + " |" for name, count in found.items()]
    return "\n".join(rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=10_000)
    parser.add_argument("--cuts", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="study-damage-"))
    print(table(campaign(folder, asked.flips, asked.cuts, asked.seed)))
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
