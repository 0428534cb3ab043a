"""Every task goes the whole path: check, search, confirmation, registration, promotion, prediction, report."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

STUDY = '''"""Which rate is best?"""
from study import Recipe, Study

study = Study(
    name="mine",
    recipe=Recipe({knobs}, batch_size=20, epochs=2),
    space=lambda trial: {{"lr": trial.suggest_float("lr", 1e-3, 1e-1, log=True)}},
    metric="{metric}",
)
'''
WORDS = """
from torch import nn


class Words(nn.Module):
    def __init__(self, num_classes, vocabulary):
        super().__init__()
        self.embedding, self.out = nn.Embedding(vocabulary, 8), nn.Linear(8, num_classes)

    def forward(self, tokens):
        return self.out(self.embedding(tokens).mean(1))
"""
SIGNALS = """
import numpy as np
from torch import nn


def make():
    x = np.random.default_rng(0).normal(size=(200, 2, 16))
    return {"x": x, "y": (x.mean((1, 2)) > 0).astype(int), "classes": ["low", "high"]}


def net(input_shape, num_classes):
    return nn.Sequential(nn.Conv1d(input_shape[0], 4, 5), nn.ReLU(), nn.Flatten(), nn.Linear(48, num_classes))
"""


def several():
    x = np.random.default_rng(0).normal(size=(200, 6))
    np.savez("data.npz", x=x, y=(x[:, :3] > 0).astype(int))
    pd.DataFrame(x[:5], columns=[f"x{at}" for at in range(6)]).to_csv("new.csv", index=False)
    return "new.csv", "dataset='data', model='mlp', hidden=(8,), loss='bce'", "val_f1_micro"


def tokens():
    x = np.random.default_rng(0).integers(0, 20, (200, 7))
    np.savez("data.npz", tokens=x, y=np.where(x[:, 0] > 9, "late", "early"))
    np.save("new.npy", x[:5])
    Path("words.py").write_text(WORDS)
    return "new.npy", "dataset='data', model='words.py:Words', model_args={'vocabulary': 20}", "val_accuracy"


def signals():
    np.save("new.npy", np.zeros((5, 2, 16), np.float32))
    Path("signals.py").write_text(SIGNALS)
    return "new.npy", "dataset='signals.py:make', model='signals.py:net'", "val_accuracy"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "columns", "section"),
    [
        (several, ["probability_label_0", "probability_label_1", "probability_label_2"], "## Labels"),
        (tokens, ["label", "probability_early", "probability_late"], "## Classes"),
        (signals, ["label", "probability_low", "probability_high"], "## Classes"),
    ],
)
def test_the_whole_path(task, columns, section, study, database, untracked, monkeypatch):
    monkeypatch.setenv("STUDY_EXECUTOR", "inline")
    for folder in ("studies", "mlruns"):
        Path(folder).mkdir()
    shutil.copy(database, "mlruns/mlflow.db")
    new, knobs, metric = task()
    Path("studies/mine.py").write_text(STUDY.format(knobs=knobs, metric=metric))
    if Path("data.npz").exists():
        assert study("data", "import", "data", "data.npz").code == 0
    for command in (
        "check mine", "run mine --trials 2", "confirm mine --top 1 --seeds 2", "register mine", "promote mine",
        "report mine",
    ):  # fmt: skip
        answer = study(*command.split())
        assert answer.code == 0, f"{command}\n{answer.out}\n{answer.err}"
        assert "failed" not in answer.err
    shown = study("confirm", "mine", "--show", "--json").json
    assert shown["score"]["mean"] is not None
    assert section in Path("mlruns/studies/mine/artifacts/report.md").read_text()
    if task is several:  # the gate compares the labels of each test example
        assert study("register", "mine", "--trial", "0").code == 0
        promoted = study("promote", "mine", "2", "--margin", "0.9", "--json")
        assert (promoted.code, promoted.json["errors"]["examples"]) == (0, 40)
    found = pd.read_csv(io.StringIO(study("predict", "mine", new, "--csv").out))
    assert list(found.columns) == ["example", *columns]
    assert len(found) == 5
