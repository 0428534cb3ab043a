"""A training on another node finds its data, and the weights that it starts from, without the coordinator's disk."""

import shutil

import torch
from safetensors.torch import load_file, save_file

from study import Recipe
from study.engine import pretrained
from study.engine.sources import ensure
from study.engine.train import assemble
from study.executors.object_store import Downloader, Uploader
from study.settings import cache_folder


def test_weights_and_data_travel_to_another_node_once(tmp_path, monkeypatch):
    ensure("digits")
    here = tmp_path / "coordinator"
    here.mkdir()
    recipe = Recipe(dataset="digits", model="mlp", hidden=(4,), weights=str(here / "w.safetensors"))
    torch.manual_seed(7)
    model = assemble(recipe.model_copy(update={"weights": None}), "cpu").model
    given = {name: torch.randn_like(each) for name, each in model.state_dict().items()}
    save_file(given, recipe.weights)
    sent = []
    uploader = Uploader(lambda thing: sent.append(thing) or len(sent) - 1, "one")
    jobs = [uploader.upload({"recipe": recipe.model_dump(mode="json")}) for _ in range(3)]
    assert len(sent) == 2  # the data and the weights, for all of them
    shutil.rmtree(here)
    shutil.rmtree(cache_folder())
    monkeypatch.setenv("STUDY_CACHE", str(tmp_path / "node"))
    downloader = Downloader(sent.__getitem__, "two", tmp_path / "code")
    try:
        for each in jobs:
            downloader.download(each)
        found = assemble(recipe, "cpu").model.state_dict()
    finally:
        pretrained.carry({})
    assert all(found[name].equal(each) for name, each in given.items())
    (copy,) = (tmp_path / "node").rglob("weights.safetensors")
    assert load_file(copy).keys() == given.keys()
