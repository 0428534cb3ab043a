"""Everything that a report shows of a study and of the studies made for it, read once from the folders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from study import study_files
from study.errors import InputError, StudyFileError
from study.questions import ablation, comparison, confirmation
from study.questions.replicates import Pairs
from study.record import results, summary
from study.record.family import Family

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from study.definition import Study
    from study.metric import Metric
    from study.questions.ablation import Ablation
    from study.questions.comparison import Comparison, ComparisonQuestion, VariantRow
    from study.questions.confirmation import Confirmation
    from study.record.journal import Journal
    from study.record.summary import Summary
    from study.record.trial import Trial
    from study.settings import Settings


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison of variants, complete or not.

    Args:
        found: its result so far.
        first: trial number of each variant's training on the first seed; None before it has started.

    """

    found: Comparison
    first: Mapping[str, int | None]

    @property
    def question(self) -> ComparisonQuestion:
        """What was compared."""
        return self.found.question

    @property
    def rows(self) -> Sequence[VariantRow]:
        """A row for each variant."""
        return self.found.variants


@dataclass(frozen=True, slots=True)
class Winner:
    """The trial whose network the report shows.

    Args:
        trial: the trial.
        label: its name on the page.
        split: split of its evaluation: `test` only if the test split was opened for this trial, else `validation`.
        evaluation: the training's report on its last model; None if there is none.

    """

    trial: Trial
    label: str
    split: str
    evaluation: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Found:
    """The contents of a report.

    Args:
        name: of the study.
        settings: where its folders are.
        journal: of the search; of the comparison if there was no search.
        definition: stored with the search, else with the comparison.
        metric: the objective.
        trials: of the search, by number.
        summary: of the search.
        about: the docstring of the study's file; empty if it is unknown.
        study: as it was run; None if our `Recipe` rejects the stored recipe.
        compared: the comparison; None if there is none, or if it was trained otherwise than the search.
        otherwise: the settings of a comparison that are not the search's; empty if they agree.
        confirmation: None if nothing was confirmed.
        ablation: None if nothing was ablated.
        openings: looks at the test split, oldest first.

    """

    name: str
    settings: Settings
    journal: Journal
    definition: Mapping[str, Any]
    metric: Metric
    trials: Sequence[Trial]
    summary: Summary
    about: str
    study: Study | None
    compared: Compared | None
    otherwise: Mapping[str, Any]
    confirmation: Confirmation | None
    ablation: Ablation | None
    openings: Sequence[Mapping[str, Any]]

    @property
    def family(self) -> Family:
        """The study's results and those of the studies made for it."""
        return Family(self.name, self.settings.home)

    @property
    def best(self) -> Trial | None:
        """The search's best complete trial."""
        best = self.summary.best
        return next((trial for trial in self.trials if best and trial.row.number == best.number), None)

    @property
    def as_of(self) -> float | None:
        """Time of the last event that the report shows, in seconds since 1970; None if there is none."""
        times: list[float] = [each["time"] for each in self.openings]
        times += [time for trial in self.trials for time in trial.history.times[-1:]]
        times += [trial.history.ended.time for trial in self.trials if trial.history.ended]
        made = [trial.history for journal in self.family.made() for trial in results.intact(journal)]
        times += [history.ended.time for history in made if history.ended]
        return max(times, default=None)

    def count(self, state: str) -> int:
        """Count the search's trials in a state."""
        return sum(trial.row.state == state for trial in self.trials)


def read(name: str, settings: Settings) -> Found:
    """Read a study and the studies made for it.

    Raises:
        StudyError: the study has no stored definition, or a file is damaged; names it and its line.

    """
    family = Family(name, settings.home)
    journal = family.defined()
    stored, metric = journal.definition() or {}, results.metric_of(journal)
    trials = results.read(journal) if journal.folder.name == name else []
    try:
        study, otherwise = family.as_confirmed(), family.compared_otherwise()
    except StudyFileError:  # the rest can still be read from the folders
        study, otherwise = None, {}
    return Found(
        name=name,
        settings=settings,
        journal=journal,
        definition=stored,
        metric=metric,
        trials=trials,
        summary=summary.summarize(name, metric, [trial.row for trial in trials]),
        about=study_files.about(name, stored),
        study=study,
        compared=None if otherwise else _compared(name, settings),
        otherwise=otherwise,
        confirmation=confirmation.read(study, settings) if study else None,
        ablation=ablation.read(study, settings) if study else None,
        openings=family.looks(),
    )


def winner(found: Found) -> Winner | None:
    """Choose the trial whose network is shown: the confirmed winner, the search's best, or the best variant."""
    if found.confirmation and found.confirmation.winner and found.confirmation.score:
        number = found.confirmation.winner.trial
        trials = found.confirmation.score.trials
        if trial := results.first_complete(found.family.final, trials):
            first = "first" if trial.number == trials[0] else "first complete one"
            return _tested(trial, f"trial {number}, {first} of {len(trials)} final seeds")
    if found.best:
        return Winner(found.best, f"trial {found.best.number}", "validation", found.best.history.evaluation)
    return _best_variant(found)


def _best_variant(found: Found) -> Winner | None:
    if found.compared is None or found.trials:
        return None
    best = best_row(found, found.compared)
    if best is None:
        return None
    number = found.compared.first[best.variant]
    trial = results.first_complete(found.family.compare, [] if number is None else [number])
    return _tested(trial, f"{best.variant}, first seed") if trial else None


def best_row(found: Found, compared: Compared) -> VariantRow | None:
    """Choose the variant with the best mean; None before the first value."""
    judged = [(found.metric.sign * row.mean.value, row) for row in compared.rows if row.mean]
    return max(judged, key=lambda each: each[0])[1] if judged else None


def _tested(trial: Trial, label: str) -> Winner:
    """Choose a trial that was judged on the test split; its report on validation data may be empty."""
    return Winner(trial, label, "test", trial.history.evaluation.get("test"))


def _compared(name: str, settings: Settings) -> Compared | None:
    """Read the last comparison; None if there is none."""
    try:
        ran = Family(name, settings.home).as_compared()
    except StudyFileError:
        return None
    if ran is None:
        return None
    try:
        ran, question = comparison.last_asked(ran, settings)
    except InputError:
        return None
    pairs = Pairs.of(comparison.design(ran, question, settings), settings)
    first = {name: pairs.trial(name, 0) for name in question.variants}
    return Compared(comparison.judged(ran, question, pairs), first)
