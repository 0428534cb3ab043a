"""`study ablate`: which knobs of the confirmed winner matter, and the simplest recipe that is no worse."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated, Any

import typer

from study.cli import options, preamble
from study.cli.board import Board
from study.cli.comparison import Smallest
from study.cli.confirmation import ShowOnly, figures, mean_json
from study.cli.terminal import Terminal, width
from study.cli.watch import follow, print_json
from study.formatting import knobs, to_json
from study.metric import Metric
from study.record import results
from study.record.family import Family
from study.record.journal import Journal
from study.text.table import table

if TYPE_CHECKING:
    from study.definition import Study
    from study.questions.ablation import Ablation, Row
    from study.settings import Settings

log = logging.getLogger("study")

KEYS = ("complete", "seeds", "trial", "winner", "baseline", "rows", "simplest", "dropped")
Seeds = Annotated[
    int, typer.Option(envvar="STUDY_SEEDS", min=2, metavar="N", help="Fresh seeds, the same for every recipe.")
]


def ablate(
    context: typer.Context,
    name: options.StudyFile,
    seeds: Seeds = 10,
    smallest: Smallest = 0.005,
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
    """Set the confirmed winner's knobs back one at a time: what does each contribute? Judged on validation data."""
    from study import settings

    terminal = context.ensure_object(Terminal)
    places = settings.resolve(home, storage, tracking_uri)
    study = preamble.searched(
        terminal, places, name, data=data, rename=new_name, fallback=not no_fallback, show_only=show_only
    )
    from study.options import Options
    from study.questions import ablation as ablating

    if show_only:
        found = ablating.read(study, places) or ablating.of(study, places, ablating.ask(study, places, seeds, smallest))
        _tell(study, found, as_json=as_json)
        return
    from study.running.preflight import fitting

    question = ablating.ask(study, places, seeds, smallest, fitting(device))
    how = Options(workers=workers, device=device, executor=executor, accept=accept, timeout=timeout)
    journal = Family(study.name, places.home).ablate
    board = Board(study.objective)
    try:
        follow(lambda stop: ablating.run(study, places, how, question, stop), journal, board, terminal, as_json=as_json)
    finally:
        if board.target:
            _tell(study, ablating.of(study, places, question), as_json=as_json)
    _publish(study, places, ablating.of(study, places, question), journal)


def _publish(study: Study, places: Settings, found: Ablation, journal: Journal) -> None:
    """Draw the picture, and let the tracking server know each recipe's figures over its seeds."""
    from study import tracking
    from study.plots import figures as drawing

    rows = (found.winner, found.baseline, *found.rows)
    journal.store_groups({row.label: figures(row.mean) for row in rows if row.mean})
    title = f"{study.name}: what each knob contributes, {found.question.seeds} seeds"
    judged = {row.label: row.comparison for row in found.rows if row.comparison}
    metric, axis = results.metric_of(journal), f"change of {study.metric}"
    written = drawing.write(drawing.forest(judged, title, axis, metric), journal.artifacts, "ablation")
    log.info("pictures: %s", ", ".join(str(path) for path in written if path.suffix == ".png"))
    _keep_simplest(study, found, journal)
    tracking.sync_studies(places, [journal.folder.name])


def _keep_simplest(study: Study, found: Ablation, journal: Journal) -> None:
    """Write the simplest recipe such that `study run --recipe` can train it."""
    file = journal.artifacts / "simplest.json"
    if found.simplest is None:
        file.unlink(missing_ok=True)
        return
    recipe = study.recipe_for(found.simplest).model_dump(mode="json")
    record = results.recipe_record(study.name, journal.definition() or {}, recipe)
    file.write_text(to_json(record, indent=2))
    log.info("the simplest recipe, for `study run --recipe`: %s", file)


def _tell(study: Study, found: Ablation, *, as_json: bool) -> None:
    if as_json:
        print_json({"type": "ablation", "study": study.name, **ablation_json(found)})
    else:
        print(_text(study, found))


def ablation_json(found: Ablation) -> dict[str, Any]:
    """Everything about an ablation as JSON values."""
    simplest = dict(found.simplest) if found.simplest is not None else None
    ends, rows = (row_json(found.winner), row_json(found.baseline)), [row_json(row) for row in found.rows]
    values = (found.complete, found.question.seeds, found.question.trial, *ends, rows, simplest, list(found.dropped))
    return dict(zip(KEYS, values, strict=True))


def row_json(row: Row) -> dict[str, Any]:
    """One recipe of an ablation as JSON values."""
    judged = row.comparison
    return {
        "label": row.label, "side": row.side, "knobs": list(row.knobs), **mean_json(row.mean),
        "difference": judged.difference if judged else None,
        "difference_low": judged.interval.low if judged else None,
        "difference_high": judged.interval.high if judged else None,
        "p_adjusted": judged.p_adjusted if judged else None,
        "verdict": judged.verdict if judged else None,
        "values": list(row.values),
    }  # fmt: skip


def _text(study: Study, found: Ablation) -> str:
    metric = study.objective.seen(_seen(found))
    unit = " (accuracies in %, differences in points)" if metric.is_accuracy else ""
    heading = ["Recipe", f"Mean {study.metric}", "95 % interval", "Difference", "95 % interval", "n", "Verdict"]
    groups = [
        (f"trial {found.question.trial}, the winner, without", [found.winner, *_of(found, "less")]),
        ("the baseline with", [found.baseline, *_of(found, "plus")]),
        ("the winner without several knobs at once", _of(found, "simplest")),
    ]
    lines = [f"{study.name}: {found.question.seeds} fresh seeds, paired{unit}; Student's t, Holm over each group"]
    for title, rows in groups:
        if rows:
            lines += ["", f"{title[0].upper()}{title[1:]}:"]
            lines.append(table(heading, [_cells(row, metric) for row in rows], width=width()))
    return "\n".join([*lines, "", *_conclusion(found, metric)])


def _seen(found: Ablation) -> list[float]:
    return [value for row in (found.winner, found.baseline) for value in row.values]


def _of(found: Ablation, side: str) -> list[Row]:
    return [row for row in found.rows if row.side == side]


def _cells(row: Row, metric: Metric) -> list[str]:
    judged, mean = row.comparison, row.mean
    return [
        ", ".join(row.knobs) or row.label,
        metric.figure(mean.value if mean else None),
        metric.interval(mean.interval) if mean else "-",
        metric.gap(judged.difference if judged else None),
        metric.gaps(judged.interval) if judged else "-",
        str(mean.n if mean else 0),
        judged.words(metric.factor, metric.unit) if judged else "-",
    ]


def _conclusion(found: Ablation, metric: Metric) -> list[str]:
    if not found.complete:
        return ["Not complete yet: the same command goes on."]
    smallest = metric.size(found.question.smallest)
    if found.simplest is None:
        return [f"No knob can be dropped with a loss that is surely below {smallest}; more --seeds may show one."]
    kept = knobs(found.simplest) or "the study's own recipe"
    return [
        f"Can be dropped, with a loss that is surely below {smallest}: {', '.join(found.dropped)}",
        f"Simplest recipe no worse than the winner: {kept}",
    ]
