"""Ended trials that MLflow's database has nothing of, many in one transaction: MLflow's own interface needs nine each.

A run is there with all it holds but its end, then its files are stored, then all runs of the batch end. What a kill
leaves is found by its uid, and completed by `study.tracking.mlflow`; so is a trial of which anything is refused.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.entities import LifecycleStage, Metric, Param, RunStatus, RunTag, SourceType
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.dbmodels import models
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.validation import _validate_batch_log_data  # pyright: ignore[reportPrivateUsage]
from sqlalchemy import bindparam, insert, select, update

from study.tracking import fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlflow import MlflowClient

    from study.record.trial import Trial

Row = dict[str, Any]


def store_of(client: MlflowClient) -> SqlAlchemyStore | None:
    """Give the database behind a client; None if it is a server."""
    store = client._tracking_client.store  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - it has no public name
    return store if type(store) is SqlAlchemyStore else None


def new(store: SqlAlchemyStore, trials: Sequence[Trial]) -> list[Trial]:
    """Leave out the trials that already have a run, deleted ones included."""
    uids = [trial.about["uid"] for trial in trials]
    tags = models.SqlTag
    with store.ManagedSessionMaker(read_only=True) as session:
        known = set(session.scalars(select(tags.value).where(tags.key == "study.uid", tags.value.in_(uids))))
    return [trial for trial in trials if trial.about["uid"] not in known]


def begin(
    store: SqlAlchemyStore, experiment: str, place: str, parents: Mapping[int, str], trials: Sequence[Trial]
) -> dict[int, str]:
    """Make the runs of trials, with their parameters, tags, metrics and data, in one transaction.

    Args:
        store: MLflow's database.
        experiment: id of the study's.
        place: of its files, as of `place_of`.
        parents: id of the parent's run, by the trial's number.
        trials: that have ended, and have no run.

    Returns:
        The id of each run, by the trial's number; a trial that MLflow would refuse has none.

    """
    rows: dict[Any, list[Row]] = {}
    made: dict[int, str] = {}
    for trial in trials:
        run = uuid.uuid4().hex
        try:
            of_run = _rows(store, trial, run, experiment, parents[trial.number], f"{place}/{run}/artifacts")
        except (MlflowException, ValueError, ArithmeticError):
            continue
        made[trial.number] = run
        for model, each in of_run.items():
            rows.setdefault(model, []).extend(each)
    if not made:
        return made
    with store.ManagedSessionMaker(read_only=False) as session:
        for model in (models.SqlRun, models.SqlTag, models.SqlParam, models.SqlMetric, models.SqlLatestMetric):
            if rows.get(model):
                session.execute(insert(model), rows[model])
        _add_data(session, int(experiment), [(made[each.number], each) for each in trials if each.number in made])
    return made


def store_files(place: str, run: str, files: Mapping[str, bytes]) -> bool:
    """Store the files of a run of `begin`, at a place; False if that is not a folder."""
    if not place.startswith("file:"):
        return False
    folder = Path(local_file_uri_to_path(place)) / run / "artifacts"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return True


def place_of(store: SqlAlchemyStore, experiment: str) -> str:
    """Give the place of the files of an experiment, as a URI."""
    return store.get_experiment(experiment).artifact_location.rstrip("/")


def end(store: SqlAlchemyStore, ended: Sequence[tuple[str, Trial]]) -> None:
    """End runs whose files are stored, in one transaction."""
    table, rows, tags = models.SqlRun.__table__, list[Row](), list[Row]()
    for run, trial in ended:
        assert trial.history.ended is not None
        status, time = fields.end_of(trial)
        rows.append({"run": run, "status": status, "end_time": time})
        tags.append({"run": run, "of": "study.state", "value": fields.STATES[trial.history.ended.state]})
    with store.ManagedSessionMaker(read_only=False) as session:
        connection = session.connection()
        connection.execute(update(table).where(table.c.run_uuid == bindparam("run")), rows)
        tag = models.SqlTag.__table__
        connection.execute(update(tag).where(tag.c.run_uuid == bindparam("run"), tag.c.key == bindparam("of")), tags)


def _rows(
    store: SqlAlchemyStore, trial: Trial, run: str, experiment: str, parent: str, place: str
) -> dict[Any, list[Row]]:
    """Make the rows of a run. Raises MlflowException where MLflow would refuse one."""
    name = fields.run_name(trial.about, trial.number)
    of_start = {**fields.tags_of_trial(trial), "mlflow.parentRunId": parent, "mlflow.runName": name}
    tags = {**fields.tags_of_end(trial), **of_start}  # its state comes at the end
    epochs = zip(trial.history.epochs, trial.history.times, strict=True)
    points = [point for epoch, time in epochs for point in fields.points_of_epoch(epoch, time)]
    points += fields.points_of_end(trial.history)
    metrics, params, checked_tags = _validate_batch_log_data(
        [Metric(*point) for point in dict.fromkeys(points)],
        [Param(key, text) for key, text in fields.params(trial.recipe).items()],
        [RunTag(key, text) for key, text in tags.items()],
    )
    for each in (*params, *checked_tags):
        each.value.encode()  # a lone surrogate is refused here, and by itself in the slower way
    of_metrics = [_of_metric(store, run, each) for each in metrics]
    latest: dict[str, Row] = {}
    for row in sorted(of_metrics, key=lambda row: (row["step"], row["timestamp"], row["value"])):
        latest[row["key"]] = row
    of_run = {
        "run_uuid": run, "name": name, "artifact_uri": place, "experiment_id": int(experiment),
        "source_type": SourceType.to_string(SourceType.UNKNOWN), "source_name": "", "entry_point_name": "",
        "user_id": tags.get("mlflow.user", "unknown"), "status": RunStatus.to_string(RunStatus.RUNNING),
        "start_time": fields.milliseconds(trial.about["created"]), "end_time": None, "deleted_time": None,
        "source_version": "", "lifecycle_stage": LifecycleStage.ACTIVE,
    }  # fmt: skip
    return {
        models.SqlRun: [of_run],
        models.SqlTag: [{"run_uuid": run, "key": each.key, "value": each.value} for each in checked_tags],
        models.SqlParam: [{"run_uuid": run, "key": each.key, "value": each.value} for each in params],
        models.SqlMetric: of_metrics,
        models.SqlLatestMetric: list(latest.values()),
    }


def _of_metric(store: SqlAlchemyStore, run: str, metric: Metric) -> Row:
    is_nan, value = store.sanitize_metric_value(metric.value)
    return {
        "run_uuid": run, "key": metric.key, "value": value, "timestamp": metric.timestamp, "step": metric.step,
        "is_nan": is_nan,
    }  # fmt: skip


def _new_data(session: Any, experiment: int, described: Mapping[str, str]) -> str:
    made = uuid.uuid4().hex
    row = {
        "dataset_uuid": made, "experiment_id": experiment, "name": described["name"], "digest": described["digest"],
        "dataset_source_type": described["source_type"], "dataset_source": described["source"],
    }  # fmt: skip
    session.execute(insert(models.SqlDataset), [row])
    return made


def _add_data(session: Any, experiment: int, runs: Sequence[tuple[str, Trial]]) -> None:
    """Name the data set of each run."""
    table, known = models.SqlDataset, dict[tuple[str, str], str]()
    inputs, tags = list[Row](), list[Row]()
    for run, trial in runs:
        described = fields.dataset(trial.about.get("data"))
        if described is None:
            continue
        key = described["name"], described["digest"]
        if key not in known:
            asked = select(table.dataset_uuid).where(
                table.experiment_id == experiment, table.name == key[0], table.digest == key[1]
            )
            known[key] = session.scalars(asked).first() or _new_data(session, experiment, described)
        inputs.append({
            "input_uuid": uuid.uuid4().hex, "source_type": "DATASET", "source_id": known[key],
            "destination_type": "RUN", "destination_id": run, "step": 0,
        })  # fmt: skip
        tags.append({"input_uuid": inputs[-1]["input_uuid"], "name": "mlflow.data.context", "value": "training"})
    if inputs:
        session.execute(insert(models.SqlInput), inputs)
        session.execute(insert(models.SqlInputTag), tags)
