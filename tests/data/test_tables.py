"""Tables come in as numbers, columns as the training rows have them; what cannot be learned from is refused by name."""

import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from study.data import packed
from study.data.dialects import Reading
from study.data.tables import import_table
from study.errors import DataError

PETS = pd.DataFrame({
    "weight": [4.5, None, 30.0, 12.5, 3.9, 25.0, 4.1, 18.0, 5.0, 22.0],
    "legs": [4] * 10,
    "coat": ["short", "long", "short", None, "long", "wire", "short", "wire", "long", "short"],
    "chipped": [True, False, True, True, False, False, True, False, True, True],
    "age": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    "kind": ["cat", "cat", "dog", "dog", "cat", "dog", "cat", "dog", "cat", "dog"],
})  # fmt: skip


def rows(pack):
    """Training rows and test rows of a pack, as one frame a split with the label's names."""
    arrays = packed.read(pack)
    return [
        pd.DataFrame(arrays[f"{split}_x"], columns=list(pack.columns)).assign(
            label=[pack.classes[y] for y in arrays[f"{split}_y"]]
        )
        for split in ("train", "test")
    ]


def saved(frame, path):
    frame.to_parquet(path, index=False) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return path


def refused(path, message, label="kind", **how):
    with pytest.raises(DataError, match=message) as caught:
        import_table("pets", path, label, **how)
    assert packed.names() == []
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_columns_become_numbers_and_categories(tmp_path, ending):
    path, test = saved(PETS, tmp_path / f"pets{ending}"), saved(PETS[:3], tmp_path / f"test{ending}")
    told = []
    pack = import_table("pets", path, "kind", test=test, report=lambda text, _: told.append(text))
    train_rows, test_rows = rows(pack)
    assert pack.columns == ("weight", "coat=long", "coat=short", "coat=wire", "chipped", "age")
    assert (pack.kind, pack.shape, pack.classes, pack.imported) == ("table", (6,), ("cat", "dog"), True)
    np.testing.assert_array_equal(train_rows["weight"], PETS["weight"].astype(np.float32))
    np.testing.assert_array_equal(train_rows["coat=long"], [0, 1, 0, 0, 1, 0, 0, 0, 1, 0])
    assert train_rows.loc[3, ["coat=long", "coat=short", "coat=wire"]].tolist() == [0, 0, 0]
    np.testing.assert_array_equal(train_rows["chipped"], PETS["chipped"])
    assert train_rows["label"].tolist() == PETS["kind"].tolist()
    pd.testing.assert_frame_equal(test_rows, train_rows[:3])
    assert "Left out, because they are the same in all training rows: legs" in told
    assert "One column for each category: coat (3)" in told
    assert pack.source.startswith(f"import of pets{ending} (sha256 ")
    assert f" and test{ending} (sha256 " in pack.source


def test_csv_and_parquet_of_the_same_table_are_the_same_pack(tmp_path):
    files = [saved(PETS, tmp_path / f"pets{ending}") for ending in (".csv", ".parquet")]
    assert len({import_table("pets", file, "kind").sha256 for file in files}) == 1


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_other_separators_and_a_byte_order_mark_are_understood(tmp_path, separator):
    path = tmp_path / "pets.csv"
    PETS.to_csv(path, index=False, sep=separator, encoding="utf-8-sig")
    assert import_table("pets", path, "kind").columns[0] == "weight"


def test_a_share_of_each_class_is_held_out_where_there_is_no_test_file(tmp_path):
    path = saved(pd.concat([PETS] * 10), tmp_path / "pets.csv")
    pack = import_table("pets", path, "kind")
    assert (pack.train, pack.test) == (80, 20)
    assert np.bincount(packed.read(pack)["test_y"]).tolist() == [10, 10]
    assert pack.source.endswith("; label kind; 20% held out for the test, stratified, seed 42")
    assert import_table("half", path, "kind", test_fraction=0.5).test == 50


def test_categories_are_those_of_the_training_rows_only(tmp_path):
    test = PETS[:2].assign(coat=["curly", "short"])
    path = saved(PETS, tmp_path / "pets.csv")
    pack = import_table("pets", path, "kind", test=saved(test, tmp_path / "test.csv"))
    coats = [column for column in pack.columns if column.startswith("coat")]
    assert rows(pack)[1][coats].to_numpy().tolist() == [[0, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        ([1, 2, 3] * 4, [1, None, 3, 4], [[1, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 0]]),
        ([1, 2, None] * 4, [2, 1], [[0, 1], [1, 0]]),
        ([0.5, 1, 2] * 4, [1, 2], [[0, 1, 0], [0, 0, 1]]),
    ],
)
def test_a_number_is_the_same_category_whether_it_is_written_1_or_1_0(tmp_path, ending, train, test, expected):
    frames = [pd.DataFrame({"zip": each}) for each in (train, test)]
    paths = [saved(each.assign(n=range(len(each)), kind=(["a", "b"] * 6)[: len(each)]), tmp_path / f"{at}{ending}")
             for at, each in enumerate(frames)]  # fmt: skip
    pack = import_table("pets", paths[0], "kind", test=paths[1], reading=Reading(category=("zip",)))
    assert packed.read(pack)["test_x"][:, :-1].tolist() == expected


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([2, 10, 1], ("1", "2", "10")),
        ([2.0, 10.0, 1.0], ("1", "2", "10")),
        (["b", "C", "a"], ("C", "a", "b")),
        ([True, False, True], ("False", "True")),
        (["0.5", "x", "10"], ("0.5", "10", "x")),
    ],
)
def test_classes_are_sorted_by_size_or_by_the_alphabet(tmp_path, values, classes):
    frame = pd.DataFrame({"x": range(30), "kind": values * 10})
    assert import_table("pets", saved(frame, tmp_path / "t.parquet"), "kind").classes == classes


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([True, None, False], [1, np.nan, 0]),
        ([Decimal("1.5"), None, Decimal(2)], [1.5, np.nan, 2]),
        (pd.array([1, None, 3], dtype="Int64"), [1, np.nan, 3]),
        (pd.array([True, None, False], dtype="boolean"), [1, np.nan, 0]),
        ([np.float64(1e30), 2.0, 3.0], [np.float32(1e30), 2, 3]),
    ],
)
def test_numbers_of_every_kind_are_read_with_missing_ones_as_nan(tmp_path, values, expected):
    frame = pd.DataFrame({"x": values, "kind": ["a", "b", "a"]})
    path = saved(frame, tmp_path / "t.parquet")
    pack = import_table("pets", path, "kind", test=path)
    np.testing.assert_array_equal(packed.read(pack)["train_x"][:, 0], np.array(expected, np.float32))


def test_pandas_categories_are_categories(tmp_path):
    frame = pd.DataFrame({"x": pd.Categorical(["u", "v", None, "v"]), "kind": list("abab")})
    path = saved(frame, tmp_path / "t.parquet")
    assert import_table("pets", path, "kind", test=path).columns == ("x=u", "x=v")


def test_a_question_mark_is_a_missing_value_as_in_ucis_files(tmp_path):
    (tmp_path / "t.csv").write_text("x,kind\n1,a\n?,b\n3,a\n4,b\n")
    pack = import_table("pets", tmp_path / "t.csv", "kind", test=tmp_path / "t.csv")
    assert pack.columns == ("x",)
    assert np.isnan(packed.read(pack)["train_x"][1, 0])


def test_a_missing_category_tells_something_and_a_missing_number_does_not(tmp_path):
    frame = pd.DataFrame({"x": range(4), "n": [1, None, 1, 1], "t": ["a", None, "a", "a"], "kind": list("abab")})
    path = saved(frame, tmp_path / "t.parquet")
    assert import_table("pets", path, "kind", test=path).columns == ("x", "t=a")


def test_row_numbers_without_a_name_are_left_out_for_they_may_give_the_label_away(tmp_path):
    path = tmp_path / "t.csv"
    PETS.sort_values("kind").reset_index(drop=True).to_csv(path)
    told = []
    pack = import_table("pets", path, "kind", report=lambda text, _: told.append(text))
    assert pack.columns[0] == "weight"
    assert "Left out a column of row numbers without a name" in told


def test_columns_can_be_dropped(tmp_path):
    path = saved(PETS, tmp_path / "pets.csv")
    assert import_table("pets", path, "kind", drop=["coat", "age"]).columns == ("weight", "chipped")


def test_columns_that_only_the_test_rows_have_are_left_out_and_that_is_said(tmp_path):
    told = []
    path, test = saved(PETS, tmp_path / "a.csv"), saved(PETS.assign(more=1), tmp_path / "b.csv")
    import_table("pets", path, "kind", test=test, report=lambda text, _: told.append(text))
    assert "Left out of b.csv, because the training rows do not have them: more" in told


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": None}, r"10 of 10 rows have no label 'kind'"),
        ({"kind": ["cat", None] * 5}, r"5 of 10 rows have no label 'kind'"),
        ({"kind": "cat"}, "the label 'kind' is always the same"),
        ({"kind": [1.5, np.inf] * 5}, "the label 'kind' holds inf in row 2, which is no number"),
        ({"kind": [1.5, None] * 5}, "5 of 10 rows have no label 'kind'"),
        ({"kind": ["a"] * 9 + ["b"]}, "20% cannot be held out for the test"),
        ({"weight": [np.inf, -np.inf] * 5}, "column 'weight' has infinite values.*--drop 'weight'"),
        ({"weight": [1e300, 1.0] * 5}, "has values too large for float32"),
        ({"weight": list(pd.date_range("2026-01-01", periods=10))}, "'weight' holds values of type Timestamp"),
        ({"weight": [[1, 2]] * 10}, "'weight' holds values of type ndarray"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(tmp_path, changes, message):
    refused(saved(PETS.assign(**changes), tmp_path / "pets.parquet"), message)


def test_too_many_categories_are_refused_with_the_way_to_leave_them_out(tmp_path):
    frame = pd.DataFrame({"name": [f"Mrs {n}" for n in range(1300)], "x": range(1300), "kind": [0, 1] * 650})
    path = saved(frame, tmp_path / "t.csv")
    refused(path, "column 'name' has 1,0.. different texts, too many for categories.*--drop 'name'")
    assert import_table("pets", path, "kind", drop=["name"]).columns == ("x",)


def test_a_column_that_is_not_there_says_which_are(tmp_path):
    path = saved(PETS, tmp_path / "pets.csv")
    assert refused(path, "has no column 'species'", "species").fix == (
        "Its columns are: weight, legs, coat, chipped, age, kind."
    )
    refused(path, "has no column 'nose'", drop=["nose"])
    refused(path, "'kind' is the label", drop=["kind"])


def test_test_rows_must_be_like_training_rows(tmp_path):
    path = saved(PETS, tmp_path / "pets.csv")
    others = {
        "lacks the columns coat, age": PETS.drop(columns=["coat", "age"]),
        "labels that the training rows do not have: cow": PETS.assign(kind="cow"),
        "column 'age' holds numbers in the training rows and text in the test rows": PETS.assign(age="old"),
        "3 of 10 rows have no label": PETS.assign(kind=[None] * 3 + ["cat"] * 7),
    }
    for message, frame in others.items():
        refused(path, message, test=saved(frame, tmp_path / "test.csv"))
    refused(path, "excludes --test", test=path, test_fraction=0.3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has 0 rows|no columns|No columns"),
        (b"weight,kind\n", "has 0 rows"),
        (b"kind\na\nb\n", "0 columns besides 'kind'"),
        (b"weight,kind\n1,cat\n2,dog,3\n", "line 3 has 3 fields, the header 2"),
        (b"weight,kind\n1,cat\n2", "line 3 has 1 fields, the header 2.*incomplete"),
        (b"weight,kind\n1,\xff\0\n", "neither text nor Parquet"),
        (b"weight,weight,kind\n1,1,cat\n", "two columns are called 'weight'"),
        (b"a,kind\n1,cat\n1,dog\n1,cat\n1,dog\n1,cat\n1,dog\n1,cat\n1,dog\n1,cat\n1,dog\n", "every column is the same"),
    ],
)
def test_a_csv_that_is_cut_short_or_none_is_refused(tmp_path, content, message):
    (tmp_path / "t.csv").write_bytes(content)
    refused(tmp_path / "t.csv", message)


def test_a_parquet_cut_short_is_refused(tmp_path):
    path = saved(PETS, tmp_path / "t.parquet")
    path.write_bytes(path.read_bytes()[:-20])
    refused(path, "cannot be read as a table .*Parquet")
    refused(tmp_path / "nowhere.parquet", "cannot be read as a table")
    refused(tmp_path / "nowhere.csv", "No such file")


def test_lines_within_quotes_are_one_field(tmp_path):
    (tmp_path / "t.csv").write_text(
        "x,note,kind\n" + "".join(f'{n},"two\nlines, {n % 2}",{n % 2}\n' for n in range(20))
    )
    assert import_table("pets", tmp_path / "t.csv", "kind").columns == ("x", "note=two\nlines, 0", "note=two\nlines, 1")


@pytest.mark.slow
def test_as_many_columns_as_there_are_genes_come_in(tmp_path):
    """One pass over all columns: pandas warns where a frame is built column by column, and a warning is an error."""
    values = np.random.default_rng(0).integers(0, 1000, (12, 20_531))
    lines = [",".join([*map(str, row), "ab"[at % 2]]) for at, row in enumerate(values)]
    header = ",".join([*(f"g{at}" for at in range(values.shape[1])), "label"])
    (tmp_path / "genes.csv").write_text("\n".join([header, *lines]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pack = import_table("genes", tmp_path / "genes.csv", "label", test_fraction=0.5)
    arrays = packed.read(pack)
    found = np.concatenate([arrays["train_x"], arrays["test_x"]])
    assert sorted(map(tuple, found)) == sorted(map(tuple, values))
