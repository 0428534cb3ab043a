"""What MLflow still tells of a trial or a study whose files here are damaged."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowException

from study.tracking.connection import connect, errors_in_one_line, pages
from study.tracking.fields import name_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlflow import MlflowClient

    from study.settings import Settings


@dataclass(frozen=True, slots=True)
class Copies:
    """The runs of one study in MLflow."""

    client: MlflowClient
    server: str
    runs: Sequence[Any]

    def file(self, uid: str, name: str) -> bytes | None:
        """Read an artifact of the run with a uid; None if there is none."""
        run = self._of(uid)
        if run is None:
            return None
        with tempfile.TemporaryDirectory() as folder, suppress(MlflowException, OSError):
            return Path(self.client.download_artifacts(run.info.run_id, name, folder)).read_bytes()
        return None

    def definition(self, study: str) -> bytes | None:
        """Read the definition of the study; None if there is none."""
        uids = [run.data.tags.get("study.uid", "") for run in self.runs if run.data.tags.get("study") == study]
        return next((self.file(uid, "study.json") for uid in uids if uid.startswith("study-")), None)

    def epochs(self, uid: str, names: Sequence[str]) -> dict[int, tuple[dict[str, float], float, float]]:
        """Read the epochs of a trial.

        Args:
            uid: of the trial.
            names: of the metrics of its epochs.

        Returns:
            The metrics of each epoch, its seconds, and when it was logged, in seconds since 1970, by its number.

        """
        found: dict[int, tuple[dict[str, float], float, float]] = {}
        if (run := self._of(uid)) is None:
            return found
        with errors_in_one_line(self.server):
            seconds = {each.step: each for each in self.client.get_metric_history(run.info.run_id, "seconds")}
            for name in names:
                for each in self.client.get_metric_history(run.info.run_id, name_of(name)):
                    if each.step in seconds:
                        at = seconds[each.step]
                        entry = found.setdefault(each.step, ({}, at.value, at.timestamp / 1000))
                        entry[0][name] = each.value
        return {number: entry for number, entry in found.items() if len(entry[0]) == len(names)}

    def _of(self, uid: str) -> Any:
        return next((run for run in self.runs if run.data.tags.get("study.uid") == uid), None)


def of(study: str, settings: Settings, server: str) -> Copies | None:
    """Find the runs of a study; None if it has no experiment.

    Raises:
        PlaceError: MLflow cannot be reached.

    """
    client = connect(settings.tracking_uri, server, settings.artifacts)
    with errors_in_one_line(server):
        experiment = client.get_experiment_by_name(os.environ.get("MLFLOW_EXPERIMENT_NAME") or study)
        if experiment is None:
            return None
        return Copies(client, server, pages(partial(client.search_runs, [experiment.experiment_id]), ""))
