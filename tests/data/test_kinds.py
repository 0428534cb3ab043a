"""What lies at a path is told by its content: arrays, data sets of Hugging Face, listed images."""

import gzip
import io
import json
import pickle
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import ipc, parquet

from study.data import packed
from study.data.dialects import Reading
from study.data.kinds import kind_of
from study.data.sets import import_data
from study.errors import InputError

DRAW = np.random.default_rng(0)
PIXELS = DRAW.integers(0, 256, (30, 6, 5), np.uint8)
LABELS = np.arange(30) % 3


def imported(path, **how):
    told = []
    pack = import_data("mine", path, lambda text, share: told.append(text), force=True, **how).pack
    return pack, packed.read(pack), told


def refused(path, message, **how):
    with pytest.raises(InputError, match=message) as caught:
        imported(path, **how)
    assert "\n" not in str(caught.value)
    assert packed.names() == []


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("train", "test"),
    [(("x_train", "y_train"), ("x_test", "y_test")), (("train_images", "train_labels"), ("test_images", "test_labels")),
     (("X_train", "Y_train"), ("X_test", "Y_test")), (("trainX", "trainY"), ("testX", "testY"))],
)  # fmt: skip
def test_arrays_of_images_are_read_by_the_usual_names(tmp_path, train, test):
    arrays = {train[0]: PIXELS[:20], train[1]: LABELS[:20], test[0]: PIXELS[20:], test[1]: LABELS[20:, None]}
    np.savez(tmp_path / "d.npz", **arrays)
    pack, found, _ = imported(tmp_path / "d.npz")
    assert (pack.kind, pack.shape, pack.classes, pack.validation) == ("image", (6, 5, 1), ("0", "1", "2"), 0)
    np.testing.assert_array_equal(found["train_x"][..., 0], PIXELS[:20])
    np.testing.assert_array_equal(found["test_y"], LABELS[20:])


def test_arrays_with_a_validation_split_validate_on_it(tmp_path):
    parts = {"train": slice(0, 18), "val": slice(18, 24), "test": slice(24, 30)}
    np.savez(tmp_path / "d.npz", **{f"{split}_images": PIXELS[rows] for split, rows in parts.items()},
             **{f"{split}_labels": LABELS[rows, None] for split, rows in parts.items()})  # fmt: skip
    pack, found, _ = imported(tmp_path / "d.npz")
    assert (pack.train, pack.validation, pack.test) == (24, 6, 6)
    np.testing.assert_array_equal(found["train_x"][18:, ..., 0], PIXELS[18:24])


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (PIXELS, PIXELS[..., None]),
        (PIXELS / 255, PIXELS[..., None]),
        (PIXELS.astype(np.float32), PIXELS[..., None]),
        (np.stack([PIXELS] * 3, axis=1), np.stack([PIXELS] * 3, axis=-1)),
    ],
)
def test_pixels_of_every_kind_become_bytes(tmp_path, x, expected):
    np.savez(tmp_path / "d.npz", x=x, y=np.eye(3)[LABELS])
    _, found, told = imported(tmp_path / "d.npz")
    both = np.concatenate([found["train_x"], found["test_x"]])
    np.testing.assert_array_equal(np.sort(both.reshape(30, -1), axis=0), np.sort(expected.reshape(30, -1), axis=0))
    assert "There is no test split: 20% held out for the test, stratified, seed 42" in told


def test_arrays_of_two_axes_are_a_table(tmp_path):
    x = DRAW.normal(size=(30, 4))
    np.savez(tmp_path / "d.npz", X=x, y=np.array(["a", "b", "c"])[LABELS])
    pack, found, _ = imported(tmp_path / "d.npz")
    assert (pack.kind, pack.columns, pack.classes) == ("table", ("x0", "x1", "x2", "x3"), ("a", "b", "c"))
    assert set(found["train_x"][:, 0]) < set(x[:, 0].astype(np.float32))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"weights": PIXELS}, r"has no examples with labels: it holds weights \(30, 6, 5\)"),
        ({"x": PIXELS, "y": LABELS[:9]}, r"uint8 \(30, 6, 5\) do not go with labels int64 \(9,\)"),
        ({"x": PIXELS, "y": np.array([{}] * 30)}, "an array holds objects"),
        ({"x": PIXELS - 500.5, "y": LABELS}, "pixels from -500.5 to"),
        ({"x": np.zeros((30, 5, 6, 7)), "y": LABELS}, "They need 1 or 3 channels"),
        ({"x": PIXELS, "y": LABELS * np.nan}, "30 of 30 rows have no label 'y'"),
    ],
)
def test_arrays_that_are_no_examples_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "d.npz", **arrays)
    refused(tmp_path / "d.npz", message)


def as_dataset(rows, names=("cat", "dog", "eel")):
    """A table as Hugging Face writes it: images as bytes, classes by number, and what they are in the schema."""
    images = [{"bytes": png(PIXELS[row]), "path": f"{row}.png"} for row in rows]
    label = {"names": list(names), "_type": "ClassLabel"}
    about = {"info": {"features": {"image": {"_type": "Image"}, "label": label}}}
    table = pa.table({"image": images, "label": LABELS[rows]})
    return table.replace_schema_metadata({"huggingface": json.dumps(about)})


def test_a_downloaded_data_set_of_hugging_face_is_read_with_its_classes_and_splits(tmp_path):
    (tmp_path / "data").mkdir()
    parts = {"train-00000-of-00002": range(10), "train-00001-of-00002": range(10, 20), "validation-00000-of-00001":
             range(20, 24), "test-00000-of-00001": range(24, 30)}  # fmt: skip
    for name, rows in parts.items():
        parquet.write_table(as_dataset(list(rows)), tmp_path / "data" / f"{name}.parquet")
    pack, found, _ = imported(tmp_path)
    assert (pack.train, pack.validation, pack.test, pack.classes) == (24, 4, 6, ("cat", "dog", "eel"))
    np.testing.assert_array_equal(found["train_x"][..., 0], PIXELS[:24])
    np.testing.assert_array_equal(found["test_y"], LABELS[24:])


def test_a_data_set_saved_to_disk_is_read(tmp_path):
    for split, rows in (("train", range(24)), ("test", range(24, 30))):
        table = as_dataset(list(rows), ("z", "y", "x"))
        (tmp_path / split).mkdir()
        with ipc.new_stream(tmp_path / split / "data-00000-of-00001.arrow", table.schema) as file:
            file.write_table(table)
        (tmp_path / split / "state.json").write_text("{}")
    pack, found, _ = imported(tmp_path)
    assert (pack.train, pack.test, pack.classes) == (24, 6, ("z", "y", "x"))
    np.testing.assert_array_equal(found["train_y"], LABELS[:24])


def test_a_data_set_of_rows_is_a_table(tmp_path):
    frame = pd.DataFrame({"a": range(30), "t": ["u", "v", "w"] * 10, "label": LABELS})
    frame[:20].to_parquet(tmp_path / "train.parquet")
    frame[20:].to_parquet(tmp_path / "test.parquet")
    pack, _, _ = imported(tmp_path, label="label")
    assert (pack.kind, pack.columns, pack.train, pack.test) == ("table", ("a", "t=u", "t=v", "t=w"), 20, 10)
    assert imported(tmp_path)[0].sha256 == pack.sha256


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("of_images", [True, False])
def test_a_column_of_lists_has_several_labels(tmp_path, named, of_images):
    """Of numbers that the schema names, as of version 4 and of older ones, or of texts."""
    names, marks = ["cat", "dog", "eel"], np.array([[row % 2, row % 3 == 0, row % 5 == 0] for row in range(30)])
    lists = [[place if named else names[place] for place in np.flatnonzero(row)] for row in marks]
    frame = {"image": as_dataset(range(30))["image"]} if of_images else {"a": range(30)}
    feature = {"names": names, "_type": "ClassLabel"}
    labels = {"_type": "List", "feature": feature} if of_images else [feature]
    about = {"info": {"features": {"labels": labels} if named else {}}}
    table = pa.table({**frame, "labels": lists}).replace_schema_metadata({"huggingface": json.dumps(about)})
    parquet.write_table(table[:20], tmp_path / "train.parquet")
    parquet.write_table(table[20:], tmp_path / "test.parquet")
    refused(tmp_path, "holds lists, which are several labels. Leave --task out", label="labels",
            reading=Reading(task="regression"))  # fmt: skip
    pack, found, _ = imported(tmp_path, label="labels")
    assert (pack.task, pack.kind, pack.classes) == ("multilabel", "image" if of_images else "table", tuple(names))
    np.testing.assert_array_equal(np.concatenate([found["train_y"], found["test_y"]]), marks)
    if not (named or of_images):  # a file of its own is a table
        parts = tmp_path / "train.parquet", tmp_path / "test.parquet"
        assert imported(parts[0], label="labels", test=parts[1])[0].sha256 == pack.sha256


def test_a_data_set_whose_files_are_cut_short_or_whose_label_is_unknown_is_refused(tmp_path):
    parquet.write_table(as_dataset(list(range(30))), tmp_path / "train.parquet")
    refused(tmp_path, "has no column 'nose'. It has image, label", label="nose")
    whole = (tmp_path / "train.parquet").read_bytes()
    (tmp_path / "train.parquet").write_bytes(whole[:-20])
    refused(tmp_path, "train.parquet: cannot be read")


def test_a_folder_that_is_called_like_a_file_is_a_split_in_parts_as_spark_and_dask_write_it(tmp_path):
    frame = pd.DataFrame({"a": range(30), "label": LABELS})
    for split, rows in (("train", slice(0, 20)), ("test", slice(20, 30))):
        (tmp_path / f"{split}.parquet").mkdir()
        frame[rows].to_parquet(tmp_path / f"{split}.parquet" / "part-0.parquet")
    pack, found, _ = imported(tmp_path, label="label")
    assert (pack.train, pack.test) == (20, 10)
    np.testing.assert_array_equal(found["test_x"][:, 0], range(20, 30))


ABOUT_CLASSES = '{"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}'


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ("{", "what its files say about their columns is damaged"),
        ("[]", "what its files say about their columns is damaged"),
        (ABOUT_CLASSES.replace('"names"', '"nouns"'), r"is damaged \(KeyError\('names'\)\)"),
        (ABOUT_CLASSES, "column 'label' holds 2, which is none of its 2 classes, counted from 0"),
    ],
)
def test_what_a_data_set_says_wrongly_of_its_columns_is_refused(tmp_path, about, message):
    table = pa.table({"a": range(30), "label": LABELS}).replace_schema_metadata({"huggingface": about})
    parquet.write_table(table, tmp_path / "train.parquet")
    refused(tmp_path, message, label="label")


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (pa.table({"a": range(9)}), "has no column label in its split test. Remove the files of that split"),
        (pa.table({"a": list("abcdefghi"), "label": LABELS[:9]}), "has files of a split with different columns"),
    ],
)
def test_splits_and_parts_of_a_data_set_with_other_columns_are_refused(tmp_path, test, message):
    parquet.write_table(pa.table({"a": range(9), "label": LABELS[:9]}), tmp_path / "train.parquet")
    split = "test" if "split test" in message else "train"
    parquet.write_table(test, tmp_path / f"{split}-2.parquet")
    refused(tmp_path, message, label="label")


@pytest.fixture
def listing(tmp_path):
    """Images in a folder, and a table that lists them."""
    (tmp_path / "pictures").mkdir()
    for row, pixels in enumerate(PIXELS):
        (tmp_path / "pictures" / f"{row}.png").write_bytes(png(pixels))
    frame = pd.DataFrame({"file": [f"{row}.png" for row in range(30)], "label": [f"c{n}" for n in LABELS]})
    frame.to_csv(tmp_path / "labels.csv", index=False)
    return frame


def test_images_that_a_table_lists_are_read(tmp_path, listing):
    pack, found, _ = imported(tmp_path / "labels.csv", label="label", test_fraction=0.5)
    assert (pack.kind, pack.shape, pack.classes, pack.train, pack.test) == (
        "image",
        (6, 5, 1),
        ("c0", "c1", "c2"),
        15,
        15,
    )
    truth = {pixels.tobytes(): label for pixels, label in zip(PIXELS, LABELS, strict=True)}
    assert [truth[x.tobytes()] for x in found["train_x"]] == found["train_y"].tolist()


def test_a_column_tells_the_split_of_listed_images(tmp_path, listing):
    split = ["train"] * 18 + ["valid"] * 6 + ["test"] * 6
    listing.assign(split=split, file="pictures/" + listing["file"]).to_csv(tmp_path / "all.csv", index=False)
    pack, found, _ = imported(tmp_path / "all.csv", label="label")
    assert (pack.train, pack.validation, pack.test) == (24, 6, 6)
    np.testing.assert_array_equal(found["train_x"][..., 0], PIXELS[:24])


def test_further_columns_of_a_listing_may_have_any_names_and_a_dropped_split_is_none(tmp_path, listing):
    """Two columns called `label` or `file` ended in an AttributeError."""
    more = listing.rename(columns={"file": "filename", "label": "label_name"})
    more = more.assign(label=range(30), file="nothing", split=["train"] * 20 + ["test"] * 10)
    more.to_csv(tmp_path / "more.csv", index=False)
    pack, found, _ = imported(tmp_path / "more.csv", label="label_name")
    assert (pack.classes, pack.train, pack.test) == (("c0", "c1", "c2"), 20, 10)
    np.testing.assert_array_equal(found["train_x"][..., 0], PIXELS[:20])
    np.testing.assert_array_equal(found["test_y"], LABELS[20:])
    assert imported(tmp_path / "more.csv", label="label_name", drop=["split"])[0].test == 6


def test_listed_images_that_are_not_there_are_named(tmp_path, listing):
    (tmp_path / "pictures" / "7.png").unlink()
    refused(tmp_path / "labels.csv", "labels.csv: lists 7.png, which is not there", label="label")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: b"\x93NUMPY\x01\x00", "is one NumPy array, which is not read. Save examples and labels together"),
        (lambda: pickle.dumps({"x": 1}), "is a pickle, which could run any program"),
        (lambda: b"\x89HDF\r\n\x1a\n", "is an HDF5 file"),
        (lambda: b"SQLite format 3\0", "is an SQLite database"),
    ],
)
def test_other_kinds_are_refused_by_their_name(tmp_path, content, message):
    (tmp_path / "data.csv").write_bytes(content())
    refused(tmp_path / "data.csv", message, label="y")


def test_a_workbook_is_refused_and_not_taken_for_an_archive_of_images(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as file:
        file.writestr("xl/workbook.xml", "<x/>")
    refused(tmp_path / "t.xlsx", "is an Excel workbook, which is not read. Save the sheet as a .csv")


@pytest.mark.parametrize("name", ["t.csv.gz", "iris.data", "t.tsv", "t", "t.dat"])
def test_text_is_a_table_whatever_its_name(tmp_path, name):
    plain = "a,b,y\n" + "".join(f"{n},{n * n},{n % 2}\n" for n in range(40))
    (tmp_path / name).write_bytes(gzip.compress(plain.encode()) if name.endswith(".gz") else plain.encode())
    assert kind_of(tmp_path / name) == "table"
    assert imported(tmp_path / name, label="y")[0].columns == ("a", "b")
    refused_options = pytest.raises(InputError, match="--size: has no effect on a table")
    with refused_options:
        imported(tmp_path / name, label="y", image_size=8)
