"""Text files are read as people write them: dialect, encoding, header and numbers are found; a doubt is an error."""

import bz2
import gzip
import lzma
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from study import import_data
from study.data import packed
from study.data.arrays import import_arrays
from study.data.dialects import Reading, is_header, open_text
from study.data.numerals import numeral
from study.data.reading import read_table
from study.data.tables import import_table
from study.errors import DataError

ROWS = 40


def written(path, lines, encoding="utf-8"):
    path.write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))
    return path


def lines(row, head="a;b;y", rows=ROWS):
    return [head, *(row(n) for n in range(rows))]


def read(path, **how):
    return read_table(path, (), Reading(**how), label="y")


@pytest.mark.parametrize(
    ("text", "point", "comma"),
    [
        ("1234", 1234, 1234),
        ("1.5", 1.5, None),
        ("1,5", None, 1.5),
        ("1,234", 1234, 1.234),
        ("1.234.567,5", None, 1234567.5),
        ("1,234,567.5", 1234567.5, None),
        ("1 234,5", None, 1234.5),
        ("1'234.5", 1234.5, None),
        ("12,34,567", None, None),
        ("-$1,200.50", -1200.5, None),
        ("\u22122,5 €", None, -2.5),
        ("50 %", 50, 50),
        ("1e-3", 0.001, 0.001),
        (".5", 0.5, None),
    ],
)
def test_a_number_is_read_with_either_decimal_sign(text, point, comma):
    found = numeral(text)
    assert (found and found.point, found and found.comma) == (point, comma)


@pytest.mark.parametrize("text", ["-", "a", "", "1-2", "3+", "1.2.3", "$5 €", "10:30", "2026-01-01", "0x1F"])
def test_what_is_no_number_is_none(text):
    assert numeral(text) is None


def test_decimal_commas_make_points_separators_of_thousands_in_the_whole_file(tmp_path):
    frame = read(written(tmp_path / "t.csv", lines(lambda n: f"{n},5;{n + 1}.500;{'uv'[n % 2]}")))
    np.testing.assert_array_equal(frame["a"], np.arange(ROWS) + 0.5)
    np.testing.assert_array_equal(frame["b"], 500 + 1000 * np.arange(1, ROWS + 1))


def test_separators_of_thousands_per_cent_and_currencies_are_numbers(tmp_path):
    row = lambda n: f'"1,{n:03d}",{n}.5 %,"$2,{n:03d}.25",{"uv"[n % 2]}'  # noqa: E731
    frame = read(written(tmp_path / "t.csv", lines(row, "a,b,c,y")))
    np.testing.assert_array_equal(frame["a"], 1000 + np.arange(ROWS))
    np.testing.assert_array_equal(frame["b"], np.arange(ROWS) + 0.5)
    np.testing.assert_array_equal(frame["c"], 2000.25 + np.arange(ROWS))


def test_numbers_with_one_unit_are_numbers_and_texts_with_numbers_are_not(tmp_path):
    def row(n):
        texts = f"{n} {'doors' if n % 2 else 'beds'};{n % 3}nd;level {n}"
        return f"{n},5 kg;{n} km/h;{n % 30} °C;{texts};{'uv'[n % 2]}"

    frame = read(written(tmp_path / "t.csv", lines(row, "a;b;c;d;e;f;y")))
    np.testing.assert_array_equal(frame["a"], np.arange(ROWS) + 0.5)
    np.testing.assert_array_equal(frame["b"], np.arange(ROWS))
    np.testing.assert_array_equal(frame["c"], np.arange(ROWS) % 30)
    assert [frame[name][1] for name in "def"] == ["1 doors", "1nd", "level 1"]
    path = written(tmp_path / "u.csv", lines(lambda n: f"{'tall' if n == 9 else f'{n} cm'};{n};{'uv'[n % 2]}"))
    with pytest.raises(DataError, match=r"column 'a' holds numbers, but line 11 has 'tall'"):
        read(path)
    assert read(path, category=("a",))["a"][0] == "0 cm"
    labels = written(tmp_path / "v.csv", lines(lambda n: f"{n};{n};{n % 2} doors"))
    assert set(read(labels)["y"]) == {"0 doors", "1 doors"}


def test_what_may_be_thousands_or_a_fraction_is_asked_for_and_named_by_an_option(tmp_path):
    path = written(tmp_path / "t.csv", lines(lambda n: f'"1,{n:03d}",{n},{"uv"[n % 2]}', "a,b,y"))
    with pytest.raises(DataError, match=r"column 'a': line 2 has '1,000'.*--decimal \. or --decimal ,"):
        read(path)
    assert read(path, decimal=".")["a"][7] == 1007
    assert read(path, decimal=",")["a"][7] == 1.007


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_one_stray_text_among_numbers_is_named_with_its_line_and_the_options_that_settle_it(tmp_path, ending):
    path = written(tmp_path / "t.csv", lines(lambda n: f"{'-' if n == 17 else n},{n},{'uv'[n % 2]}", "a,b,y", 300))
    if ending == "parquet":
        pd.read_csv(path).to_parquet(tmp_path / "t.parquet")
        path = tmp_path / "t.parquet"
    place = {"csv": "line 19", "parquet": "row 18"}[ending]
    with pytest.raises(
        DataError, match=rf"column 'a' holds numbers, but {place} has '-'. --missing '-' .*--category 'a'"
    ):
        import_table("t", path, "y")
    assert import_table("t", path, "y", reading=Reading(missing=("-",))).columns == ("a", "b")
    assert import_table("t", path, "y", reading=Reading(category=("a",))).shape[0] > 200


def test_units_that_differ_and_two_decimal_signs_are_refused(tmp_path):
    path = written(tmp_path / "t.csv", lines(lambda n: f"{n} {'€$'[n == 9]};{n};{n % 2}"))
    with pytest.raises(DataError, match=r"line 2 has '0 €' and .*line 11 has '9 \$', of different units"):
        read(path)
    path = written(tmp_path / "t.csv", lines(lambda n: f"{n},5;{n}.25;{n % 2}"))
    with pytest.raises(DataError, match=r"column 'b': line 2 has '0.25', which is no number with the decimal sign ','"):
        read(path)


def test_blanks_around_fields_and_names_are_not_part_of_them(tmp_path):
    path = written(
        tmp_path / "t.csv", lines(lambda n: f"{n} , {'p?q'[n % 3]} , {['>50K', '<=50K'][n % 2]}", " a, b , y")
    )
    frame = read(path)
    assert list(frame.columns) == ["a", "b", "y"]
    assert frame["a"].tolist() == list(range(ROWS))
    assert frame["b"][:3].tolist()[::2] == ["p", "q"]
    assert frame["b"].isna()[1]
    pack = import_table("t", path, "y", test=path)
    assert (pack.columns, pack.classes) == (("a", "b=p", "b=q"), ("<=50K", ">50K"))


def test_a_file_without_header_gets_names_and_that_is_said(tmp_path):
    row = lambda n: f"{n}, State-gov{n % 2}, {n * 9}, {['>50K', '<=50K'][n % 2]}"  # noqa: E731
    path, told = written(tmp_path / "adult.data", [row(n) for n in range(ROWS)]), []
    pack = import_table("t", path, "column_4", report=lambda text, _: told.append(text))
    assert (pack.train + pack.test, pack.classes) == (ROWS, ("<=50K", ">50K"))
    assert told[0].startswith("adult.data has no header: its columns are called column_1 to column_4")
    assert open_text(path, Reading(header=True)).names[1] == "State-gov0"


@pytest.mark.parametrize(
    ("first", "below", "expected"),
    [
        (["age", "kind"], ["7", "cat"], True),
        (["7", "cat"], ["8", "cat"], False),
        (["p", "x"], ["x", "p"], True),
        (["cat", "dog"], ["cat", "dog"], False),
        (["0", "1", "2"], ["5.1", "3.5", "1.4"], True),
        (["5.0", "3.6", "1.4"], ["5.1", "3.5", "1.4"], False),
        (["country", "2019", "2020"], ["Chile", "1.5", "1.7"], True),
        (["0", "1", "target"], ["5.1", "3.5", "7"], True),
    ],
)
def test_a_header_is_told_from_a_row(first, below, expected):
    assert is_header([first] + [below] * 5) is expected


@pytest.mark.parametrize(
    ("content", "separator"),
    [
        ("x;note;y\n" + "".join(f"{n},5;a, b, c;{n % 2}\n" for n in range(ROWS)), ";"),
        ("note,x,y\n" + "".join(f'"p; q; {n % 2}\nsecond ""line""",{n},{n % 2}\n' for n in range(ROWS)), ","),
        ("".join(f'{n}.0   8   {n}07.0\t"chevy {n % 3}"\n' for n in range(ROWS)), r"\s+"),
        ("a\tb c\ty\n" + "".join(f"{n}\tx y {n % 3}\t{n % 2}\n" for n in range(ROWS)), "\t"),
    ],
)
def test_the_dialect_is_found_in_the_content_not_in_the_first_line(tmp_path, content, separator):
    path = tmp_path / "t.csv"
    path.write_text(content)
    table = open_text(path, Reading())
    table.check()
    assert table.separator == separator
    assert len(read_table(path)) == ROWS


@pytest.mark.parametrize("content", ["", " ", "\t", "\n", " \n \n", '"', "\0", ";;", ' "'])
def test_a_table_of_nothing_is_refused(tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=re.escape(str(path))):
        import_data("mine", path, label="label")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
def test_encodings_are_found_and_said_where_they_are_unusual(tmp_path, encoding):
    row = lambda n: f"{n};{['Köln', 'Düsseldorf', 'Münster'][n % 3]};{n % 2}"  # noqa: E731
    path, told = written(tmp_path / "t.csv", lines(row, "größe;straße;y"), encoding), []
    frame = read_table(path, report=lambda text, _: told.append(text))
    assert list(frame.columns) == ["größe", "straße", "y"]
    assert frame["straße"][0] == "Köln"
    assert bool(told) is not encoding.startswith("utf-8")
    with pytest.raises(DataError, match=r"no encoding is called 'klingon'"):
        read(path, encoding="klingon")


@pytest.mark.parametrize(
    ("encoding", "texts"),
    [
        ("cp1251", ["Москва", "Казань", "Самара"]),
        ("cp1252", ["Köln", "Zürich", "5 €"]),
        ("shift_jis", ["東京", "大阪", "京都"]),
        ("gb18030", ["北京", "上海", "广州"]),
    ],
)
def test_few_letters_are_read_in_an_encoding_of_today(tmp_path, encoding, texts):
    path = written(tmp_path / "t.csv", lines(lambda n: f"{n};{texts[n % 3]};{n % 2}", "x;city;y"), encoding)
    assert list(read_table(path)["city"][:3]) == texts


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_tables_are_read_and_damaged_ones_refused(tmp_path, pack):
    plain = "\n".join(lines(lambda n: f"{n};{n * n};{n % 2}")).encode()
    path = tmp_path / "t.csv.z"
    path.write_bytes(pack(plain))
    assert len(read_table(path)) == ROWS
    path.write_bytes(pack(plain)[:-9])
    with pytest.raises(DataError, match=r"incomplete or damaged"):
        read_table(path)


def test_none_and_na_are_classes_among_texts_and_missing_among_numbers(tmp_path):
    path = written(tmp_path / "t.csv", lines(lambda n: f"{n};{n * n};{['None', 'NA', 'Some'][n % 3]}"))
    assert import_table("t", path, "y").classes == ("NA", "None", "Some")
    path = written(tmp_path / "t.csv", lines(lambda n: f"{n};{n * n};{['1', 'NA', '2'][n % 3]}"))
    with pytest.raises(DataError, match=r"13 of 40 rows have no label 'y'"):
        import_table("t", path, "y")
    path = written(tmp_path / "t.csv", lines(lambda n: f"{n};{n * n};{['None', '', 'Some'][n % 3]}"))
    with pytest.raises(DataError, match=r"13 of 40 rows have no label 'y'"):
        import_table("t", path, "y")


def test_a_label_of_many_numbers_is_no_class_unless_that_is_said(tmp_path):
    path = written(tmp_path / "t.csv", lines(lambda n: f"{n};{n * n};{n % 399}", rows=2400))
    with pytest.raises(
        DataError, match=r"holds 399 different numbers, 0 to 398. --task regression predicts the number"
    ):
        import_table("t", path, "y")
    pack = import_table("t", path, "y", reading=Reading(category=("y",)))
    assert (len(pack.classes), pack.classes[:3]) == (399, ("0", "1", "2"))


def test_numbers_that_are_categories_keep_their_zeros(tmp_path):
    path = written(tmp_path / "t.csv", lines(lambda n: f"0{100 + n % 3};{n};{n % 2}"))
    assert import_table("t", path, "y").columns == ("a", "b")
    found = import_table("t", path, "y", reading=Reading(category=("a",)))
    assert found.columns == ("a=0100", "a=0101", "a=0102", "b")


@pytest.mark.parametrize(("base", "step"), [(1_700_000_000_000, 137), (1_700_000_000_000_000_000, 1)])
def test_times_since_1970_stay_apart_as_32_bit_floats(tmp_path, base, step):
    path, told = written(tmp_path / "t.csv", lines(lambda n: f"{base + step * n};{n};{n % 2}", rows=160)), []
    pack = import_table("t", path, "y", test=path, report=lambda text, _: told.append(text))
    values = packed.read(pack)["train_x"][:, 0]
    assert len(np.unique(values)) == 160
    np.testing.assert_array_equal(np.diff(values), step)
    ((name, offset),) = pack.offsets
    assert (name, values[0] + offset) == ("a", base)
    assert any(text.startswith("Stored as differences") and "a - 1,7" in text for text in told)


def test_values_that_32_bit_floats_cannot_keep_apart_are_refused(tmp_path):
    path = written(tmp_path / "t.csv", lines(lambda n: f"{1e30 if n == 39 else 1e8 + n * 1e-3};{n};{n % 2}"))
    with pytest.raises(
        DataError,
        match=r"column 'a' has 32 different values, of which 32-bit floats keep 2 apart once it is standardised",
    ):
        import_table("t", path, "y")


def test_the_most_frequent_categories_can_be_kept(tmp_path):
    path, told = written(tmp_path / "t.csv", lines(lambda n: f"{'ppppqqqrrs'[n % 10]};{n};{n % 2}")), []
    pack = import_table("t", path, "y", test=path, max_categories=2, report=lambda text, _: told.append(text))
    assert pack.columns == ("a=p", "a=q", "b")
    assert packed.read(pack)["train_x"][9, :2].tolist() == [0, 0]
    assert "The most frequent categories, the others are encoded as missing: a (2 of 4, 70% of the values)" in told


def test_more_than_half_of_the_memory_is_refused_before_it_is_filled(tmp_path, monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda name: {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": 4000}[name])
    path = written(tmp_path / "t.csv", lines(lambda n: f"k{n % 20};{n};{n % 2}"))
    with pytest.raises(
        DataError, match=r"the encoded table of .* columns would take .*, more than half .*--max-categories 50"
    ):
        import_table("t", path, "y")
    assert import_table("t", path, "y", max_categories=5).shape == (6,)


def test_arrays_of_more_than_half_of_the_memory_are_refused_before_they_are_read(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "d.npz", x=np.zeros((100, 50)), y=np.arange(100) % 2)
    assert (tmp_path / "d.npz").stat().st_size < 2000
    monkeypatch.setattr("os.sysconf", lambda name: {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": 4000}[name])
    with pytest.raises(DataError, match=r"d.npz: its arrays would take 41.1 kB, more than half of the memory"):
        import_arrays("t", tmp_path / "d.npz", lambda *_: None)


def test_a_small_file_of_a_table_that_does_not_fit_the_memory_is_refused_in_a_line(tmp_path):
    """A gigabyte in a megabyte: it ended in a MemoryError's traceback."""
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"1,2,3,4\n" * 2**23) * 16)
    code = f"""
import resource
from pathlib import Path
from study.data.reading import read_table
here = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (here + 2**29, here + 2**29))
read_table(Path({str(tmp_path / "t.csv.gz")!r}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "study.errors.DataError" in done.stderr
    assert "t.csv.gz: is a table that takes more memory than there is. Import fewer rows" in done.stderr
