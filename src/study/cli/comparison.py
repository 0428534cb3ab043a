"""`study compare`: from the arguments to a comparison over seeds, its table, its verdicts and its pictures."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from study.cli import options, preamble, records, side_by_side
from study.cli.board import Board
from study.cli.terminal import Terminal, width
from study.cli.watch import follow, print_json
from study.errors import InputError, Interrupted
from study.formatting import duration, knobs
from study.metric import Metric
from study.recipe import Recipe
from study.record.family import Family
from study.record.journal import Journal
from study.text.table import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.definition import Study
    from study.options import Options
    from study.questions.comparison import Question, Row
    from study.settings import Settings

log = logging.getLogger("study")

Variants = Annotated[
    str | None,
    typer.Option(envvar="STUDY_VARIANTS", metavar="A,B", show_default="all", help="The variants to compare."),
]
Against = Annotated[
    str | None,
    typer.Option(
        envvar="STUDY_AGAINST", metavar="VARIANT", show_default="baseline, else the first", help="The baseline."
    ),
]
Seeds = Annotated[
    int | None,
    typer.Option(
        envvar="STUDY_SEEDS", min=2, metavar="N", show_default="10; at most 30 with --until-sure",
        help="Seeds, the same for every variant.",
    ),
]  # fmt: skip
UntilSure = Annotated[
    bool,
    typer.Option("--until-sure", envvar="STUDY_UNTIL_SURE", help="Add seeds only until each verdict is settled."),
]
Smallest = Annotated[
    float,
    typer.Option(
        envvar="STUDY_SMALLEST", min=0, metavar="X", help="The smallest difference of interest; 0.005 is half a point."
    ),
]
AsPublished = Annotated[
    bool,
    typer.Option("--as-published", envvar="STUDY_AS_PUBLISHED", help="Compare the literal published protocols, too."),
]
ShowOnly = Annotated[
    bool, typer.Option("--show", envvar="STUDY_SHOW", help="Only show the table as far as it has come.")
]
ASKED = ("variants", "against", "seeds", "until_sure", "smallest", "as_published")
AsCsv = Annotated[bool, typer.Option("--csv", envvar="STUDY_CSV", help="Print the table as CSV.")]


def compare(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME|FILE...", help="A study; several are set side by side.")],
    variants: Variants = None,
    against: Against = None,
    seeds: Seeds = None,
    until_sure: UntilSure = False,
    smallest: Smallest = 0.005,
    as_published: AsPublished = False,
    epochs: options.Epochs = None,
    assignments: options.Assignments = None,
    data: options.Data = None,
    no_fallback: options.NoFallback = False,
    workers: options.Workers = None,
    timeout: options.Timeout = None,
    device: options.Device = "auto",
    executor: options.Executor = "local",
    accept: options.Accept = False,
    show_only: ShowOnly = False,
    as_json: options.AsJson = False,
    as_csv: AsCsv = False,
    home: options.Home = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Compare a study's variants on the same seeds: which one really helps? Judged on the test split."""
    if len(names) > 1:
        side_by_side.compare(context, names, as_json=as_json, as_csv=as_csv, home=home)
        return
    if as_json and as_csv:
        raise InputError("--json or --csv, not both")
    terminal = context.ensure_object(Terminal)
    from study import request, settings
    from study.options import Options
    from study.questions import comparison as comparing

    fixed = request.overrides([*(assignments or []), *([f"epochs={epochs}"] if epochs else [])])
    places = settings.resolve(home, storage, tracking_uri)
    chosen = [name.strip() for name in variants.split(",") if name.strip()] if variants else None

    def ask(study: Study) -> Question:
        return comparing.ask(
            study, chosen, against, as_published=as_published, seeds=seeds, until_sure=until_sure, smallest=smallest
        )

    if show_only:
        if fixed:
            raise InputError("--set and --epochs change nothing beside --show", fix="Leave one of them out.")
        study = request.recorded_comparison(names[0], places.home, data=data)
        if any(options.typed(context, each) for each in ASKED):
            question = ask(study)
        else:
            study, question = _last(study, places)
        _tell(study, comparing.table(study, places, question), question, as_json=as_json, as_csv=as_csv)
        return
    wanted = request.read(names[0], recipe=None, fixed=fixed, data=data, rename=None, home=places.home).study
    question = ask(wanted)
    study = preamble.settled(terminal, wanted, fallback=not no_fallback and data is None)
    how = Options(workers=workers, device=device, executor=executor, accept=accept, timeout=timeout)
    _compare(study, places, how, question, terminal, as_json=as_json, as_csv=as_csv)


def _compare(
    study: Study, places: Settings, how: Options, question: Question, terminal: Terminal, *, as_json: bool, as_csv: bool
) -> None:
    """Run it and show it; the table as far as it has come where it was stopped."""
    from study.questions import comparison as comparing

    finals = comparing.compared(study)
    journal = Family(study.name, places.home).compare
    board = Board(finals.objective)
    try:
        follow(
            lambda stop: comparing.run(study, places, how, question, stop), journal, board, terminal, as_json=as_json
        )
    except (Interrupted, KeyboardInterrupt):
        if board.target and not as_json:
            log.info("so far:\n%s", _text(study, comparing.table(study, places, question), question))
        raise
    rows = comparing.table(study, places, question)
    _tell(study, rows, question, as_json=as_json, as_csv=as_csv)
    if journal.trials():
        _draw(study, places, question, rows, journal)


def _last(study: Study, places: Settings) -> tuple[Study, Question]:
    """Read what was last compared.

    Raises:
        InputError: nothing was.

    """
    from study.questions import comparison as comparing

    last = comparing.last_asked(study, places)
    if last is None:
        raise InputError(f"{study.name} has not been compared yet", fix=f"`study compare {study.name}` does it.")
    return last


def _tell(study: Study, rows: Sequence[Row], question: Question, *, as_json: bool, as_csv: bool) -> None:
    if as_json:
        print_json({"type": "comparison", "study": study.name, "against": question.against,
                    "variants": [row_json(row) for row in rows]})  # fmt: skip
    elif as_csv:
        print(records.csv_of([_flat(row) for row in rows]), end="")
    else:
        print(_text(study, rows, question))


def row_json(row: Row) -> dict[str, Any]:
    """One variant's line as JSON values."""
    found, mean = row.comparison, row.mean
    return {
        "variant": row.variant,
        "n": mean.n if mean else 0,
        "mean": mean.value if mean else None,
        "mean_low": mean.interval.low if mean else None,
        "mean_high": mean.interval.high if mean else None,
        "difference": found.difference if found else None,
        "difference_low": found.interval.low if found else None,
        "difference_high": found.interval.high if found else None,
        "p_adjusted": found.p_adjusted if found else None,
        "win_rate": found.wins.value if found else None,
        "verdict": found.verdict if found else None,
        "more_seeds": found.more if found else None,
        "published": row.published.value if row.published else None,
        "published_as_expected": row.as_expected,
        "seconds": row.seconds,
        "diverged": row.diverged,
        "values": list(row.values),
    }


def _flat(row: Row) -> dict[str, Any]:
    values = row_json(row)
    return {**values, "values": " ".join(f"{value!r}" for value in row.values)}


def _text(study: Study, rows: Sequence[Row], question: Question) -> str:
    metric = study.objective.seen(value for row in rows for value in row.values)
    named = "test accuracy" if metric.is_accuracy else study.metric
    heading = [
        "Variant", f"Mean {named}", "95 % interval", "Difference", "95 % interval", "Wins", "n", "Time", "Published",
        "Verdict",
    ]  # fmt: skip
    if not any(row.published for row in rows):
        heading.remove("Published")
    lines = [_cells(row, metric, published="Published" in heading) for row in rows]
    unit = " (accuracies in %, differences in points)" if metric.is_accuracy else ""
    test = "Student's t, Holm over the family"
    if question.until_sure:
        test = "t tests valid at any time (Wang and Ramdas 2024), Holm over the family"
    return "\n".join([
        f"{study.name}: against {question.against}, paired over seeds{unit}; {test}",
        table(heading, lines, width=width()),
        *_notes(study, rows, question, metric),
    ])  # fmt: skip


def _cells(row: Row, metric: Metric, *, published: bool) -> list[str]:
    found, mean = row.comparison, row.mean
    cells = [
        row.variant,
        metric.figure(mean.value if mean else None),
        metric.interval(mean.interval) if mean else "-",
        metric.gap(found.difference if found else None),
        metric.gaps(found.interval) if found else "-",
        f"{found.wins.value:.0%}" if found and found.n else "-",
        str(mean.n if mean else 0),
        duration(row.seconds) if math.isfinite(row.seconds) else "-",
    ]
    if published:
        mark = {True: "", False: " !", None: ""}[row.as_expected]
        cells.append(f"{metric.figure(row.published.value)}{mark}" if row.published else "-")
    return [*cells, found.words(metric.factor, metric.unit) if found else "baseline"]


def _notes(study: Study, rows: Sequence[Row], question: Question, metric: Metric) -> list[str]:
    notes: list[str] = []
    if any(row.as_expected is False for row in rows):
        notes.append("! the published figure lies outside the range in which one more run of ours would lie (95 %)")
    if study.fixed and any(row.published for row in rows):
        notes.append(f"The published figures are of other settings: here {knobs(study.fixed)}")
    counted = isinstance(study.recipe, Recipe) and metric.is_accuracy  # elsewhere its seed is missing
    for row in (row for row in rows if row.diverged):
        finite = sum(map(math.isfinite, row.values))
        ran, what = (finite, "count as guessing") if counted else (finite + row.diverged, "are left out")
        notes.append(f"{row.variant}: {row.diverged} of {ran} trainings diverged and {what}")
    if len(rows) > 1:
        smallest = metric.size(question.smallest)
        notes.append(f"--smallest {question.smallest}: differences below {smallest} are taken for none.")
    if not question.until_sure and any(row.comparison and row.comparison.more for row in rows):
        notes.append(f"More seeds, by a test that allows this look: study compare {study.name} --until-sure")
    return notes


def _figures(row: Row) -> dict[str, float]:
    """What a tracker shows of a variant over its seeds; what is not known or not finite is left out."""
    values = row_json(row)
    names = ("n", "mean", "mean_low", "mean_high", "difference", "difference_low", "difference_high", "win_rate")
    return {name: values[name] for name in names if values[name] is not None and math.isfinite(values[name])}


def _draw(study: Study, places: Settings, question: Question, rows: Sequence[Row], journal: Journal) -> None:
    """Write the pictures and the table beside the trials; the mirror logs what lies in `artifacts`."""
    from study import tracking
    from study.plots import figures
    from study.questions import comparison as comparing

    folder = journal.artifacts
    metric = comparing.compared(study).objective.seen(value for row in rows for value in row.values)
    title = f"{study.name}: {question.seeds} seeds, against {question.against}"
    judged = {row.variant: row.comparison for row in rows if row.comparison}
    axis = f"difference to {question.against} on the test split"
    written = figures.write(figures.forest(judged, title, axis, metric), folder, "forest")
    by_variant = comparing.curves(study, places, question)
    written += figures.write(figures.curves(by_variant, metric, title), folder, "curves")
    points = {row.variant: (row.seconds, row.mean) for row in rows if row.mean}
    written += figures.write(
        figures.cost(points, metric.on("test"), f"{study.name}: what it reaches, what it costs"), folder, "cost"
    )
    (folder / "comparison.csv").write_text(records.csv_of([_flat(row) for row in rows]))
    journal.store_groups({row.variant: _figures(row) for row in rows if row.mean})
    log.info("pictures: %s", ", ".join(str(path) for path in written if path.suffix == ".png"))
    tracking.sync_studies(places, [journal.folder.name])
