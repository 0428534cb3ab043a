"""What is known of a study and of all that grew out of it: read once, from the folders."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from study import definition
from study.definition import SUFFIXES
from study.errors import StudyError, StudyFileError
from study.questions import ablation, comparison, confirmation
from study.questions.replicates import Pairs
from study.record import results
from study.record.journal import Journal
from study.report.units import Unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from study.definition import Published, Study
    from study.questions.ablation import Ablation
    from study.questions.comparison import Question, Row
    from study.questions.confirmation import Confirmation
    from study.record.journal import History, TrialFolder
    from study.record.results import Goal, Summary, TrialRow
    from study.settings import Settings


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial's folder, read.

    Args:
        folder: its files.
        about: what was known when it was made.
        history: its epochs and its end.
        row: both in short.

    """

    folder: TrialFolder
    about: Mapping[str, Any]
    history: History
    row: TrialRow


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison of variants as far as it has come.

    Args:
        question: what was compared.
        rows: a variant each.
        fixed: the knobs that were held.
        first: each variant's training on the first seed, as trial number; None before it.

    """

    question: Question
    rows: Sequence[Row]
    fixed: Mapping[str, Any]
    first: Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class Winner:
    """The trial whose network is shown.

    Args:
        trial: its folder.
        label: what it is called on the page.
        split: of its evaluation: test only where the test split was opened for this very trial.
        evaluation: what its training found out about its last network; None if it kept nothing.

    """

    trial: Trial
    label: str
    split: str
    evaluation: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Found:
    """All that a report tells.

    Args:
        name: the study's.
        settings: where its folders are.
        journal: the search's; of the comparison where there was no search.
        definition: of the search, else of the comparison.
        goal: what is optimized.
        trials: of the search, by number.
        summary: of the search.
        about: what the study's file says of itself; empty if there is no file.
        study: as it was run; None if its recipe's type cannot be imported.
        compared: the comparison; None if there is none.
        confirmation: None if nothing was confirmed.
        ablation: None if nothing was ablated.
        openings: looks at the test split, first one first.

    """

    name: str
    settings: Settings
    journal: Journal
    definition: Mapping[str, Any]
    goal: Goal
    trials: Sequence[Trial]
    summary: Summary
    about: str
    study: Study | None
    compared: Compared | None
    confirmation: Confirmation | None
    ablation: Ablation | None
    openings: Sequence[Mapping[str, Any]]

    @property
    def unit(self) -> Unit:
        """How its figures are written."""
        return Unit(self.goal.metric)

    @property
    def best(self) -> Trial | None:
        """The search's best complete trial."""
        best = self.summary.best
        return next((trial for trial in self.trials if best and trial.row.number == best.number), None)

    @property
    def as_of(self) -> float | None:
        """When something last happened that is told, seconds since 1970; None if nothing has."""
        times: list[float] = [each["time"] for each in self.openings]
        times += [time for trial in self.trials for time in trial.history.times[-1:]]
        times += [trial.history.ended.time for trial in self.trials if trial.history.ended]
        made = [Journal(self.settings.study_folder(f"{self.name}-{suffix}")) for suffix in SUFFIXES]
        histories = [folder.history() for journal in made for folder in journal.trials()]
        times += [history.ended.time for history in histories if history.ended]
        return max(times, default=None)

    def count(self, state: str) -> int:
        """Count the search's trials in a state."""
        return sum(trial.row.state == state for trial in self.trials)


def read(name: str, settings: Settings) -> Found:
    """Read a study.

    Raises:
        StudyError: nothing is known of it, or a file is damaged; names it and its line.

    """
    journal = results.stored_in(name, settings.home)
    stored, goal = journal.definition() or {}, results.goal(journal)
    trials = read_trials(journal, goal) if journal.folder.name == name else []
    about, published = _described(name, stored)
    try:
        study = results.as_confirmed(name, settings.home)
    except StudyFileError:  # the folders still tell all the rest
        study = None
    return Found(
        name=name,
        settings=settings,
        journal=journal,
        definition=stored,
        goal=goal,
        trials=trials,
        summary=results.summarize(name, goal, [trial.row for trial in trials]),
        about=about,
        study=study,
        compared=_compared(name, settings, goal.metric, published),
        confirmation=confirmation.read(study, settings) if study else None,
        ablation=ablation.read(study, settings) if study else None,
        openings=results.looks(name, settings.home),
    )


def read_trials(journal: Journal, goal: Goal) -> list[Trial]:
    """Read every trial of a journal."""
    return [read_trial(folder, goal) for folder in journal.trials()]


def read_trial(folder: TrialFolder, goal: Goal) -> Trial:
    """Read one trial."""
    about, history = folder.about(), folder.history()
    return Trial(folder, about, history, results.row_of(folder.number, about, history, goal))


def winner(found: Found) -> Winner | None:
    """Choose the trial whose network is shown: of the confirmed recipe, else the search's best, else the variants'."""
    if found.confirmation and found.confirmation.winner and found.confirmation.score:
        number = found.confirmation.winner.trial
        trials = found.confirmation.score.trials
        if trials:
            return _tested(found, "final", trials[0], f"trial {number}, first of {len(trials)} final seeds")
    if found.best:
        ended = found.best.history.ended
        evaluation = ended.evaluation if ended else None
        return Winner(found.best, f"trial {found.best.row.number}", "validation", evaluation)
    return _best_variant(found)


def _best_variant(found: Found) -> Winner | None:
    if found.compared is None or found.trials:
        return None
    best = best_row(found, found.compared)
    if best is None:
        return None
    journal = Journal(found.settings.study_folder(f"{found.name}-compare"))
    number = found.compared.first[best.variant]
    ended = journal.trial(number).history().ended if number is not None else None
    if number is None or ended is None or ended.state != "complete":
        return None
    return _tested(found, "compare", number, f"{best.variant}, first seed")


def best_row(found: Found, compared: Compared) -> Row | None:
    """Choose the variant with the best mean; None before the first figure."""
    judged = [(row.mean.value, row) for row in compared.rows if row.mean]
    choose = max if found.goal.maximize else min
    return choose(judged, key=lambda each: each[0])[1] if judged else None


def _tested(found: Found, suffix: str, number: int, label: str) -> Winner:
    """Take a trial that was judged on the test split, whose validation part may be empty."""
    journal = Journal(found.settings.study_folder(f"{found.name}-{suffix}"))
    trial = read_trial(journal.trial(number), results.goal(journal))
    evaluation = (trial.history.ended.evaluation if trial.history.ended else None) or {}
    return Winner(trial, label, "test", evaluation.get("test"))


def _described(name: str, stored: Mapping[str, Any]) -> tuple[str, Mapping[str, Published]]:
    """Give what the study's file says of itself, and the published figures; nothing without one that can be read."""
    file = definition.file_of(name, stored)
    if file is None:
        return "", {}
    try:
        about, study = ast.get_docstring(ast.parse(file.read_bytes())) or "", definition.load(str(file))
    except (StudyError, OSError, ValueError):  # the folders still tell all the rest
        return "", {}
    of_this_data = getattr(study.recipe, "dataset", None) == stored["recipe"].get("dataset")
    return about, study.published if of_this_data else {}


def _compared(name: str, settings: Settings, metric: str, published: Mapping[str, Published]) -> Compared | None:
    """Read the comparison as it was last asked for."""
    journal = Journal(settings.study_folder(f"{name}-compare"))
    stored = journal.definition()
    if stored is None:
        return None
    try:
        ran = definition.restored(name, stored)
    except StudyFileError:
        return None
    asked = comparison.last_asked(replace(ran, metric=metric, published=published), settings)
    if asked is None:
        return None
    ran, question = asked
    pairs = Pairs.of(comparison.plan(ran, question), settings)
    first = {name: pairs.trial(name, 0) for name in question.variants}
    return Compared(question, comparison.table(ran, settings, question), stored.get("fixed") or {}, first)
