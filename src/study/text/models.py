"""Text of registered models: versions, the champion, predictions."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

from study.formatting import duration, number, plural
from study.metric import Ends
from study.schemas.models import PairedErrors
from study.text.table import Block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.schemas.models import ModelVersion, PairedTest, Prediction, Predictions, Promotion, RegisteredVersion

DAY = 86400.0  # seconds
MEASURES = {"rmse": "root mean squared error", "mae": "mean absolute error", "wrong": "share of wrong labels"}
FEW = 3  # largest number of classes for which a table shows all probabilities
HEADINGS = (
    "Model",
    "Version",
    "Aliases",
    "Confirmed",
    "Score",
    "On this test set",
    "On new examples",
    "Seeds",
    "Age",
    "Made by",
)
NO_MODELS = "No model is registered yet: `study register NAME` makes one."


def versions(listed: Sequence[ModelVersion]) -> list[Block]:
    """Show a line for each version, or how to register the first one."""
    return [Block(headings=HEADINGS, rows=[_row(each) for each in listed])] if listed else [Block([NO_MODELS])]


def registered(made: RegisteredVersion) -> list[Block]:
    """Say what was registered."""
    word = "Registered" if made.new else "Registered already, the same weights of the same training:"
    return [Block([f"{word} {made.model} version {made.version}: {scored(made)}"])]


def promoted(done: Promotion, version: ModelVersion) -> list[Block]:
    """Say which version is champion after a promotion, and why."""
    start = f"{done.model}: version {done.champion} is the champion"
    if done.before == done.champion:
        return [Block([f"{start} already"])]
    if done.before is None:
        return [Block([f"{start}, the first: {scored(version)}"])]
    tested = done.test or done.errors
    why = met(tested) if tested else "forced, without a test"
    return [Block([f"{start} now, before it version {done.before}: {why}"])]


def rolled_back(done: Promotion) -> list[Block]:
    """Say which version is champion again."""
    left = f", no longer version {done.before}" if done.before else ""  # else that version was deleted
    return [Block([f"{done.model}: version {done.champion} is the champion again{left}"])]


def met(test: PairedTest | PairedErrors) -> str:
    """Say how a version and the champion did on the same test examples."""
    if isinstance(test, PairedErrors):
        pair = f"{MEASURES[test.measure]} {number(test.error)} against {number(test.champion_error)}"
        interval = f"95 % interval of the difference {number(test.low)} to {number(test.high)}"
        return f"of {test.examples:,} test examples: {pair}; {interval}; margin {number(test.margin)}"
    accuracies = f"{100 * test.accuracy:.2f} % against {100 * test.champion_accuracy:.2f} %"
    differing = f"it alone is right on {test.gained:,}, the champion alone on {test.lost:,}"
    within = f"{100 * test.low:+.2f} to {100 * test.high:+.2f}"
    gap = f"accuracy {accuracies}, difference {100 * test.difference:+.2f} points (95 % interval {within})"
    return f"of {test.examples:,} test examples {differing}; {gap}"


def scored(version: ModelVersion) -> str:
    """Say in one line how good a version is, and whether that is confirmed."""
    score, interval = _score(version)
    if version.confirmed:
        seeds = plural(version.seeds or 0, "fresh seed")
        failing = ""
        if version.failed is not None and version.failed_high is not None:
            bound = f"below {100 * version.failed_high:.0f} %"
            failing = f"; {version.failed} of {version.failed + (version.seeds or 0)} trainings failed ({bound})"
        on_new = f", on new examples {new}" if (new := _on_new(version)) != "-" else ""
        within = f"95 % interval on this test set {interval}{on_new}"
        return f"{score} on the test split, mean of {seeds} ({within}){failing}"
    return f"{version.made_by or 'of unknown origin'}, unconfirmed, {score} in the search"


def predictions(found: Predictions) -> list[Block]:
    """Show a line for each example, with the probabilities of all classes, or of the likeliest if there are many."""
    rows = found.predictions
    classes = list(rows[0].probabilities)
    if rows[0].number is not None:
        return [
            Block(headings=["Example", "Prediction"], rows=[[row.example, number(row.number or 0.0)] for row in rows])
        ]
    if rows[0].label is None:
        cells = [[row.example, ", ".join(name for name, share in row.probabilities.items() if share > 0.5) or "-",
                  _likely(row)] for row in rows]  # fmt: skip
        return [Block(headings=["Example", "Labels", "Probabilities"], rows=cells)]
    if len(classes) <= FEW:
        cells = [[row.example, row.label or "-", *map(_share, row.probabilities.values())] for row in rows]
        return [Block(headings=["Example", "Label", *classes], rows=cells)]
    return [Block(headings=["Example", "Label", "Probability", "Or"], rows=[_ranked(row) for row in rows])]


def _row(version: ModelVersion) -> list[str]:
    score, interval = _score(version)
    seeds = "-" if version.seeds is None else str(version.seeds)
    confirmed = "yes" if version.confirmed else "no"
    return [version.model, str(version.version), ", ".join(version.aliases) or "-", confirmed, score, interval,
            _on_new(version), seeds, _age(version.created), version.made_by or "-"]  # fmt: skip


def _score(version: ModelVersion) -> tuple[str, str]:
    """Write the confirmed score and its interval, else the search's score without one."""
    metric = version.judged_by
    if version.score is None or version.low is None or version.high is None:
        return metric.value(version.search_score), "-"
    return metric.value(version.score), metric.interval(Ends(version.low, version.high))


def _on_new(version: ModelVersion) -> str:
    """Write the score's interval on new examples."""
    if version.new_low is None or version.new_high is None:
        return "-"
    return version.judged_by.interval(Ends(version.new_low, version.new_high))


def _age(created: str | None) -> str:
    if created is None:
        return "-"
    seconds = max(0.0, time.time() - datetime.fromisoformat(created).timestamp())
    return duration(seconds) if seconds < 2 * DAY else plural(round(seconds / DAY), "day")


def _likely(row: Prediction) -> str:
    shares = sorted(row.probabilities.items(), key=lambda each: -each[1])
    return ", ".join(f"{name} {_share(share)}" for name, share in shares[:FEW])


def _ranked(row: Prediction) -> list[str]:
    """Write the label with its probability, then the next likely ones that are not negligible."""
    shares = sorted(row.probabilities.items(), key=lambda each: -each[1])
    others = [f"{name} {_share(share)}" for name, share in shares[1:FEW] if share >= 0.001]
    label = row.label or "-"
    return [row.example, label, _share(row.probabilities[label]), ", ".join(others) or "-"]


def _share(share: float) -> str:
    return f"{share:.3f}"
