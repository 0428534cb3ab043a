"""Data that a person's own function gives, by its import path: made into a pack, checked, and followed."""

import numpy as np
import pytest
import torch

import study as api
from study.data import packed
from study.engine import made
from study.errors import DataError, DefinitionChanged, InputError, StudyError
from study.imports import forget_edited
from study.progress import TrialEnded
from study.running.study_check import check

SOURCE = """
import numpy as np
import torch

def make():
    random = np.random.default_rng({seed})
    y = random.integers(0, 3, 120)
    x = random.normal(size=(120, 2, 8)) + 3 * y[:, None, None]
    return {{"x": torch.as_tensor(x), "y": y, "classes": ["low", "middle", "high"]}}
"""
STUDY = '''
"""Own tensors."""
from study import Recipe, Study

study = Study(
    name="own",
    recipe=Recipe(dataset="mine.py:make", model="mlp", hidden=(8,), lr=0.03, batch_size=16, epochs=2),
    space=lambda trial: {"lr": trial.suggest_float("lr", 0.01, 0.1)},
)
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "own.py").write_text(STUDY)
    (tmp_path / "mine.py").write_text(SOURCE.format(seed=0))
    return tmp_path


def gives(folder, body, name="f"):
    """Write a function with this body, and give its import path."""
    number = len(list(folder.glob("part*.py")))
    file = folder / f"part{number}.py"
    file.write_text(f"import numpy as np\nimport torch\n\n\ndef {name}():\n    {body}\n")
    return f"part{number}.py:{name}"


@pytest.mark.parametrize(
    ("body", "kind", "task", "shape"),
    [
        ("return torch.zeros(20, 4, 4, 3, dtype=torch.uint8), [0, 1] * 10", "image", "classification", (4, 4, 3)),
        ("return np.eye(20), np.arange(20) % 2", "table", "classification", (20,)),
        ("return {'tokens': np.arange(20)[:, None] * [1, 2], 'y': ['a', 'b'] * 10}", "tokens", "classification", (2,)),
        ("return torch.rand(20, 5, 6, 7, 2).half(), torch.rand(20)", "tensor", "regression", (5, 6, 7, 2)),
        ("return np.zeros((20, 3, 4, 12)), np.eye(4)[np.arange(20) % 4, :2].astype(int)", "tensor", "multilabel",
         (3, 4, 12)),
    ],
)  # fmt: skip
def test_what_a_function_returns_is_told_by_its_type_and_shape(folder, body, kind, task, shape):
    name = gives(folder, body)
    pack = made.make(name)
    assert (pack.kind, pack.task, pack.shape, pack.train, pack.test) == (kind, task, shape, 16, 4)
    assert packed.names() == [f"{folder}/{name}"]
    assert packed.find(name) == pack
    assert packed.find(f"{folder}/{name}").sha256 == pack.sha256


def test_splits_classes_and_values_are_those_that_are_given(folder):
    name = gives(folder, "x = torch.arange(24.0).reshape(6, 2, 2); y = torch.tensor([1, 0, 1, 0, 0, 1]); "
                 "return {'x_train': x[:3], 'y_train': y[:3], 'x_val': x[3:4], 'y_val': y[3:4], 'x_test': x[4:], "
                 "'y_test': y[4:], 'classes': ('no', 'yes')}")  # fmt: skip
    pack = made.make(name)
    found = packed.read(pack)
    assert (pack.classes, pack.train, pack.validation) == (("no", "yes"), 4, 1)
    np.testing.assert_array_equal(found["train_x"], np.arange(16.0).reshape(4, 2, 2))
    np.testing.assert_array_equal(found["train_y"], [1, 0, 1, 0])
    np.testing.assert_array_equal(found["test_y"], [0, 1])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 3", "returns a int, where a dict is wanted"),
        ("return {'x': [[1.0]], 'labels': [0]}", "returns 'labels', which is no name of data"),
        ("return {'x': [[1.0]]}", "has no examples with labels"),
        ("return [[1.0], [2.0, 3.0]], [0, 1]", "x has rows of several lengths"),
        ("return np.zeros((4, 2)), [0, 1]", r"do not go with labels int64 \(2,\)"),
        ("return [[object()]], [0]", "x holds object of a list"),
        ("return np.zeros((0, 2)), np.zeros(0)", "do not go with labels"),
        ("return torch.full((20, 2, 2), float('nan')), [0, 1] * 10", "x of train has a value that is not finite"),
        ("return torch.zeros(20, 2), torch.full((20,), float('inf'))", "y of train has a number that is not finite"),
        ("return torch.zeros(20, 2, 2), [1] * 20", "the label 'y' is always the same"),
        ("return torch.zeros(3, 2, 2), [0, 1, 1]", "cannot be held out"),
        ("return {'x': torch.zeros(20, 2), 'y': [0, 2] * 10, 'classes': ['a', 'b']}", "from 0 to 2 for 2 classes"),
        ("return {'x': torch.zeros(20, 2), 'y': [0, 1] * 10, 'classes': ['a', 'a']}", "not a list of different names"),
        ("return {'x': torch.zeros(20, 2), 'tokens': torch.zeros(20, 2), 'y': [0, 1] * 10}", "both x and tokens"),
        ("return {'tokens': torch.full((20, 2), -1), 'y': [0, 1] * 10}", "tokens below 0"),
        ("return torch.zeros(20, 4, 4, 2, dtype=torch.uint8), [0, 1] * 10", "which are no images"),
        ("raise OSError('no such server')", "OSError: no such server"),
    ],
)  # fmt: skip
def test_what_breaks_the_contract_is_said_in_one_line_and_nothing_is_written(folder, body, message):
    with pytest.raises(InputError, match=message) as caught:
        made.make(name := gives(folder, body))
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)
    assert packed.names() == []


def test_a_function_that_needs_arguments_or_draws_anew_is_refused_by_check(folder):
    (folder / "mine.py").write_text("def make(path):\n    pass\n")
    with pytest.raises(DataError, match="needs 'path'"):
        check("own")
    (folder / "mine.py").write_text(SOURCE.format(seed=""))
    with pytest.raises(DataError, match="other data each time"):
        check("own")


def test_a_search_on_own_data_goes_the_whole_way_and_sees_when_they_change(folder):
    check("own")
    api.run("own", 2, workers=1, track=False)
    assert [each.state for each in api.show("own").record().trials] == ["complete"] * 2
    (folder / "mine.py").write_text(SOURCE.format(seed=0) + "# as before\n")
    before = packed.find("mine.py:make")
    api.run("own", 3, executor="inline", track=False)
    assert packed.find("mine.py:make") == before
    found = api.confirm("own", executor="inline", track=False, top=1, seeds=2)
    assert found.score is not None
    (folder / "mine.py").write_text(SOURCE.format(seed=1))
    with pytest.raises(DefinitionChanged, match="other sha256"):
        api.run("own", 4, executor="inline", track=False)


def test_a_trial_does_not_train_on_data_that_were_replaced_meanwhile(folder):
    def replace(progress):
        if isinstance(progress, TrialEnded) and progress.trial == 0:
            (folder / "mine.py").write_text(SOURCE.format(seed=1))
            forget_edited()
            made.make("mine.py:make")

    with pytest.raises(StudyError, match=r"the data set mine\.py:make was replaced since this search began"):
        api.run("own", 9, executor="inline", track=False, watch=replace)
    assert api.show("own").record().trials[0].state == "complete"


def test_a_torch_tensor_that_needs_a_gradient_or_has_half_precision_is_taken(folder):
    name = gives(folder, "return torch.ones(20, 2, 2, requires_grad=True).bfloat16(), torch.tensor([True, False] * 10)")
    pack = made.make(name)
    assert pack.classes == ("False", "True")
    assert packed.read(pack)["train_x"].dtype == np.float32
    assert torch.get_default_dtype() == torch.float32
