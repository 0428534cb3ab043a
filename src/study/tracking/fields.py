"""The content of a run as plain values: parameters, points, tags and small artifacts, made from trial folders.

This module is independent of MLflow. Tags with a meaning for MLflow and other tools start with `mlflow.`, ours with
`study`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import posixpath
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from study.definition import judged_by
from study.formatting import storable
from study.record import note
from study.record.results import recipe_record
from study.tracking import pictures

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from study.events import Epoch
    from study.record.history import History
    from study.record.trial import Trial
    from study.tracking.snapshot import StudySnapshot

LONGEST_NAME, LONGEST_PARAM, LONGEST_TAG = 250, 6000, 8000  # MLflow's limits, in characters
STATUSES = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}  # MLflow's words
STATES = {"complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}  # Optuna's words


class Point(NamedTuple):
    """One value of a metric at one step; `time` in milliseconds since 1970."""

    name: str
    value: float
    time: int
    step: int


def params(recipe: Mapping[str, Any]) -> dict[str, str]:
    """Write every knob as a parameter: strings unchanged, lists and dicts as JSON, other values with `str`."""
    return {name_of(knob): _text(value)[:LONGEST_PARAM] for knob, value in recipe.items()}


def points_of_epoch(epoch: Epoch, time: float) -> list[Point]:
    """Make points of an epoch's metrics and its seconds, with the epoch's number as step and its recorded time."""
    values = {"seconds": epoch.seconds, **epoch.metrics}
    return [Point(name_of(name), float(value), milliseconds(time), epoch.number) for name, value in values.items()]


def points_of_end(history: History) -> list[Point]:
    """Make points of the evaluation's numbers that no epoch has logged, such as `val_f1_macro`, at the last epoch."""
    if history.ended is None:
        return []
    logged = {name for epoch in history.epochs for name in epoch.metrics}
    time = milliseconds(history.ended.time)
    return [
        Point(name_of(name), float(value), time, len(history.epochs))
        for name, value in _values(history.evaluation).items()
        if name not in logged
    ]


def points_of_summary(summary: StudySnapshot) -> list[Point]:
    """Make points of the best value so far, with the trial's number as step, or the highest one so far.

    MLflow takes the value of the highest step for the latest one, and of several of one step the one logged last.
    """
    steps = itertools.accumulate((each.trial for each in summary.new_bests), max)
    return [
        Point(name, float(value), milliseconds(each.time), step)
        for each, step in zip(summary.new_bests, steps, strict=True)
        for name, value in (("best_value", each.value), ("best_trial", each.trial))
    ]


def end_of(trial: Trial) -> tuple[str, int]:
    """Give MLflow's word for how a trial has ended, and when, in milliseconds: never before it began.

    The clock may have been set back in between.
    """
    ended = trial.history.ended
    assert ended is not None
    return STATUSES[ended.state], milliseconds(max(trial.about["created"], ended.time))


def run_name(about: Mapping[str, Any], number: int) -> str:
    """Name a trial's run: `norm_inputs (trial 1)` for a variant, else `trial 7`."""
    variant = about.get("variant")
    end = f" (trial {number})"
    return f"{storable(variant)[: LONGEST_NAME - len(end)]}{end}" if variant else f"trial {number}"


def group_name(variant: str) -> str:
    """Name the run of a variant, the parent of its runs on the seeds."""
    return storable(variant)[:LONGEST_NAME]


def tags_of_study(definition: Mapping[str, Any], first: Mapping[str, Any]) -> dict[str, str]:
    """Make the tags of a study that are known from its start; its uid is made from the uid of its first trial."""
    tags: dict[str, Any] = {
        "study": definition["study"],
        "study.uid": f"study-{first['uid']}",
        "study.metric": judged_by(definition).name,
        "study.direction": definition["direction"],
        "study.sampler": definition.get("sampler"),
        "study.pruner": definition.get("pruner"),
        **_source(definition["study"], definition.get("file")),
        **_data(definition.get("data")),
    }
    return _written(tags)


def tags_of_experiment(summary: StudySnapshot) -> dict[str, str]:
    """Make the tags of a study's experiment: its description, and that it is one of model training."""
    return _written({"mlflow.note.content": summary.note, "mlflow.experimentKind": "custom_model_development"})


def tags_of_group(parent: str, variant: str) -> dict[str, str]:
    """Make the tags of the run of a variant, which is the parent of its runs on the seeds.

    MLflow finds it by its uid, in a filter that has no way to write a quote.
    """
    known = hashlib.sha256(variant.encode(errors="replace")).hexdigest() if {*variant} & {*"'\""} else variant
    return _written({"study.uid": f"{parent}-{known}", "mlflow.parentRunId": parent, "study.variant": variant})


def dataset(data: Mapping[str, Any] | None) -> dict[str, str] | None:
    """Describe a study's data as fields of MLflow's dataset; None if it has none.

    The digest is the start of the SHA-256 of the packed data.
    """
    if not data or not data.get("name"):
        return None
    source = {"tags": {"mlflow.source.type": "LOCAL", "mlflow.source.name": data.get("source") or data["name"]}}
    return {
        "name": str(data["name"]),
        "digest": str(data.get("sha256") or "unknown")[:8],
        "source_type": "code",
        "source": json.dumps(source),
    }


def tags_of_trial(trial: Trial) -> dict[str, str]:
    """Make the tags of a trial that are known from its start."""
    about = trial.about
    commit = (about.get("git") or {}).get("commit")
    tags: dict[str, Any] = {
        "study": about["study"],
        "study.trial": trial.number,
        "study.uid": about["uid"],
        "study.replays": trial.history.replays,
        "study.state": "RUNNING",
        "study.variant": about.get("variant"),
        "study.overrides": trial.row.overrides,
        "study.device": trial.history.device,
        "study.git_commit": commit,
        "study.git_dirty": (about.get("git") or {}).get("dirty"),
        "mlflow.source.git.commit": commit,
        "mlflow.user": _owner(trial.folder.path),
        **_source(about["study"], about.get("file")),
        **_data(about.get("data")),
        **{f"study.with.{name}": text for name, text in (about.get("environment") or {}).items()},
    }
    return _written(tags)


def tags_of_end(trial: Trial) -> dict[str, str]:
    """Make the tags that say how a trial ended."""
    history, ended = trial.history, trial.history.ended
    if ended is None:
        return {}
    tags: dict[str, Any] = {
        "study.state": STATES[ended.state],
        "study.reason": ended.reason or None,
        "study.pruned_at": len(history.epochs) if ended.state == "pruned" else None,
        "study.audited": history.audited,
        "study.repeats": ended.repeats,
        "study.device": history.device,
        "study.deaths": len(history.deaths) or None,
        "mlflow.note.content": note.of_trial(trial),
    }
    return _written(tags)


def tags_of_summary(summary: StudySnapshot) -> dict[str, str]:
    """Make the tags of a study's counts and of its best trial."""
    best = summary.best
    tags: dict[str, Any] = {f"study.{state}": count for state, count in summary.counts.items()}
    tags |= {"study.best_trial": best and best.trial, "study.best_value": best and best.value}
    return _written({**tags, "mlflow.note.content": summary.note})


def artifacts_of_trial(trial: Trial) -> dict[str, bytes]:
    """Make the small files of a trial that has ended: its evaluation, confusion matrix and learning curves."""
    history, ended = trial.history, trial.history.ended
    if ended is None:
        return {}
    evaluation = history.evaluation
    title = f"{storable(trial.about['study'])}, {run_name(trial.about, trial.number)}"
    files: dict[str, bytes] = {}
    if evaluation:
        files["evaluation.json"] = as_json(evaluation)
    if counts := _square(evaluation.get("confusion")):
        classes = evaluation.get("classes")
        named = isinstance(classes, list) and len(classes) == len(counts)
        files["confusion.png"] = pictures.confusion(counts, classes if named else None, title)
    if history.epochs:
        curves = [epoch.metrics for epoch in history.epochs]
        pruned = storable(ended.reason) if ended.state == "pruned" else None
        files["curves.png"] = pictures.curves(curves, title, pruned)
    return files


def artifacts_of_study(summary: StudySnapshot) -> dict[str, bytes]:
    """Make the files of a study: its definition, and its best trial in the format of `study run --recipe`."""
    definition, best = summary.definition, summary.best
    files = {"study.json": as_json(definition)}
    if best is not None and summary.recipe is not None:
        record = recipe_record(definition["study"], definition, summary.recipe, trial=best.trial, value=best.value)
        files["best.json"] = as_json(record)
    return files


def name_of(name: str) -> str:
    """Replace characters in the name of a metric or knob that MLflow rejects: `val/acc@1` becomes `val/acc_1`."""
    clean = re.sub(r"[^/\w.\- :]", "_", storable(name))
    path = posixpath.normpath(clean).lstrip("/")
    return "_" if path in {"", "."} else path.replace("..", "_")[:LONGEST_NAME]


def milliseconds(seconds: float) -> int:
    """Convert seconds to milliseconds, MLflow's unit of time."""
    return round(1000 * seconds)


def as_json(value: Any) -> bytes:
    """Write a JSON file with indentation."""
    return json.dumps(value, indent=2).encode() + b"\n"


def _data(data: Mapping[str, Any] | None) -> dict[str, Any]:
    known = data or {}
    tags = {"study.data": known.get("name"), "study.data_sha256": known.get("sha256")}
    return {**tags, "study.data_source": known.get("source"), "study.data_imported": known.get("imported")}


def _source(study: str, file: Any) -> dict[str, Any]:
    """Name what was run, as MLflow's column "Source" shows it."""
    return {"mlflow.source.name": file or study, "mlflow.source.type": "LOCAL"}


def _owner(folder: Path) -> str | None:
    """Name the user who ran a trial; None where the system has no name."""
    try:
        return folder.owner()
    except (KeyError, OSError):
        return None


def _written(tags: Mapping[str, Any]) -> dict[str, str]:
    """Write tags as text; leave out unknown ones."""
    return {name_of(name): _text(value)[:LONGEST_TAG] for name, value in tags.items() if value is not None}


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, list | tuple | dict) else storable(str(value))


def _by_class(rows: Any) -> dict[str, list[float]]:
    """Collect each metric that all classes have; empty if a custom evaluation stores something else under the name."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return {}
    table: list[dict[str, Any]] = rows
    names = [name for name in (table[0] if table else {}) if name != "support"]
    found = {name: [row.get(name) for row in table] for name in names}
    return {name: values for name, values in found.items() if all(map(_is_number, values))}  # pyright: ignore[reportReturnType] - all numbers


def _square(counts: Any) -> list[list[int]]:
    """Return the counts if they are a square matrix of numbers, else an empty list."""
    if not isinstance(counts, list) or not all(isinstance(row, list) for row in counts):
        return []
    rows: list[list[Any]] = counts
    fits = all(len(row) == len(rows) and all(map(_is_number, row)) for row in rows)
    return rows if fits else []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _values(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """Collect the plain numbers of an evaluation and of its `test`, named by their splits.

    Of each metric in `per_class` the unweighted mean over the classes is added.
    """
    found: dict[str, float] = {}
    for split, part in (("val", evaluation), ("test", evaluation.get("test"))):
        report: Mapping[str, Any] = part if isinstance(part, dict) else {}
        numbers = {name: value for name, value in report.items() if _is_number(value)}
        for name, values in _by_class(report.get("per_class")).items():
            numbers[f"{name}_macro"] = sum(values) / len(values)
        found |= {name if name.startswith(f"{split}_") else f"{split}_{name}": each for name, each in numbers.items()}
    return found
