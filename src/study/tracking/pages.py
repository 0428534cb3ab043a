"""Addresses of MLflow's pages for a browser, asked of a server that answers."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

SECONDS = 10.0  # in which the server must answer a question
# MLflow opens in its mode for language models, which hides runs, unless the address asks for this one.
MODE = "workflowType=machine_learning"


def runs_table(address: str) -> str:
    """Give the page with the runs of the experiment that got the newest run; without runs, the list of experiments.

    Args:
        address: of MLflow's server, such as http://127.0.0.1:5000.

    """
    try:
        experiments = _ask(address, "experiments/search", {"max_results": 1000}).get("experiments", [])
        wanted = {"experiment_ids": [each["experiment_id"] for each in experiments], "max_results": 1}
        runs = _ask(address, "runs/search", {**wanted, "order_by": ["attributes.start_time DESC"]}).get("runs", [])
    except (OSError, ValueError, urllib.error.URLError):
        runs = []
    if not runs:
        return f"{address}/#/experiments?{MODE}"
    return f"{address}/#/experiments/{runs[0]['info']['experiment_id']}/runs?{MODE}"


def _ask(address: str, call: str, question: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310 - the server that study has started
        f"{address}/api/2.0/mlflow/{call}", json.dumps(question).encode(), {"Content-Type": "application/json"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=SECONDS) as answer:
        return json.loads(answer.read())
