"""Markdown notes on studies and trials, for Optuna Dashboard and MLflow: question, best recipe, score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from study import study_files
from study.formatting import knobs, plural
from study.metric import Ends
from study.record import results
from study.record.family import Family
from study.record.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Mapping

    from study.metric import Metric
    from study.record.journal import Journal


def of_study(journal: Journal, best: int | None, value: float | None) -> str:
    """Describe a study's question, its best recipe so far, and its test score if confirmed.

    Args:
        journal: the study's folders.
        best: number of its best complete trial; None if there is none.
        value: value of the best trial.

    Raises:
        StudyError: there is no definition, or a file is damaged; the message names file and line.

    """
    name, definition, metric = journal.folder.name, journal.definition() or {}, results.metric_of(journal)
    about = study_files.about(name, definition).partition("\n\n")[0]
    data = (definition.get("data") or {}).get("name")
    goal = f"{metric.direction.capitalize()} `{metric.name}`{f' on {data}' if data else ''}."
    parts = [" ".join(about.split()), goal]
    family = Family.of(name, journal.home)
    if family.name != name:
        parts.append(f"Trainings of {_made_by(family, name)}; the results are in the report of {family.name}.")
    elif best is not None:
        recipe = _recipe(Trial.of(journal.trial(best)).row.overrides)
        parts.append(f"**Best trial: {best}** ({recipe}), {metric.name} {metric.value(value)} on one seed.")
        parts.append(_score(journal, metric) or f"Not confirmed: `study confirm {name}` runs it on fresh seeds.")
    return "\n\n".join(filter(None, [*parts, closing(name)]))


def closing(name: str) -> str:
    """Return the last paragraph of a study's note, which distinguishes it from a note that a person wrote."""
    return f"`study show {name}` lists the trials, `study report {name}` writes the report."


def of_trial(trial: Trial) -> str:
    """Describe a trial's changes and how it ended."""
    row = trial.row
    ended = f"{row.state} after {plural(row.epochs, 'epoch')}{f' ({row.reason})' if row.reason else ''}"
    last = "" if row.value is None else f", {trial.metric.name} {row.value:.6g}"
    return f"{_recipe(row.overrides)}: {ended}{last}."


def _made_by(family: Family, name: str) -> str:
    """Return the command that creates a study such as `mnist-final`."""
    verb = name.removeprefix(f"{family.name}-")
    return f"`study {'confirm' if verb == 'final' else verb} {family.name}`"


def _score(journal: Journal, metric: Metric) -> str:
    """Describe the winner's test score; empty if there is none."""
    groups = Family(journal.folder.name, journal.home).member("final").groups()
    winner = next((values for name, values in groups.items() if name != "baseline" and "mean" in values), None)
    if winner is None:
        return ""
    low, high = winner.get("mean_low"), winner.get("mean_high")
    within = "" if low is None or high is None else f" ({metric.interval(Ends(low, high))}, n={winner['n']:.0f})"
    return f"**Confirmed**: {metric.value(winner['mean'])} {metric.words} on the test split{within}."


def _recipe(overrides: Mapping[str, Any]) -> str:
    written = knobs({name: value for name, value in overrides.items() if name != "seed"})
    return f"`{written}`" if written else "the study's recipe as it is"
