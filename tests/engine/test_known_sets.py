"""Known data sets besides the first ones: tables of scikit-learn, USPS, any other of torchvision's."""

import bz2

import joblib
import numpy as np
import pytest
import torchvision.datasets
from PIL import Image
from sklearn.datasets import fetch_olivetti_faces, load_iris, load_linnerud, load_wine

import study as api
from study.data import packed
from study.engine.sources import ensure
from study.errors import InputError


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


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """Make GTSRB (splits, numbers as classes) and EuroSAT (names, no split) as torchvision lays them out."""
    monkeypatch.setenv("STUDY_DATA", str(tmp_path))
    for number in range(12):
        image = Image.new("RGB", (9 + number % 2, 8), (20 * number, 0, 0))
        for place in (f"gtsrb/GTSRB/Training/{number % 3:05}/{number}.ppm",
                      f"gtsrb/GTSRB/Final_Test/Images/{number:05}.ppm",
                      f"eurosat/2750/{('Forest', 'River')[number % 2]}/{number}.png"):  # fmt: skip
            (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
            image.save(tmp_path / place)
    rows = "\n".join(f"{number:05}.ppm;{number % 3}" for number in range(12))
    (tmp_path / "gtsrb/GT-final_test.csv").write_text(f"Filename;ClassId\n{rows}\n")
    return tmp_path


def test_any_classification_set_of_torchvision_is_imported_by_its_name(folder):
    pack = api.import_data("signs", "torchvision:GTSRB", image_size=8).pack
    assert (pack.shape, pack.train, pack.test, pack.classes) == ((8, 8, 3), 12, 12, ("0", "1", "2"))
    arrays = packed.read(pack)
    for split in ("train", "test"):
        np.testing.assert_array_equal(arrays[f"{split}_x"][:, 0, 0, 0] // 20 % 3, arrays[f"{split}_y"])
    land = api.import_data("land", "torchvision:EuroSAT", image_size=8, test_fraction=0.25).pack
    assert (land.train, land.test, land.classes) == (9, 3, ("Forest", "River"))


@pytest.mark.parametrize(
    ("split", "shift", "classes"),
    [("letters", 1, tuple("abcdef")), ("digits", 0, tuple("012345"))],
)  # torchvision's letters count from 1
def test_emnist_is_imported_by_its_splits(folder, split, shift, classes):
    raw = folder / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    labels = np.arange(12, dtype=np.uint8) % 6 + shift
    pixels = np.repeat(labels * 30, 28 * 28).reshape(12, 28, 28)
    for part in ("train", "test"):
        for what, array in (("images-idx3", pixels), ("labels-idx1", labels)):
            head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
            (raw / f"emnist-{split}-{part}-{what}-ubyte").write_bytes(head + array.tobytes())
    pack = api.import_data("signs", f"torchvision:EMNIST:split={split}").pack
    assert (pack.train, pack.test, pack.shape, pack.classes) == (12, 12, (28, 28, 1), classes)
    arrays = packed.read(pack)
    np.testing.assert_array_equal(arrays["test_x"][:, 0, 0, 0] // 30 - shift, arrays["test_y"])


def test_one_number_of_several_that_scikit_learn_has_is_chosen():
    pack = api.import_data("girths", "scikit-learn:linnerud", label="Waist").pack
    theirs = load_linnerud()
    assert (pack.task, pack.columns, pack.train, pack.test) == ("regression", tuple(theirs.feature_names), 16, 4)
    arrays = packed.read(pack)
    x, y = (np.concatenate([arrays[f"train_{each}"], arrays[f"test_{each}"]]) for each in "xy")
    assert sorted(zip(x.tolist(), y.tolist(), strict=True)) == sorted(
        zip(theirs.data.tolist(), theirs.target[:, 1].tolist(), strict=True)
    )


def test_what_scikit_learn_has_fetched_is_imported_from_its_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    faces = np.random.default_rng(0).integers(0, 256, (400, 4096)).astype(np.float32) / 255
    joblib.dump(faces, tmp_path / "olivetti_py3.pkz", compress=6)
    pack = api.import_data("faces", "scikit-learn:fetch_olivetti_faces").pack
    assert (pack.kind, pack.shape, pack.train + pack.test, len(pack.classes)) == ("image", (64, 64, 1), 400, 40)
    arrays = packed.read(pack)
    theirs = np.rint(fetch_olivetti_faces().images * 255).astype(np.uint8)
    found = [*arrays["train_x"], *arrays["test_x"]]
    assert sorted(each.tobytes() for each in found) == sorted(each.tobytes() for each in theirs)


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("scikit-learn:irish", {}, "scikit-learn has no data set 'irish'. Did you mean 'iris'?"),
        ("scikit-learn:linnerud", {}, "has several numbers to predict. --label names one: Weight, Waist, Pulse."),
        ("scikit-learn:linnerud", {"label": "Chins"}, "has no label 'Chins'. It has Weight, Waist, Pulse."),
        ("scikit-learn:california_housing", {}, "is not in .*With a network, `sklearn.datasets.fetch_california_hous"),
        ("scikit-learn:20newsgroups", {}, "holds no table and no images"),
        ("scikit-learn:iris", {"test": "x.csv"}, "--test: has no effect on a data set of scikit-learn"),
        ("torchvision:EMNIST", {}, "needs split. Add it: torchvision:EMNIST:split=VALUE"),
        ("torchvision:EMNIST:split=leters", {}, "Unknown value 'leters' for argument split"),
        ("torchvision:EMNIST:spilt=letters", {}, "has no argument 'spilt=letters'. Did you mean 'split'?"),
        ("torchvision:CIFAR10:split=x", {}, "has no argument 'split=x'. It has none."),
    ],
)
def test_what_a_known_library_does_not_give_is_said_in_one_line(monkeypatch, tmp_path, name, more, message):
    monkeypatch.setenv("STUDY_DATA", str(tmp_path))
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "none"))
    with pytest.raises(InputError, match=message) as caught:
        api.import_data("mine", name, **more)
    assert "\n" not in str(caught.value)
    assert packed.names() == []


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("Flower102", {}, "torchvision has no data set 'Flower102'. Did you mean 'Flowers102'?"),
        ("Food101", {}, "is not in .* or cannot be read"),
        ("GTSRB", {}, "images of several sizes"),
        ("GTSRB", {"label": "x"}, "--label: has no effect on a data set of torchvision"),
    ],
)
def test_what_torchvision_does_not_give_is_said_in_one_line(folder, name, more, message):
    with pytest.raises(InputError, match=message) as caught:
        api.import_data("mine", f"torchvision:{name}", **more)
    assert "\n" not in str(caught.value)
    assert packed.names() == []
