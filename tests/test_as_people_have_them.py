"""Searches as people have them: tuples and Enums as choices, attributes of a trial, networks of every kind, slips."""

import enum

import optuna
import pytest

import study as api
from study import Recipe, Study
from study.asking import label_of
from study.errors import InputError, StudyFileError
from study.knobs import plain
from study.record.journal import Journal
from study.sampling import space, storage

TUPLES = '''
"""Tuples as choices, an attribute of the trial, and a variant."""
from study import Recipe, Study


def space(trial):
    trial.set_user_attr("note", "mine")
    return {
        "hidden": trial.suggest_categorical("hidden", [(8,), (16, 8)]),
        "lr": trial.suggest_float("lr", 1e-3, 1e-1, log=True),
    }


study = Study(
    name="tuples",
    recipe=Recipe(dataset="digits", model="mlp", hidden=(8,), train_size=100, epochs=1),
    space=space,
    variants={"wide": {"hidden": (16, 8)}, "baseline": {}},
)
'''


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1


@pytest.mark.parametrize(
    ("choice", "label"),
    [((8,), "[8]"), ((16, (8, 4)), "[16, [8, 4]]"), (Colour.RED, "red"), (Level.LOW, 1), ([8], "[8]"), ("a", "a"),
     (None, None), (1.5, 1.5), ({"a": (1,)}, '{"a": [1]}')],
)  # fmt: skip
def test_what_optuna_stores_of_a_choice_comes_back_the_same(choice, label):
    found = label_of(choice)
    assert (found, type(found)) == (label, type(label))
    distribution = optuna.distributions.CategoricalDistribution([found, "other"])
    text = optuna.distributions.distribution_to_json(distribution)
    assert optuna.distributions.json_to_distribution(text) == distribution


def test_a_choice_that_cannot_be_stored_is_refused_by_check():
    study = Study(name="s", recipe=Recipe(), space=lambda trial: {"l1": trial.suggest_categorical("l1", [object()])})
    with pytest.raises(StudyFileError, match=r"s, space.*<object object at .*> cannot be stored"):
        space.probe(study)


def test_tuples_as_choices_go_on_after_a_stop_and_beside_a_variant(tmp_path):
    (tmp_path / "studies").mkdir()
    file = tmp_path / "studies" / "tuples.py"
    file.write_text(TUPLES)
    api.check(str(file))
    home = tmp_path / "home"
    for trials in (3, 6, 13):
        api.run(str(file), trials=trials, home=home, executor="inline", track=False)
    folders = Journal(home / "studies" / "tuples").trials()
    assert len(folders) == 13
    params = [folder.about()["params"].get("hidden") for folder in folders]
    assert set(params) == {"[8]", "[16, 8]"}
    for folder in folders:
        about = folder.about()
        assert about["overrides"].get("hidden", [8]) == {"[8]": [8], "[16, 8]": [16, 8]}[about["params"]["hidden"]]
    assert (
        next(folder.about()["params"] for folder in folders if folder.about()["variant"] == "wide")["hidden"]
        == "[16, 8]"
    )


def test_the_stand_in_for_a_variant_is_a_trial_of_optuna():
    seen = []

    def function(trial):
        trial.set_user_attr("a", 1)
        trial.report(0.5, 1)
        seen.append((trial.number, trial.user_attrs["a"], trial.should_prune()))
        return {"lr": trial.suggest_float("lr", 0.01, 0.1)}

    study = Study(name="s", recipe=Recipe(), space=function)
    assert space.params_of(study, {"lr": 0.05})[0] == {"lr": 0.05}
    assert seen == [(0, 1, False)]


OWN = '''
"""A recipe of one's own with an Enum, and a variant."""
import enum
from pydantic import BaseModel, ConfigDict
from study import Epoch, Study


class Way(enum.Enum):
    UP = "up"
    DOWN = "down"


class Mine(BaseModel):
    model_config = ConfigDict(frozen=True)
    way: Way = Way.UP
    seed: int = 0


def train(recipe, resume):
    yield Epoch(number=1, metrics={"score": 1.0 if recipe.way is Way.UP else 0.0}, seconds=0.0, last=True)


def space(trial):
    return {"way": trial.suggest_categorical("way", list(Way))}


study = Study(name="own", recipe=Mine(), space=space, variants={"down": {"way": Way.DOWN}}, train=train, metric="score")
'''


def test_an_enum_in_a_variant_and_a_space_of_ones_own_recipe(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(OWN)
    api.check(str(file))
    api.run(str(file), trials=4, home=tmp_path / "home", executor="inline", track=False)
    api.run(str(file), trials=6, home=tmp_path / "home", executor="inline", track=False)
    found = [folder.about() for folder in Journal(tmp_path / "home" / "studies" / "own").trials()]
    assert len(found) == 6
    assert found[0]["variant"] == "down"
    assert found[0]["overrides"] == {"way": "down"}
    assert {about["params"]["way"] for about in found} == {"up", "down"}


@pytest.mark.parametrize("directions", [["minimize"], ["maximize", "minimize"]])
def test_optunas_study_of_that_name_with_another_direction_is_refused(tmp_path, directions):
    url = f"sqlite:///{tmp_path / 'o.db'}"
    optuna.create_study(study_name="s", storage=url, directions=directions)
    with storage.opened(url) as database, pytest.raises(InputError) as caught:
        storage.study_id(database, "s", "maximize")
    assert str(caught.value).startswith(
        f"s: Optuna's database has a study of this name with the direction {directions[0]}"
    )
    assert "\n" not in str(caught.value)


NETS = """
import torch
from torch import nn


class Lazy(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.LazyLinear(7), nn.LazyBatchNorm1d(), nn.LazyLinear(num_classes))

    def forward(self, x):
        return self.layers(x)


class Pair(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.layer = nn.Linear(64, num_classes)

    def forward(self, x):
        return self.layer(x.flatten(1)), x
"""


@pytest.fixture
def nets(tmp_path):
    (tmp_path / "nets.py").write_text(NETS)
    return tmp_path / "nets.py"


def test_lazy_weights_are_made_by_a_first_batch(nets, tmp_path):
    from study.engine.check import check
    from study.engine.train import assemble

    recipe = Recipe(dataset="digits", model=f"{nets}:Lazy", epochs=1, train_size=100)
    check(recipe)
    one, two = (assemble(recipe, "cpu").model.state_dict() for _ in range(2))
    assert one["layers.1.weight"].shape == (7, 64)
    assert all(one[name].equal(two[name]) for name in one)


def test_a_network_that_returns_a_tuple_is_refused_in_one_line(nets):
    from study.engine.check import check

    with pytest.raises(InputError, match=r"gives a tuple where a tensor is wanted. Return the outputs alone"):
        check(Recipe(dataset="digits", model=f"{nets}:Pair", epochs=1, train_size=100))


def test_a_name_of_300_characters_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(InputError, match=r"has 300 characters. Use 200 at most"):
        Study(name="a" * 300, recipe=Recipe()).check()
    Study(name="a" * 200, recipe=Recipe()).check()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("hidden=64", "hidden=64: a list is wanted. Did you mean [64]?"),
        ("LR=0.1", "unknown knob 'LR'. Did you mean 'lr'?"),
        ("dataset=CIFAR10", "unknown data set 'CIFAR10'. Did you mean 'cifar10'?"),
        ("optimizer=Adam", "Did you mean 'adam'?"),
    ],
)
def test_slips_are_answered_with_what_is_meant(study, given, message):
    study("new", "mine")
    answer = study("run", "mine", "--trials", "1", "--set", given)
    assert answer.code == 2
    assert message in answer.err
    assert "bug" not in answer.err


def test_pythons_none_is_none():
    from study.request import overrides

    assert overrides(["grad_clip=None", "normalize=True", "model=None_net"]) == {
        "grad_clip": None, "normalize": True, "model": "None_net",
    }  # fmt: skip
    assert plain({"a": (1, Colour.RED)}) == {"a": [1, "red"]}
