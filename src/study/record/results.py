"""What the trial folders tell about a study: a row a trial, and a summary; no database is asked, nothing big loaded."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from study.definition import SUFFIXES, override, restored
from study.errors import StudyError
from study.record.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from study.definition import Study
    from study.record.journal import History, TrialFolder

State = Literal["complete", "pruned", "failed", "running"]
STATES: tuple[State, ...] = ("complete", "pruned", "failed", "running")


@dataclass(frozen=True, slots=True)
class Goal:
    """What the study optimizes: a metric's name, and whether more or less of it is better."""

    metric: str
    maximize: bool

    def better(self, a: float, b: float) -> bool:
        """Tell whether the value a is better than b."""
        return a > b if self.maximize else a < b


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One trial as its folder tells it.

    Args:
        number: Optuna's number, from 0.
        variant: its name when it is one of the study's variants.
        state: running means that it has no end yet: somebody trains it now, or the next `study run` goes on with it.
        value: the objective at the last epoch; None without an epoch.
        best_value: the best value of the objective over its epochs.
        epochs: whole epochs trained.
        seconds: wall-clock time of those epochs.
        overrides: the knobs that differ from the study's recipe.
        reason: why it was pruned or failed, else empty.
        started: seconds since 1970, None where it is not recorded.
        device: torch's name of the device of the last start, or None.
        metrics: of the last epoch.
        params: Optuna's, by the names of its suggestions.
        audited: the epoch after which the pruner would have ended it, had it not been chosen to show what pruning
            loses; else None.
        repeats: the trial of the same recipe and seed whose figures these are; None if it was trained itself.

    """

    number: int
    variant: str | None
    state: State
    value: float | None
    best_value: float | None
    epochs: int
    seconds: float
    overrides: Mapping[str, Any]
    reason: str
    started: float | None
    device: str | None
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    audited: int | None = None
    repeats: int | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """What is known about a study's trials taken together.

    Args:
        name: of the study, `@dataset` included.
        goal: its metric and direction.
        counts: trials by state.
        best: the complete trial with the best value; of equal ones the first.
        variants: the trials of the named variants, best value first, those without one last.
        baseline: the variant that the others are compared with: "baseline", else the one that overrides nothing.
        seconds: training time of all trials together.

    """

    name: str
    goal: Goal
    counts: Mapping[State, int]
    best: TrialRow | None
    variants: Sequence[TrialRow]
    baseline: TrialRow | None
    seconds: float

    @property
    def finished(self) -> int:
        """Trials that count towards `--trials`: complete or pruned."""
        return self.counts["complete"] + self.counts["pruned"]


def studies(home: Path) -> list[str]:
    """Name the studies that have results under the home folder."""
    folder = home / "studies"
    names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return [name for name in names if (folder / name / "trials").is_dir() or Journal(folder / name).definition()]


def as_searched(study: Study, journal: Journal) -> Study:
    """Hold fixed in a study what its search held fixed by `--set`, and take its seed; as it is before a first run.

    The seed is not held fixed: fresh ones are counted on from it.

    Raises:
        RecipeError: a knob that was held fixed is no longer there.

    """
    stored = journal.definition() or {}
    study = study.fix(stored.get("fixed") or {})
    if "seed" in (known := stored.get("recipe") or {}) and "seed" in type(study.recipe).model_fields:
        study = replace(study, recipe=override(study.recipe, {"seed": known["seed"]}))
    return study.free_seed()


def stored_in(name: str, home: Path) -> Journal:
    """Find the results of a study that hold its definition: the search's, else those of what was made for it.

    Raises:
        StudyError: none do.

    """
    journals = [Journal(home / "studies" / each) for each in (name, *(f"{name}-{suffix}" for suffix in SUFFIXES))]
    found = next((each for each in journals if each.definition() is not None), None)
    if found is None:
        raise StudyError("the study's definition is missing", where=str(journals[0].definition_file))
    return found


def as_confirmed(name: str, home: Path) -> Study:
    """Make a study anew as it was searched and confirmed, whatever its file says now.

    Raises:
        StudyError: no definition is stored.
        StudyFileError: the type of its recipe cannot be imported, or refuses what is stored.

    """
    stored = stored_in(name, home).definition() or {}
    finals = Journal(home / "studies" / f"{name}-final").definition() or stored
    changed = {knob: value for knob, value in finals["recipe"].items() if stored["recipe"].get(knob) != value}
    return replace(restored(name, stored).free_seed(), final=changed)


def asked_for(name: str, there: Sequence[str]) -> str:
    """Name the study that a comparison, a confirmation or an ablation was made for; another name is its own.

    Args:
        name: what a person calls it.
        there: the studies that have results.

    """
    start, _, suffix = name.rpartition("-")
    return start if start and suffix in SUFFIXES and name in there else name


def looks(name: str, home: Path) -> list[dict[str, Any]]:
    """Read every look at a study's test split, its own and those of the studies made for it, in their order."""
    folders = [home / "studies" / each for each in (name, *(f"{name}-{suffix}" for suffix in SUFFIXES))]
    return sorted((look for folder in folders for look in Journal(folder).openings()), key=lambda look: look["time"])


def goal_of(study: Study) -> Goal:
    """Read a study's metric and direction."""
    return Goal(study.metric, study.direction == "maximize")


def goal(journal: Journal) -> Goal:
    """Read the study's metric and direction from its stored definition.

    Raises:
        StudyError: there is none, or it cannot be read.

    """
    definition = journal.definition()
    if definition is None:
        raise StudyError("the study's definition is missing", where=str(journal.definition_file))
    return Goal(definition["metric"], definition["direction"] == "maximize")


def rows(journal: Journal) -> list[TrialRow]:
    """Read all trials of a study, by number.

    Raises:
        StudyError: a damaged file; names it and its line.

    """
    folders = journal.trials()
    if not folders:
        return []
    aim = goal(journal)
    return [row(folder, aim) for folder in folders]


def row(folder: TrialFolder, aim: Goal) -> TrialRow:
    """Read one trial.

    Raises:
        StudyError: a damaged file; names it and its line.

    """
    return row_of(folder.number, folder.about(), folder.history(), aim)


def row_of(number: int, about: Mapping[str, Any], history: History, aim: Goal) -> TrialRow:
    """Make a trial's row of what was read of its folder."""
    ended = history.ended
    values = [epoch.metrics[aim.metric] for epoch in history.epochs if aim.metric in epoch.metrics]
    finite = [value for value in values if value == value]  # noqa: PLR0124 - NaN is not equal to itself
    last = values[-1] if values else None
    return TrialRow(
        number=number,
        variant=about.get("variant"),
        state=ended.state if ended else "running",
        value=ended.value if ended else last,
        best_value=(max if aim.maximize else min)(finite, default=None),
        epochs=len(history.epochs),
        seconds=sum(epoch.seconds for epoch in history.epochs),
        overrides=about.get("overrides") or {},
        reason=ended.reason if ended else "",
        started=about.get("created"),
        device=history.devices[-1] if history.devices else None,
        metrics=history.epochs[-1].metrics if history.epochs else {},
        params=about.get("params") or {},
        audited=history.audited,
        repeats=ended.repeats if ended else None,
    )


def finished(journal: Journal) -> int:
    """Count the trials that are complete or pruned; 0 before the first run.

    Raises:
        StudyError: a damaged file; names it and its line.

    """
    return sum(trial.state in {"complete", "pruned"} for trial in rows(journal))


def summary(journal: Journal) -> Summary:
    """Read all trials of a study and say what they come to.

    Raises:
        StudyError: no definition, or a damaged file; names it and its line.

    """
    return summarize(journal.folder.name, goal(journal), rows(journal))


def summarize(name: str, aim: Goal, trials: Sequence[TrialRow]) -> Summary:
    """Say what the trials come to."""
    variants = [trial for trial in trials if trial.variant is not None]
    return Summary(
        name=name,
        goal=aim,
        counts={state: sum(trial.state == state for trial in trials) for state in STATES},
        best=best(trials, aim),
        variants=ranked(variants, aim),
        baseline=_baseline(variants),
        seconds=sum(trial.seconds for trial in trials),
    )


def best(trials: Sequence[TrialRow], aim: Goal) -> TrialRow | None:
    """Choose the complete trial with the best value, of equal ones the first."""
    found = None
    for trial in trials:
        if trial.state != "complete" or trial.value is None:
            continue
        if found is None or found.value is None or aim.better(trial.value, found.value):
            found = trial
    return found


def ranked(trials: Sequence[TrialRow], aim: Goal) -> list[TrialRow]:
    """Sort by state (complete, pruned, failed, running), then by value, best first."""

    def place(trial: TrialRow) -> tuple[int, bool, float, int]:
        value = trial.value if trial.value is not None and trial.value == trial.value else None
        key = 0.0 if value is None else (-value if aim.maximize else value)
        return STATES.index(trial.state), value is None, key, trial.number

    return sorted(trials, key=place)


def best_recipe(journal: Journal) -> dict[str, Any] | None:
    """Describe the best trial such that `study run --recipe` can repeat it; None without a complete trial.

    Raises:
        StudyError: a damaged file; names it and its line.

    """
    aim, trials = goal(journal), rows(journal)
    found, definition = best(trials, aim), journal.definition()
    if found is None or definition is None:
        return None
    return {
        "study": journal.folder.name,
        "trial": found.number,
        "value": found.value,
        "metric": aim.metric,
        "recipe_type": definition["recipe_type"],
        "train": definition["train"],
        "recipe": journal.trial(found.number).recipe(),
    }


def _baseline(variants: Sequence[TrialRow]) -> TrialRow | None:
    named = [trial for trial in variants if trial.variant == "baseline"]
    plain = [trial for trial in variants if not trial.overrides]
    return next(iter(named or plain), None)
