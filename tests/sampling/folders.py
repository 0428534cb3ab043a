"""Folders of trials as a search writes them, and the teller that tells Optuna's database of them."""

from __future__ import annotations

from optuna.distributions import FloatDistribution, distribution_to_json

from study.sampling.teller import Teller


def told(journal, database):
    return Teller(journal, database, "s", "maximize").tell()


def make(journal, number, *, end=None):
    about = {
        "uid": f"u{number}",
        "created": 1.7e9 + number,
        "variant": None,
        "overrides": {"lr": 0.1 * (number + 1)},
        "params": {"lr": 0.1 * (number + 1)},
        "distributions": {"lr": distribution_to_json(FloatDistribution(0.0, 1.0))},
        "metric": "val_accuracy",
        "direction": "maximize",
    }
    folder = journal.create(number, "{}", about)
    folder.append("epoch", number=1, metrics={"val_accuracy": 0.5 + number / 10}, seconds=1.0)
    if end:
        folder.append("ended", state=end, value=0.5 + number / 10, reason="" if end == "complete" else "why", evaluation=None)  # fmt: skip  # noqa: E501
    return folder
