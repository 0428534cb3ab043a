"""MLflow as a tracking server: an experiment and a parent run for each study, a child run for each trial."""

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.entities import Dataset, DatasetInput, InputTag, LifecycleStage, Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from study.record import weights
from study.tracking import bulk, fields
from study.tracking.connection import connect, errors_in_one_line, first_line, is_refusal, is_server, pages
from study.tracking.mirror import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlflow.entities import Run
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    from study.record.trial import Trial
    from study.tracking.snapshot import StudySnapshot

ITEMS_A_BATCH, NAMES_A_BATCH = 1000, 100  # MLflow's limits: items in all, parameters, tags
AT_ONCE = 8  # trials sent to a server at the same time
KINDS = {Metric: "the metric", Param: "the parameter", RunTag: "the tag"}


class Runs:
    """The runs of studies on one MLflow server or database: a `study.tracking.mirror.Client`."""

    def __init__(self, uri: str, server: str, artifacts: Path) -> None:
        """Connect to the server or the database; make a missing SQLite file.

        Args:
            uri: MLflow's tracking URI.
            server: name of the server or database in messages and in the cursor: the URI without its password.
            artifacts: folder for the artifacts of new experiments, if the URI is a database's.

        Raises:
            PlaceError: it cannot be reached or used; says why.

        """
        self.server = server
        self._artifacts = None if is_server(uri) else artifacts.as_uri()
        self._experiment = ""
        self._opened: set[str] = set()
        self._groups: dict[str, str] = {}
        self.refused: list[str] = []
        self._client = connect(uri, server, artifacts)

    def open_study(self, definition: Mapping[str, Any], first: Mapping[str, Any], known: str | None) -> str:
        """Find or make the study's run, with the recipe as parameters."""
        if known in self._opened:
            return known
        with errors_in_one_line(self.server):
            run = self._run_if_alive(known) or self._find_or_make_study(definition, first)
            made = run.info.run_id
            self._experiment = run.info.experiment_id
            knobs = fields.params(definition["recipe"])  # MLflow cannot change a parameter; study.json has the newest
            new = {name: text for name, text in knobs.items() if name not in run.data.params}
            self._log(made, params=new, tags=fields.tags_of_study(definition, first))
            self._log_data(made, definition.get("data"))
        self._opened.add(made)
        return made

    def open_trial(self, parent: str, trial: Trial) -> str:
        """Find or make the trial's run, with the recipe as parameters; delete its runs of other replays."""
        with errors_in_one_line(self.server):
            found = None
            for run in self._of_uid(trial.about["uid"]):
                if run.data.tags.get("study.replays") == str(trial.history.replays):
                    found = run.info.run_id
                else:
                    self._client.delete_run(run.info.run_id)
            name = fields.run_name(trial.about, trial.number)
            if trial.about.get("grouped"):
                parent = self._group(parent, trial.about["variant"])
            tags = {"mlflow.parentRunId": parent, **fields.tags_of_trial(trial)}
            made = found or self._make(name, trial.about["created"], tags)
            self._log_data(made, trial.about.get("data"))
            self._log(made, params=fields.params(trial.recipe), tags=tags)
            self._store(made, _recipe(trial))
        return made

    def send_ended(self, parent: str, trials: Sequence[Trial]) -> dict[int, str]:
        """Send whole trials that MLflow has nothing of: to a database in two transactions, to a server side by side."""
        with errors_in_one_line(self.server):
            parents = {
                trial.number: self._group(parent, trial.about["variant"]) if trial.about.get("grouped") else parent
                for trial in trials
            }
            if store := bulk.store_of(self._client):
                return self._send_to_database(store, parents, trials)
            with ThreadPoolExecutor(AT_ONCE) as pool:
                sent = [pool.submit(self._send_whole, parents[trial.number], trial) for trial in trials]
                try:
                    runs = [each.result() for each in sent]
                finally:
                    pool.shutdown(cancel_futures=True)
        return {trial.number: run for trial, run in zip(trials, runs, strict=True) if run is not None}

    def _send_to_database(
        self, store: SqlAlchemyStore, parents: Mapping[int, str], trials: Sequence[Trial]
    ) -> dict[int, str]:
        """Send those of the trials that have no run, but those that the database would refuse; give their runs."""
        trials = bulk.new(store, trials)
        place = bulk.place_of(store, self._experiment)
        runs = bulk.begin(store, self._experiment, place, parents, trials)
        made = [(runs[trial.number], trial) for trial in trials if trial.number in runs]
        for run, trial in made:
            files = {**_recipe(trial), **self._files(trial)}
            if not bulk.store_files(place, run, files):
                self._store(run, files)
        if made:
            bulk.end(store, made)
        return runs

    def _send_whole(self, parent: str, trial: Trial) -> str | None:
        """Make and end a trial's run with as few requests as MLflow's interface permits; None if it has one already."""
        try:
            with errors_in_one_line(self.server):
                if self._of_uid(trial.about["uid"]):
                    return None
                tags = {"mlflow.parentRunId": parent, **fields.tags_of_trial(trial), **fields.tags_of_end(trial)}
                run = self._make(fields.run_name(trial.about, trial.number), trial.about["created"], tags)
                self._log_data(run, trial.about.get("data"))
                self._store(run, {**_recipe(trial), **self._files(trial)})
                points = [*_points(trial), *fields.points_of_end(trial.history)]
                self._log(run, points, fields.params(trial.recipe), tags)
                self._client.set_terminated(run, *fields.end_of(trial))
        except Refused:
            return None  # it is sent in steps, of which one says why
        return run

    def log_epochs(self, run: str, trial: Trial, after: int) -> int:
        """Log every metric of the epochs, with the epoch as step and the recorded time."""
        points = _points(trial, after)
        with errors_in_one_line(self.server):
            self._log(run, points=points)
        return len(points)

    def end_trial(self, run: str, trial: Trial) -> None:
        """Log the evaluation, store pictures and weights, then set the run's status."""
        if trial.history.ended is None:
            return
        with errors_in_one_line(self.server):
            self._store(run, self._files(trial))
            self._log(run, points=fields.points_of_end(trial.history), tags=fields.tags_of_end(trial))
            self._client.set_terminated(run, *fields.end_of(trial))

    def update_study(self, parent: str, summary: StudySnapshot) -> None:
        """Log counts and best, store the definition and the best recipe, set the run's status."""
        with errors_in_one_line(self.server):
            self._store(parent, {**fields.artifacts_of_study(summary), **summary.files})
            for variant, values in summary.groups.items():
                self._log_group(self._group(parent, variant), values, summary)
            self._log(parent, points=fields.points_of_summary(summary), tags=fields.tags_of_summary(summary))
            if not os.environ.get("MLFLOW_EXPERIMENT_NAME"):  # else it is not this study's alone
                for tag, text in fields.tags_of_experiment(summary).items():
                    self._client.set_experiment_tag(self._experiment, tag, text)
            if summary.ended is None:
                self._client.update_run(parent, status="RUNNING")
            else:
                started = self._client.get_run(parent).info.start_time
                self._client.set_terminated(parent, "FINISHED", max(started, fields.milliseconds(summary.ended)))

    def forget(self, study: str) -> int:
        """Delete all runs of a study; keep its experiment, since MLflow could not make another one of that name."""
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or study
        with errors_in_one_line(self.server):
            experiment = self._client.get_experiment_by_name(name)
            if experiment is None or experiment.lifecycle_stage != LifecycleStage.ACTIVE:
                return 0
            self._experiment = experiment.experiment_id
            runs = self._search(f"tags.study = '{study}'")
            parents = [run.info.run_id for run in runs if run.data.tags.get("study.uid", "").startswith("study-")]
            groups = [run for parent in parents for run in self._search(f"tags.`mlflow.parentRunId` = '{parent}'")]
            found = {run.info.run_id for run in (*runs, *groups)}
            for run in found:
                self._client.delete_run(run)
        return len(found)

    def _group(self, parent: str, variant: str) -> str:
        """Find or make the run of a variant, which is the parent of its runs on the seeds."""
        tags = fields.tags_of_group(parent, variant)
        uid = tags["study.uid"]
        if uid not in self._groups:
            found = self._of_uid(uid)
            self._groups[uid] = (
                found[0].info.run_id if found else self._make(fields.group_name(variant), time.time(), tags)
            )
            self._log(self._groups[uid], tags=tags)
        return self._groups[uid]

    def _log_group(self, run: str, values: Mapping[str, float], summary: StudySnapshot) -> None:
        """Log a variant's values over its seeds, with the number of seeds as step."""
        at = fields.milliseconds(summary.ended or time.time())
        step = int(values["n"])
        self._log(run, points=[fields.Point(name, value, at, step) for name, value in values.items()])
        if summary.ended is not None:
            self._client.set_terminated(run, "FINISHED", max(at, self._client.get_run(run).info.start_time))

    def is_alive(self, run: str) -> bool:
        """Tell whether a run exists and was not deleted."""
        with errors_in_one_line(self.server):
            return self._run_if_alive(run) is not None

    def _run_if_alive(self, run: str | None) -> Run | None:
        """Find a run; None if it does not exist or was deleted."""
        if run is None:
            return None
        try:
            found = self._client.get_run(run)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        return found if found.info.lifecycle_stage == LifecycleStage.ACTIVE else None

    def _find_or_make_study(self, definition: Mapping[str, Any], first: Mapping[str, Any]) -> Run:
        name = definition["study"]
        self._experiment = self._find_or_make_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME") or name)
        tags = fields.tags_of_study(definition, first)
        if found := self._of_uid(tags["study.uid"]):
            return found[0]
        return self._client.get_run(self._make(name, first["created"], tags))

    def _find_or_make_experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            return self._client.create_experiment(name, artifact_location=self._artifacts)
        if found.lifecycle_stage != LifecycleStage.ACTIVE:
            fix = "Restore it there, or set MLFLOW_EXPERIMENT_NAME to another name."
            raise Refused(f"the experiment {name!r} was deleted", where=self.server, fix=fix)
        return found.experiment_id

    def _of_uid(self, uid: str) -> list[Run]:
        return self._search(f"tags.`study.uid` = '{uid}'")

    def _search(self, wanted: str) -> list[Run]:
        return pages(partial(self._client.search_runs, [self._experiment]), wanted)

    def _make(self, name: str, created: float, tags: Mapping[str, str]) -> str:
        """Make a run with the tags by which it is found again."""
        needed = {tag: tags[tag] for tag in ("study.uid", "study.replays", "mlflow.parentRunId") if tag in tags}
        return self._client.create_run(self._experiment, fields.milliseconds(created), needed, name).info.run_id

    def _log(
        self,
        run: str,
        points: Sequence[fields.Point] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Log in batches within MLflow's limits: as a rule, one."""
        metrics = [Metric(*point) for point in points]
        named = [Param(name, text) for name, text in (params or {}).items()]
        tagged = [RunTag(name, text) for name, text in (tags or {}).items()]
        while metrics or named or tagged:
            now = named[:NAMES_A_BATCH], tagged[:NAMES_A_BATCH]
            room = ITEMS_A_BATCH - len(now[0]) - len(now[1])
            self._send(run, metrics[:room], *now)
            metrics, named, tagged = metrics[room:], named[NAMES_A_BATCH:], tagged[NAMES_A_BATCH:]

    def _send(self, run: str, metrics: Sequence[Metric], params: Sequence[Param], tags: Sequence[RunTag]) -> None:
        """Send a batch; of one that is refused, each piece by itself, so that only what is refused is left out."""
        try:
            self._client.log_batch(run, metrics, params, tags)
        except (MlflowException, ValueError, TypeError, ArithmeticError) as error:
            if not is_refusal(error) or self._client.get_run(run).info.lifecycle_stage != LifecycleStage.ACTIVE:
                raise
            pieces = [*metrics, *params, *tags]
            if len(pieces) == 1:
                what = f"{KINDS[type(pieces[0])]} {pieces[0].key[:80]!r}"
                self.refused.append(f"MLflow refuses {what} of run {run}: {first_line(error)}")
                return
            for piece in pieces:
                self._send(
                    run,
                    [piece] if isinstance(piece, Metric) else (),
                    [piece] if isinstance(piece, Param) else (),
                    [piece] if isinstance(piece, RunTag) else (),
                )

    def _log_data(self, run: str, data: Mapping[str, Any] | None) -> None:
        """Log the data set that the run was trained on; safe to repeat."""
        if described := fields.dataset(data):
            context = [InputTag("mlflow.data.context", "training")]
            self._client.log_inputs(run, [DatasetInput(Dataset(**described), context)])

    def _files(self, trial: Trial) -> dict[str, bytes]:
        """Make the files of a trial that has ended: pictures, evaluation, and its best weights unless damaged."""
        best = trial.folder.best
        kept = {best.name: weights.read(best)} if best.exists() and trial.folder.weights_are_whole() else {}
        if (correct := trial.folder.correct).exists():
            kept[correct.name] = correct.read_bytes()
        return {**fields.artifacts_of_trial(trial), **kept}

    def _store(self, run: str, files: Mapping[str, bytes]) -> None:
        """Store small artifacts, replacing those of the same names."""
        if not files:
            return
        with tempfile.TemporaryDirectory() as folder:
            for name, content in files.items():
                (Path(folder) / name).write_bytes(content)
            self._client.log_artifacts(run, folder)


def _points(trial: Trial, after: int = 0) -> list[fields.Point]:
    epochs = zip(trial.history.epochs[after:], trial.history.times[after:], strict=True)
    return [point for epoch, time in epochs for point in fields.points_of_epoch(epoch, time)]


def _recipe(trial: Trial) -> dict[str, bytes]:
    return {"recipe.json": fields.as_json(trial.recipe)}


def check(uri: str, server: str, artifacts: Path) -> str:
    """Describe MLflow's version and whether the server or database answers; nothing is created.

    Raises:
        PlaceError: it cannot be reached or used; says why, and what to do.

    """
    Runs(uri, server, artifacts)
    return f"MLflow {mlflow.__version__}, {server} answers"
