"""Fuzzes by coverage: Atheris changes bytes so that they reach new lines of our readers, a million inputs in all.

    uv pip install atheris
    python -m tests.faults.guided --inputs 1000000                 a table of readers, inputs and crashes
    python -m tests.faults.guided --target table --replay FILE     one input again, with its traceback

Atheris ends the process that it runs in, so each reader has one of its own. A reader may refuse its bytes by an error
of ours; any other exception is a crash, whose input is kept.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

DONE = re.compile(r"Done (\d+) (?:runs )?in")
SLOW = {"table": 0.02, "archive": 0.02, "command": 0.05}  # readers of whole imports and commands: their share of inputs


def targets(folder: Path) -> dict[str, tuple[Callable[[bytes], object], list[bytes]]]:
    """Give each reader by name, with files that it reads as they are.

    Args:
        folder: an empty one, for files that are read from a disk.

    """
    import study
    from study import cli, formatting, request
    from study.data import packed
    from study.engine import checkpoint
    from study.errors import StudyError
    from study.record import checked
    from study.record.journal import TrialFolder
    from tests.faults import test_fuzz_files as whole

    ours = study.load("mnist_optimizers")

    def written(name: str, content: bytes) -> Path:
        path = folder / name
        path.write_bytes(content)
        return path

    def log(content: bytes) -> None:
        written("log.jsonl", content)
        TrialFolder(folder).history()

    def record(content: bytes) -> None:
        checked.read(written("trial.json", content))

    def state(content: bytes) -> None:
        checkpoint.load(written("checkpoint.pt", whole.packed_state(content)))

    def pack(content: bytes) -> None:
        file = packed.file_of("mine")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        packed.verify(packed.find("mine"))

    def recipe(content: bytes) -> None:
        ours.fix(request.overrides(content.decode(errors="surrogateescape").split("\n")))

    def table(content: bytes) -> None:
        study.import_data("mine", written("a.csv", content), label="label", force=True)

    def archive(content: bytes) -> None:
        study.import_data("mine", written("a.zip", content), force=True)

    def command(content: bytes) -> None:
        words = [word for word in content.decode(errors="surrogateescape").split("\n") if word]
        if {"ui", "serve", "login", "attach"} & set(words):
            return
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), contextlib.suppress(SystemExit):
            cli.exit_code(words)
        if "This is a bug" in said.getvalue():
            raise RuntimeError(said.getvalue())

    def url(content: bytes) -> None:
        formatting.without_password(content.decode(errors="surrogateescape"))

    readers: dict[str, tuple[Callable[[bytes], object], list[bytes]]] = {
        "log": (log, [b"".join(map(whole.line, whole.EVENTS))]),
        "record": (record, [checked.encode({"params": {"lr": 0.1}, "metric": "val_accuracy", "created": 1.0})]),
        "checkpoint": (state, [whole.STATE]),
        "pack": (pack, []),
        "recipe": (recipe, [b"lr=0.1\nhidden=[64, 64]", b"activation=relu\nepochs=3\ngrad_clip=null"]),
        "command": (command, [b"run\nx\n--trials\n3", b"show\nmade\n--json", b"data\nimport\nx\ny"]),
        "storage URL": (url, [b"postgresql://u:p@127.0.0.1:5432/db?sslmode=require"]),
        "table": (table, [whole.CSV]),
        "archive": (archive, [whole.zipped()]),
    }  # fmt: skip

    def refusing(read: Callable[[bytes], object]) -> Callable[[bytes], object]:
        def reader(content: bytes) -> None:
            with contextlib.suppress(StudyError):
                read(content)

        return reader

    return {name: (refusing(read), files) for name, (read, files) in readers.items()}


def fuzz(target: str, inputs: int, replay: str | None) -> None:
    """Fuzz one reader in this process, which Atheris ends."""
    import atheris

    with atheris.instrument_imports(include=["study"]):
        import study  # noqa: F401 - instrumented

        folder = Path(tempfile.mkdtemp(prefix="study-guided-"))
        os.environ["STUDY_CACHE"] = str(folder / "cache")
        os.chdir(folder)
        read, files = targets(folder)[target]
    logging.disable()
    if replay:
        read(Path(replay).read_bytes())
        return
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, content in enumerate(files):
        (corpus / str(number)).write_bytes(content)
    atheris.Setup([sys.argv[0], f"-runs={inputs}", "-max_len=4096", "-rss_limit_mb=0", "-verbosity=1",
                   f"-artifact_prefix={Path.home()}/crash-{target.replace(' ', '-')}-", str(corpus)], read)  # fmt: skip
    atheris.Fuzz()


def main() -> int:
    """Run as a command; the exit code is 1 if an input crashed a reader."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="in all")
    parser.add_argument("--target", help="one reader, in this process")
    parser.add_argument("--replay", help="a file with one input")
    asked = parser.parse_args()
    if asked.target:
        fuzz(asked.target, asked.inputs, asked.replay)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        names = list(targets(Path(folder)))
    each = asked.inputs / sum(SLOW.get(name, 1) for name in names)
    crashes = 0
    for name in names:
        inputs, started = int(each * SLOW.get(name, 1)), time.monotonic()
        command = [sys.executable, "-m", "tests.faults.guided", "--target", name, "--inputs", str(inputs)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, errors="replace")
        ran = DONE.search(ended.stderr)
        crashes += ran is None
        found = f"{int(ran[1]):,} inputs" if ran else "crashed:\n" + (ended.stdout + ended.stderr)[-3000:]
        print(f"{name:12} {found}, {time.monotonic() - started:.0f} s", flush=True)
    return int(crashes > 0)


if __name__ == "__main__":
    raise SystemExit(main())
