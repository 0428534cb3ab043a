"""Publishes pictures, tables and values over seeds, and builds the fields of records."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from study import tracking
from study.plots import figures
from study.progress import Written
from study.record import atomic_files
from study.record.family import Family

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from matplotlib.figure import Figure

    from study.metric import Metric
    from study.options import Options
    from study.progress import Progress
    from study.questions.replicates import Pairs
    from study.record.journal import Journal
    from study.settings import Settings
    from study.stats.failures import Failures
    from study.stats.intervals import Interval, Mean
    from study.stats.verdicts import Contrast


def averaged(mean: Mean | None, failed: Failures) -> dict[str, Any]:
    """Return the fields of `schemas.questions.Averaged`."""
    return {
        "n": mean.n if mean else 0,
        "mean": mean.value if mean else None,
        "mean_low": mean.interval.low if mean else None,
        "mean_high": mean.interval.high if mean else None,
        "failed": failed.count,
        "failed_high": failed.high,
    }


def on_new_examples(mean: Interval | None) -> dict[str, Any]:
    """Return the fields of `schemas.questions.OnNewExamples`."""
    return {"mean_new_low": mean.low if mean else None, "mean_new_high": mean.high if mean else None}


def judged(found: Contrast | None, metric: Metric) -> dict[str, Any]:
    """Return the fields of `schemas.questions.Judged`."""
    return {
        "difference": found.difference if found else None,
        "difference_low": found.interval.low if found else None,
        "difference_high": found.interval.high if found else None,
        "p_adjusted": found.p_adjusted if found else None,
        "verdict": found.verdict if found else None,
        "says": found.words(metric.factor, metric.unit) if found else None,
    }


def over_seeds(values: Mapping[str, Any]) -> dict[str, float]:
    """Select the known and finite fields of a recipe over its seeds that a tracking server shows."""
    ends = ("low", "high", "new_low", "new_high")
    spans = [f"{name}_{end}" for name in ("mean", "difference") for end in ends]
    names = ("n", "mean", "difference", *spans, "win_rate", "failed", "failed_high")
    return {name: values[name] for name in names if values.get(name) is not None and math.isfinite(values[name])}


def curves(found: Pairs) -> dict[str, list[list[float]]]:
    """Return the metric after every epoch, for each variant and seed."""
    metric, seeds = found.design.study.metric, range(found.design.seeds)
    curves: dict[str, list[list[float]]] = {}
    for name in found.design.arms:
        numbers = (found.trial(name, seed_index) for seed_index in seeds)
        trials = [found.results.trials[number] for number in numbers if number is not None]
        curves[name] = [[epoch.metrics[metric] for epoch in trial.history.epochs] for trial in trials]
    return curves


def publish(
    settings: Settings,
    options: Options,
    groups: Mapping[Journal, Mapping[str, Mapping[str, float]]],
    pictures: Mapping[str, Figure] | None = None,
    texts: Mapping[str, str] | None = None,
) -> Iterator[Progress]:
    """Write pictures and tables next to the trials, and send them to the tracking server.

    Args:
        settings: where results are stored.
        options: whether to track them.
        groups: values over seeds by study and recipe; pictures and texts go to the first study's folder.
        pictures: pictures by name, without suffix.
        texts: content by file name.

    Yields:
        The written files, and a notice if the tracking server did not receive everything.

    Raises:
        PlaceError: the disk is full or not writable.

    """
    for journal, by_recipe in groups.items():
        journal.store_groups(by_recipe)
    folder = next(iter(groups)).artifacts
    try:
        drawn = [path for name, each in (pictures or {}).items() for path in figures.write(each, folder, name)]
        if texts:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise atomic_files.cannot_write(folder, error) from error
    for name, content in (texts or {}).items():
        atomic_files.replace(folder / name, [content.encode(errors="backslashreplace")])
    shown = [path for path in drawn if path.suffix == ".png"]
    if shown:
        yield Written("pictures", tuple(shown))
    if options.track:
        names = [journal.folder.name for journal in groups]
        search = Family.of(names[0], settings.home).search  # its description says what was confirmed
        names += [search.folder.name] if search.definition() and search.folder.name not in names else []
        yield from tracking.sent(settings, names)
