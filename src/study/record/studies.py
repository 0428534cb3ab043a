"""Lists the studies that can be run or have results, each with a one-line description."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.errors import StudyError
from study.record import family, results
from study.record.trial import STATES
from study.schemas.studies import ListedStudy
from study.study_files import about, available, docstring, is_bundled
from study.text import studies as text
from study.text.shown import ShownList

if TYPE_CHECKING:
    from study.record.journal import Journal
    from study.text.table import Block


class Studies(ShownList[ListedStudy]):
    """Studies with their trial counts and best values."""

    __slots__ = ()

    def blocks(self) -> list[Block]:
        """Show one line per study, with bundled studies apart."""
        return text.listed(self.entries)


def list_studies(home: Path) -> Studies:
    """List studies that have a file, then those with results only; for damaged results, describe the damage."""
    files = available()
    names = dict.fromkeys([*sorted(files), *family.studies(home)])
    return Studies([_listed(family.journal(name, home), files.get(name)) for name in names])


def describe(journal: Journal) -> str:
    """Describe a study with results in one line: the first line of its docstring, or the origin of its results."""
    return about(journal.folder.name, journal.definition() or {}).partition("\n")[0] or _origin(journal)


def _listed(journal: Journal, file: Path | None) -> ListedStudy:
    name, said = journal.folder.name, _docstring(file) if file else ""
    counts: dict[str, Any] = dict.fromkeys([*STATES, "metric", "best"])
    try:
        said = said or _origin(journal)
        if journal.trials():
            counts = _counts(journal)
    except StudyError as error:
        said = f"damaged: {error}"
    bundled = file is not None and is_bundled(file)
    return ListedStudy(study=name, file=str(file) if file else None, bundled=bundled, description=said, **counts)


def _counts(journal: Journal) -> dict[str, Any]:
    trials = results.read(journal)
    metric, rows = results.metric_of(journal, trials), [trial.row for trial in trials]
    best = results.best(rows, metric)
    states = {state: sum(row.state == state for row in rows) for state in STATES}
    paused = sum(row.paused for row in rows)
    return {**states, "paused": paused, "metric": metric.name, "best": best.value if best else None}


def _origin(journal: Journal) -> str:
    """Describe the origin of results whose name has no study file."""
    name = journal.folder.name
    start, kind = family.parsed(name)
    if kind:
        return f"{family.PURPOSE[kind]} {start}"
    stored = journal.definition() or {}
    source = Path(stored.get("file") or name.partition("@")[0]).stem
    dataset = (stored.get("recipe") or {}).get("dataset")
    return f"{source} on {dataset}" if dataset else source


def _docstring(file: Path) -> str:
    """Read the first line of the file's docstring without running the file."""
    try:
        return docstring(file).partition("\n")[0]
    except (OSError, SyntaxError, ValueError) as error:
        return f"cannot be read: {error}"
