"""`study ui`: Optuna dashboard and MLflow on this machine, on all that is recorded."""

from __future__ import annotations

from study import settings
from study.cli import options


def ui(
    home: options.Home = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Start Optuna dashboard and MLflow here; Ctrl-C stops both."""
    from study.service.ui import serve

    serve(settings.resolve(home, storage, tracking_uri))
