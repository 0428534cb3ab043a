"""`study compare NAME --data A,B --server URL`: one run, a comparison on each data set, one verdict over all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from study.schemas.several import SeveralData
from study.service import people, store
from study.service.client import Client
from tests.service.conftest import PASSWORD, bearer

TABLES = """
from study import Recipe, Study

study = Study(
    name="tables",
    recipe=Recipe(dataset="wine", model="mlp", hidden=(8,), epochs=1, lr=0.01, optimizer="adam", val_fraction=0.2),
    variants={"baseline": {}, "slow": {"lr": 1e-5}},
)
"""
OVER_ALL = "tables on average over 2 data sets, each counting once (iris, wine): against baseline"


@pytest.mark.slow
def test_a_server_compares_on_several_data_sets_and_gives_one_verdict_over_all(serving):
    Path("studies").mkdir()
    Path("studies/tables.py").write_text(TABLES)
    stored = store.opened(f"sqlite:///{Path('mlruns').absolute()}/service.db")
    people.accept(stored, people.invite(stored, "serve"), "ann", PASSWORD)
    token = people.make_token(stored, "ann", "test")[1]
    stored.close()
    environment = {**os.environ, "STUDY_TOKEN": token, "STUDY_SERVER": serving.address}

    def said(*words):
        command = [sys.executable, "-m", "study", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    shown = said("compare", "tables", "--data", "iris,wine", "--seeds", "2", "--device", "cpu")
    client = Client(serving.address, token)
    (run,) = [client.run("tables")]
    found = SeveralData.model_validate(client.wait(run.id).answer)
    assert (run.status, run.asked["data"], found.data) == ("done", "iris,wine", ["iris", "wine"])
    assert sorted(run.studies) == ["tables-compare", "tables@iris-compare"]
    assert [len(each.variants) for each in found.comparisons] == [2, 2]
    page = httpx2.get(f"{serving.address}/runs/{run.id}", headers=bearer(token)).text
    for text in (shown, said("attach", run.id), page):
        assert OVER_ALL in text
        assert text.count("Variant ") >= 3  # the table of each data set, and that over all
    assert SeveralData.model_validate_json(said("attach", run.id, "--json")) == found
    again = client.submit("tables", "compare", data="iris,wine", seeds=2, device="cpu")  # nothing is trained again
    assert client.wait(again.id).answer["variants"] == run.answer["variants"]
