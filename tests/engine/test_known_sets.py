"""Known data sets besides the first ones: the tables of scikit-learn, and USPS."""

import bz2

import numpy as np
import pytest
import torchvision.datasets
from sklearn.datasets import load_iris, load_wine

from study.data import packed
from study.engine.sources import ensure


@pytest.mark.parametrize(("name", "counts"), [("iris", [50, 50, 50]), ("wine", [59, 71, 48])])
def test_the_other_tables_of_scikit_learn_are_split_by_class(name, counts):
    pack = ensure(name)
    data = {"iris": load_iris, "wine": load_wine}[name]()
    arrays = packed.read(pack)
    x, y = (np.concatenate([arrays[f"train_{each}"], arrays[f"test_{each}"]]) for each in "xy")
    assert (pack.classes, pack.columns) == (tuple(data.target_names), tuple(data.feature_names))
    assert np.bincount(y).tolist() == counts
    assert np.bincount(arrays["test_y"]).min() >= 0.2 * min(counts) - 1
    theirs = sorted(zip(data.data.astype(np.float32).tolist(), data.target.tolist(), strict=True))
    assert sorted(zip(x.tolist(), y.tolist(), strict=True)) == theirs


def test_usps_is_read_from_torchvisions_files(monkeypatch, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("STUDY_DATA", str(folder))
    draw = np.random.default_rng(0)
    for name, count in (("usps.bz2", 30), ("usps.t.bz2", 10)):
        lines = [
            f"{n % 10 + 1} " + " ".join(f"{i + 1}:{draw.uniform(-1, 1):.4f}" for i in range(256)) for n in range(count)
        ]
        (folder / name).write_bytes(bz2.compress("\n".join(lines).encode()))
    pack = ensure("usps")
    assert (pack.shape, pack.train, pack.test, pack.classes) == ((16, 16, 1), 30, 10, tuple("0123456789"))
    theirs = torchvision.datasets.USPS(folder, train=False)
    np.testing.assert_array_equal(packed.read(pack)["test_x"][..., 0], theirs.data)
    np.testing.assert_array_equal(packed.read(pack)["test_y"], theirs.targets)
