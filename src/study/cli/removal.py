"""`study remove`: a study's results deleted, after the person has seen what that means."""

from __future__ import annotations

import logging

from study import settings
from study.cli import options
from study.cli.terminal import require_consent
from study.formatting import plural, size

log = logging.getLogger("study")


def remove(
    name: options.StudyName,
    yes: options.Yes = False,
    home: options.Home = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Delete a study's results: folders, trials in Optuna, runs in MLflow. Its file and registered models stay."""
    from study.running import removal

    places = settings.resolve(home, storage, tracking_uri)
    found = removal.plan(name, places)
    said = ", ".join(f"{each} ({plural(trials, 'trial')})" for each, trials in found.trials.items())
    require_consent(f"Delete the results of {said}, {size(found.size)}?", f"study remove {name}", yes=yes)
    removal.remove(found, places)
    log.info("Deleted. MLflow can restore its runs until `mlflow gc --backend-store-uri %s`.", places.tracking_uri)
