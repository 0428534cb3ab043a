"""What only shows results reads the stored definition: the study's file is never run, whatever it has become."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import study as api

STUDY = '''"""Which size is best?"""
from pydantic import BaseModel
from study import Epoch, Published, Study, Variant

class Own(BaseModel, frozen=True, extra="forbid"):
    size: float = 1.0
    seed: int = 0

def train(recipe, resume, test=False):
    score = recipe.size + recipe.seed % 7 / 1000
    yield Epoch(1, {"score": score})
    return {"test": {"score": score}} if test else None

def space(trial):
    return {"size": trial.suggest_float("size", 1.0, 9.0)}

study = Study(
    name="own", recipe=Own(), train=train, metric="score", space=space,
    variants={"baseline": {}, "wide": {"size": 2}, "literal": Variant({"size": 3}, as_published=True)},
    published={"wide": Published(value=2.5, source="Table 1")},
)
'''
HERE = {"executor": "inline", "track": False}  # MLflow is shown nowhere here
MARKER = "from pathlib import Path\nPath('was-run').touch()\nraise SystemExit('the file was run')\n"
SHOWING = [
    ["list"], ["show", "own"], ["show", "own", "--trial", "0"], ["show", "own", "--importance"],
    ["show", "own", "--pruning"], ["best", "own"], ["export", "own"], ["export", "own", "--epochs"],
    ["compare", "own", "--show"], ["compare", "studies/own.py", "--show", "--csv"],
    ["compare", "own", "--show", "--seeds", "2", "--as-published"],
    ["confirm", "own", "--show"], ["ablate", "own", "--show"], ["report", "own"],
]  # fmt: skip


@pytest.fixture
def ran(study):
    Path("studies").mkdir()
    file = Path("studies/own.py")
    file.write_text(STUDY)
    api.run("own", 5, pruner="none", **HERE)
    api.compare("own", seeds=2, **HERE)
    api.confirm("own", top=2, seeds=2, **HERE)
    api.ablate("own", seeds=2, **HERE)
    return study


@pytest.mark.slow
def test_no_showing_command_runs_the_file(ran):
    before = {" ".join(words): ran(*words) for words in SHOWING}
    assert {words: answer.err for words, answer in before.items() if answer.code} == {}
    Path("studies/own.py").write_text(STUDY + MARKER)
    assert {words: ran(*words.split())[:2] for words in before} == {words: each[:2] for words, each in before.items()}
    assert not Path("was-run").exists()
    assert "2.5000" in before["compare own --show"].out
    assert "literal" in before["compare own --show --seeds 2 --as-published"].out
    assert "Which size is best?" in Path("mlruns/studies/own/artifacts/report.html").read_text()
    refused = ran("register", "own")
    assert (refused.code, "it has a training of its own (train=)" in refused.err) == (2, True)
    assert not Path("was-run").exists()
    Path("studies/own.py").unlink()
    for words in (["compare", "own", "--show"], ["confirm", "own", "--show"], ["ablate", "own", "--show"]):
        assert ran(*words) == before[" ".join(words)]


def test_docstring_and_published_figures_are_refreshed_at_the_next_run():
    Path("studies").mkdir()
    file, stored = Path("studies/own.py"), Path("mlruns/studies/own/study.json")
    file.write_text(STUDY)
    api.run("own", 1, **HERE)
    before = json.loads(stored.read_text())
    assert before["about"] == "Which size is best?"
    assert before["published"] == {"wide": {"value": 2.5, "source": "Table 1", "rounding": 0.00005}}
    assert before["as_published"] == ["literal"]
    file.write_text(STUDY.replace("Which size is best?", "How large?").replace("2.5", "2.75"))
    api.run("own", 1, **HERE)
    after = json.loads(stored.read_text())
    assert after["about"] == "How large?"
    assert after["published"]["wide"]["value"] == 2.75
    assert "accepted" not in after
    kept = {key: before[key] for key in ("about", "published", "crc")}
    assert {**after, **kept} == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["confirm", "own", "--show"], "own has not been searched yet. Search first: `study run own`."),
        (["ablate", "own", "--show"], "own has not been searched yet"),
        (["compare", "own", "--show"], "own has not been compared yet. Run `study compare own`."),
        (["confirm", "onw", "--show"], "no study 'onw'. Did you mean 'own'?"),
        (["confirm", "own@digits", "--show", "--data", "mnist"], "the study's name says digits, not mnist"),
    ],
)
def test_what_was_never_run_is_said_without_running_the_file(study, words, message):
    Path("studies").mkdir()
    Path("studies/own.py").write_text(MARKER)
    answer = study(*words)
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err
    assert not Path("was-run").exists()
    assert not Path("mlruns").exists()
