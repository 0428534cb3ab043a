"""Images and tables as people have them, made into what a model takes, or refused in one line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from study.errors import DataError, InputError
from study.registry.prediction import examples
from study.tracking.registry import Model


def model(shape=None, columns=(), text=()):
    return Model(shape, tuple(columns), frozenset(text), lambda given: pd.DataFrame({"label": ["a"] * len(given)}))


GREY, COLOUR = model((4, 6)), model((4, 6, 3))
TABLE = model(None, ("age", "colour"), ("colour",))


def image(path, mode="L", size=(6, 4), value=100):
    colour = value if mode in {"L", "I;16"} else (value, 50, 10, 255)[: len(mode)]
    Image.new(mode, size, colour).save(path)
    return path


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA"])
@pytest.mark.parametrize(("wanted", "shape"), [(GREY, (1, 4, 6)), (COLOUR, (1, 4, 6, 3))])
def test_grey_and_colour_images_become_what_the_model_takes(tmp_path, mode, wanted, shape):
    names, found = examples(wanted, [image(tmp_path / "a.png", mode)])
    assert names == [str(tmp_path / "a.png")]
    assert (found.shape, found.dtype) == (shape, np.uint8)
    if mode == "L":
        assert (found == 100).all()


def test_a_folder_gives_its_images_in_order_and_nothing_else(tmp_path):
    (tmp_path / "more").mkdir()
    for name in ("b.png", "a.jpg", "more/c.bmp"):
        image(tmp_path / name)
    (tmp_path / "notes.txt").write_text("none")
    names, found = examples(GREY, [tmp_path])
    assert [name.removeprefix(f"{tmp_path}/") for name in names] == ["a.jpg", "b.png", "more/c.bmp"]
    assert found.shape == (3, 4, 6)


def test_an_image_of_another_size_is_cut_and_scaled_only_when_asked(tmp_path):
    file = image(tmp_path / "big.png", size=(60, 80))
    with pytest.raises(InputError, match=r"is 60x80 pixels, and the model takes 6x4\. --resize"):
        examples(GREY, [file])
    assert examples(GREY, [file], resize=True)[1].shape == (1, 4, 6)


def test_sixteen_bit_images_are_read_as_the_training_s_were(tmp_path):
    file = tmp_path / "x.png"
    Image.fromarray(np.full((4, 6), 1075, np.uint16)).save(file)
    deep = replace(GREY, levels=(1000, 1150))
    assert (examples(deep, [file])[1] == 75).all()
    with pytest.raises(InputError, match="has 16 bits for each pixel, and the model was trained on images of 8"):
        examples(GREY, [file])
    with pytest.raises(InputError, match="has 8 bits for each pixel, and the model was trained on images of 16"):
        examples(deep, [image(tmp_path / "a.png")])


def test_a_table_gives_the_model_s_columns_whatever_else_it_has(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("extra;colour;age\nx;1;2\ny;?;\n")
    names, found = examples(TABLE, [file])
    assert names == ["row 1", "row 2"]
    assert list(found) == ["age", "colour"]
    assert found["colour"].tolist()[0] == "1"  # text, although it looks like a number
    assert found.isna().sum().tolist() == [1, 1]
    found.to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(examples(TABLE, [tmp_path / "t.parquet"])[1], found)


def test_a_category_that_a_file_holds_as_numbers_is_given_as_text(tmp_path):
    pd.DataFrame({"age": [1, 2], "colour": [53111, None]}).to_parquet(tmp_path / "t.parquet")
    colours = examples(TABLE, [tmp_path / "t.parquet"])[1]["colour"]
    assert isinstance(colours.dtype, pd.StringDtype)
    assert colours.dropna().tolist() == ["53111"]


WRONG_TABLES = {
    "a column missing": ("age\n1\n", "lacks the columns colour. It has: age"),
    "text for a number": ("age,colour\n1,red\nold,red\n", "column 'age' holds 'old' in row 2"),
    "no rows": ("age,colour\n", "has no rows"),
    "a short line": ("age,colour\n1\n", "line 2 has 1 fields"),
}


@pytest.mark.parametrize(("content", "complaint"), WRONG_TABLES.values(), ids=WRONG_TABLES)
def test_a_table_that_does_not_fit_is_refused(tmp_path, content, complaint):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises((InputError, DataError), match=complaint):
        examples(TABLE, [tmp_path / "t.csv"])


def test_what_is_no_image_or_table_or_not_there_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    (tmp_path / "t.csv").write_text("age,colour\n1,red\n")
    (tmp_path / "empty").mkdir()
    picture = image(tmp_path / "b.png")
    cases = [
        (GREY, [tmp_path / "nope.png"], "is not there"),
        (GREY, [tmp_path / "a.png"], "cannot be read as an image"),
        (GREY, [tmp_path / "empty"], "holds no images"),
        (GREY, [tmp_path / "t.csv"], "is a table, and the model takes images"),
        (TABLE, [picture], "the model takes one table"),
        (TABLE, [tmp_path / "t.csv", tmp_path / "t.csv"], "the model takes one table"),
        (TABLE, [tmp_path / "empty"], "the model takes one table"),
    ]
    for wanted, paths, complaint in cases:
        with pytest.raises(InputError, match=complaint):
            examples(wanted, paths)
