"""`study ui`: Optuna dashboard and MLflow on this machine, on all that is recorded."""

from __future__ import annotations

import logging

from study import settings
from study.cli import options

log = logging.getLogger("study")


def ui(
    optuna_port: options.OptunaPort = None,
    mlflow_port: options.MlflowPort = None,
    home: options.Home = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Start Optuna dashboard and MLflow here; Ctrl-C stops both."""
    from study.service.ui import serve

    log.info("starting both, which takes some seconds")
    serve(settings.resolve(home, storage, tracking_uri), _say, optuna_port, mlflow_port)


def _say(dashboard: str, mlflow: str) -> None:
    print(f"Optuna dashboard  {dashboard}\nMLflow            {mlflow}\nCtrl-C stops both.", flush=True)
