"""`study confirm`: a search's best trials again on fresh seeds, then a score of the winner that can be believed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated, Any

import typer

from study.cli import options, preamble
from study.cli.board import Board
from study.cli.terminal import Terminal, width
from study.cli.watch import follow, print_json
from study.formatting import knobs, plural
from study.metric import Metric
from study.record.family import Family, Kind
from study.record.journal import Journal
from study.text.table import table

if TYPE_CHECKING:
    from study.definition import Study
    from study.questions.confirmation import Confirmation, Contender, Score
    from study.settings import Settings
    from study.stats.intervals import Mean

log = logging.getLogger("study")

Top = Annotated[int, typer.Option(envvar="STUDY_TOP", min=1, metavar="K", help="How many of the best trials.")]
Seeds = Annotated[
    int,
    typer.Option(
        envvar="STUDY_SEEDS", min=2, metavar="N", help="Fresh seeds for the race, and as many others for the scores."
    ),
]
ShowOnly = Annotated[
    bool, typer.Option("--show", envvar="STUDY_SHOW", help="Only show what was found, as far as it has come.")
]


def confirm(
    context: typer.Context,
    name: options.StudyFile,
    top: Top = 10,
    seeds: Seeds = 5,
    data: options.Data = None,
    no_fallback: options.NoFallback = False,
    new_name: options.NewName = None,
    workers: options.Workers = None,
    timeout: options.Timeout = None,
    device: options.Device = "auto",
    executor: options.Executor = "local",
    accept: options.Accept = False,
    show_only: ShowOnly = False,
    as_json: options.AsJson = False,
    home: options.Home = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Run a search's best trials again on fresh seeds; score the winner on the test split, opened once."""
    from study import settings

    terminal = context.ensure_object(Terminal)
    places = settings.resolve(home, storage, tracking_uri)
    study = preamble.searched(
        terminal, places, name, data=data, rename=new_name, fallback=not no_fallback, show_only=show_only
    )
    from study.options import Options
    from study.questions import confirmation as confirming

    if show_only:
        found = confirming.read(study, places) or confirming.of(
            study, places, confirming.ask(study, places, top, seeds)
        )
        _tell(study, found, as_json=as_json)
        return
    question = confirming.ask(study, places, top, seeds)
    how = Options(workers=workers, device=device, executor=executor, accept=accept, timeout=timeout).started()
    board = Board(study.objective)
    try:
        follow(
            lambda stop: confirming.run(study, places, how, question, stop), _journal(study, places, "confirm"),
            board, terminal, as_json=as_json,
        )  # fmt: skip
        if not confirming.is_raced(study, places, question):
            return  # the time was up
        board = Board(study.objective)
        follow(
            lambda stop: confirming.run_final(study, places, how, question, stop), _journal(study, places, "final"),
            board, terminal, as_json=as_json,
        )  # fmt: skip
    finally:
        if board.target:
            _tell(study, confirming.of(study, places, question), as_json=as_json)
    _publish(study, places)


def _journal(study: Study, places: Settings, kind: Kind) -> Journal:
    return Family(study.name, places.home).member(kind)


def _publish(study: Study, places: Settings) -> None:
    """Let the tracking server know each recipe's figures over its seeds."""
    from study import tracking
    from study.questions import confirmation as confirming

    found = confirming.read(study, places)
    if found is None:
        return
    race = {f"trial-{each.trial}": figures(each.mean) for each in found.contenders if each.mean}
    scores = {score.name.replace(" ", "-"): figures(score.mean) for score in (found.score, found.baseline)
              if score and score.mean}  # fmt: skip
    family = Family(study.name, places.home)
    for journal, groups in ((family.confirm, race), (family.final, scores)):
        journal.store_groups(groups)
    tracking.sync_studies(places, [family.confirm.folder.name, family.final.folder.name])


def figures(mean: Mean) -> dict[str, float]:
    """Give what a tracker shows of a recipe over its seeds; what is not finite is left out."""
    values = {"n": mean.n, "mean": mean.value, "mean_low": mean.interval.low, "mean_high": mean.interval.high}
    return {name: value for name, value in values.items() if abs(value) < float("inf")}


def _tell(study: Study, found: Confirmation, *, as_json: bool) -> None:
    if as_json:
        print_json({"type": "confirmation", "study": study.name, **confirmation_json(found)})
    else:
        print(_text(study, found))


def confirmation_json(found: Confirmation) -> dict[str, Any]:
    """Everything about a confirmation as JSON values."""
    winner, gain = found.winner, found.gain
    return {
        "complete": found.complete,
        "seeds": found.seeds,
        "winner": winner.trial if winner else None,
        "search_value": winner.search_value if winner else None,
        "score": _score_json(found.score),
        "baseline": _score_json(found.baseline),
        "gain": gain.difference if gain else None,
        "gain_low": gain.interval.low if gain else None,
        "gain_high": gain.interval.high if gain else None,
        "optimism": found.optimism,
        "contenders": [contender_json(each) for each in found.contenders],
    }


def contender_json(each: Contender) -> dict[str, Any]:
    """One contender as JSON values."""
    return {
        "trial": each.trial, "search_value": each.search_value, **mean_json(each.mean), "dropped_after": each.dropped,
        "surely_worse": each.behind, "overrides": dict(each.overrides), "values": list(each.values),
    }  # fmt: skip


def _score_json(score: Score | None) -> dict[str, Any] | None:
    if score is None:
        return None
    return {"name": score.name, **mean_json(score.mean), "values": list(score.values)}


def mean_json(mean: Mean | None) -> dict[str, Any]:
    """Give a mean over seeds as JSON values."""
    return {
        "n": mean.n if mean else 0,
        "mean": mean.value if mean else None,
        "mean_low": mean.interval.low if mean else None,
        "mean_high": mean.interval.high if mean else None,
    }


def _text(study: Study, found: Confirmation) -> str:
    metric = study.objective.seen(found.question.values.values())
    unit = " (accuracies in %)" if metric.is_accuracy else ""
    heading = ["Trial", "Search", "Fresh seeds", "95 % interval", "n", "What of it", "Knobs"]
    rows = [
        [str(each.trial), metric.figure(each.search_value), *_cells(each.mean, metric),
         _fate(found, each), knobs(each.overrides)]
        for each in found.contenders
    ]  # fmt: skip
    lines = [
        f"{study.name}: {study.metric} of the best {plural(found.top, 'trial')} on {found.seeds} fresh seeds{unit}",
        table(heading, rows, width=width()),
    ]
    if found.winner is None:
        return "\n".join([*lines, "The race is not over: the same command goes on."])
    return "\n".join([*lines, "", *_final_lines(study, found, metric)])


def _fate(found: Confirmation, each: Contender) -> str:
    if found.winner is not None and each.trial == found.winner.trial:
        return "winner"
    if each.dropped is not None:
        return f"dropped after {each.dropped}"
    if found.winner is None:
        return "in the race"
    return "surely worse" if each.behind else "may be as good"


def _final_lines(study: Study, found: Confirmation, metric: Metric) -> list[str]:
    assert found.winner is not None
    scores = [score for score in (found.score, found.baseline) if score]
    lines = [
        f"Test split, {found.seeds} further seeds: {metric.words} of the winner and of the baseline",
        table(
            ["", "Score", "95 % interval", "n"],
            [[score.name, *_cells(score.mean, metric)] for score in scores],
        ),
    ]
    if not found.complete:
        return [*lines, "Not complete yet: the same command goes on."]
    if found.gain:
        low, high = found.gain.interval.low, found.gain.interval.high
        by = metric.gap(found.gain.difference)
        lines.append(f"Gain over the baseline: {by}{metric.unit} ({metric.gaps(found.gain.interval)}"
                     f"{'; not distinguishable from none' if low <= 0 <= high else ''})")  # fmt: skip
    if found.optimism is not None:
        seen, by = metric.value(found.winner.search_value), metric.gap(found.optimism)
        lines.append(f"Optimism removed: {by}{metric.unit} (the search saw {seen} for trial {found.winner.trial})")
    lines.append(f"Next: `study ablate {study.name}` says which knobs matter; `study register {study.name}` keeps it.")
    return lines


def _cells(mean: Mean | None, metric: Metric) -> list[str]:
    if mean is None:
        return ["-", "-", "0"]
    return [metric.figure(mean.value), metric.interval(mean.interval), str(mean.n)]
