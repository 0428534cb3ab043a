"""Several labels for each example, as people have them: in a field, in columns of 0 and 1, in COCO's format."""

import json

import numpy as np
import pytest
from PIL import Image

from study.data import packed
from study.data.dialects import Reading
from study.data.sets import import_data
from study.errors import InputError

LABELS = ["cat|dog", "cat", "", "dog", "bird|cat", "dog|bird"] * 4
CLASSES = ("bird", "cat", "dog")
ROWS = np.array([[name in label for name in CLASSES] for label in LABELS], np.int64)


@pytest.fixture
def folder(tmp_path):
    for number in range(len(LABELS)):
        Image.new("L", (4, 4), 10 * number).save(tmp_path / f"{number}.png")
    return tmp_path


def imported(path, *, task=None, **how):
    pack = import_data("mine", path, lambda *_: None, force=True, reading=Reading(task=task), **how).pack
    found = packed.read(pack)
    assert pack.task == "multilabel"
    return pack, found


def checked(pack, found):
    """Compare each image's labels with those that its grey value tells."""
    assert (pack.kind, pack.classes) == ("image", CLASSES)
    x, y = (np.concatenate([found[f"{split}_{part}"] for split in ("train", "test")]) for part in "xy")
    np.testing.assert_array_equal(y, ROWS[x[:, 0, 0, 0] // 10])


def test_images_that_a_table_lists_have_several_labels_in_a_field(folder):
    lines = "\n".join(f"{number}.png;{label}" for number, label in enumerate(LABELS))
    (folder / "list.csv").write_text(f"file;label\n{lines}\n")
    checked(*imported(folder / "list.csv", label="label", task="multilabel"))


def test_images_that_a_table_lists_have_several_labels_in_columns(folder):
    lines = "\n".join(f"{number}.png,{bird},{cat},{dog}" for number, (bird, cat, dog) in enumerate(ROWS))
    (folder / "list.csv").write_text(f"file,bird,cat,dog\n{lines}\n")
    checked(*imported(folder / "list.csv", label="bird,cat,dog"))


@pytest.mark.parametrize("ending", ["", "_test"])
def test_a_table_has_several_labels_in_columns(tmp_path, ending):
    for name in ("rows.csv", "rows_test.csv"):
        lines = "\n".join(f"{number},{bird},{cat},{dog}" for number, (bird, cat, dog) in enumerate(ROWS))
        (tmp_path / name).write_text(f"x,bird,cat,dog\n{lines}\n")
    test = tmp_path / "rows_test.csv" if ending else None
    pack, found = imported(tmp_path / "rows.csv", label="dog,bird,cat", test=test)
    assert (pack.kind, pack.columns, pack.classes) == ("table", ("x",), CLASSES)
    np.testing.assert_array_equal(found["train_y"], ROWS[found["train_x"][:, 0].astype(int)])
    np.testing.assert_array_equal(found["test_y"], ROWS[found["test_x"][:, 0].astype(int)])


def coco(folder, labels):
    names = ["dog", "cat", "bird"]
    content = {
        "images": [{"id": 100 + number, "file_name": f"{number}.png"} for number in range(len(labels))],
        "annotations": [{"image_id": 100 + number, "category_id": names.index(name), "bbox": [0, 0, 1, 1]}
                        for number, label in enumerate(labels) for name in [*filter(None, label.split("|"))] * 2],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names)],
    }  # fmt: skip
    (folder / "instances.json").write_text(json.dumps(content))
    return folder / "instances.json"


def test_a_list_in_cocos_format_tells_which_categories_an_image_has(folder):
    checked(*imported(coco(folder, LABELS)))


def test_images_with_one_category_each_have_classes(folder):
    path = coco(folder, ["dog", "cat", "bird", "cat"] * 6)
    pack = import_data("mine", path, lambda *_: None).pack
    assert (pack.task, pack.classes, pack.train, pack.test) == ("classification", CLASSES, 19, 5)


def test_images_of_an_archive_of_arrays_have_several_labels(tmp_path):
    images = np.arange(24, dtype=np.uint8)[:, None, None] * np.full((1, 4, 4), 10, np.uint8)
    np.savez(tmp_path / "d.npz", x=images, y=ROWS)
    pack, found = imported(tmp_path / "d.npz")
    assert (pack.kind, pack.shape, pack.classes) == ("image", (4, 4, 1), ("label_0", "label_1", "label_2"))
    np.testing.assert_array_equal(found["train_y"], ROWS[found["train_x"][:, 0, 0, 0] // 10])


@pytest.mark.parametrize("single", ["train", "test"])
@pytest.mark.parametrize("shape", [(4,), (4, 4)])
def test_a_split_in_which_each_row_has_one_label_by_chance_has_several_labels_all_the_same(tmp_path, single, shape):
    """It became classes on its own, and the other split did not."""
    rows = {split: np.eye(3, dtype=np.int64)[[0, 1, 2] * 4] if split == single else ROWS for split in ("train", "test")}
    x = {split: np.arange(len(y) * np.prod(shape), dtype=np.uint8).reshape(-1, *shape) for split, y in rows.items()}
    np.savez(
        tmp_path / "d.npz", **{f"x_{split}": x[split] for split in x}, **{f"y_{split}": rows[split] for split in x}
    )
    pack, found = imported(tmp_path / "d.npz")
    assert len(pack.classes) == 3
    for split, y in rows.items():
        np.testing.assert_array_equal(found[f"{split}_y"], y)


@pytest.mark.parametrize(
    ("name", "content", "how", "message"),
    [
        ("a.json", '{"images": []}', {}, r"is no list of images in COCO's format .KeyError\('categories'\)"),
        ("a.json", '{"images": [], "annotations": [], "categories": []}', {}, "lists no images"),
        ("a.json", '{"x', {}, "is no list of images in COCO's format"),
        ("a.json", "{}", {"label": "x"}, "has no effect on a list of images in COCO's format"),
        ("a.csv", "file,a,b\n0.png,1,2\n1.png,0,1\n", {"label": "a,b"}, "the label 'b' holds '2' in row 1"),
        ("a.csv", "x,label\n1,a\n2,a\n", {"label": "label", "task": "multilabel"}, "fewer than two different labels"),
        ("a.csv", "x,label\n1,a\n2,b\n", {"label": "label", "task": "several"}, "Give classification, regression or"),
    ],
)
def test_what_is_no_list_is_refused_in_one_line(folder, name, content, how, message):
    (folder / name).write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        imported(folder / name, **how)
    assert "\n" not in str(caught.value)
    assert packed.names() == []
