"""A pack is written whole or not at all, tells what it is without being read, and knows when it is damaged."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import safetensors.numpy

from study.data import pack_file, packed
from study.errors import DataError, PlaceError

CLASSES = ("cat", "dog")


def images(count=6, seed=0):
    draw = np.random.default_rng(seed)
    return {
        "train_x": draw.integers(0, 256, (count, 4, 5, 3), np.uint8),
        "train_y": np.arange(count, dtype=np.int64) % 2,
        "test_x": draw.integers(0, 256, (2, 4, 5, 3), np.uint8),
        "test_y": np.array([1, 0], np.int64),
    }


def write(name="pets", arrays=None, **about):
    given = {"kind": "image", "classes": CLASSES, "source": "drawn", "imported": True, **about}
    return packed.write(name, arrays or images(), **given)


def folder():
    return packed.file_of("x").parent


def left_there():
    return sorted(path.name for path in folder().iterdir())


def test_a_pack_tells_what_it_is(tmp_path):
    before = time.time()
    pack = write()
    assert pack == packed.find("pets")
    assert (pack.name, pack.kind, pack.classes, pack.shape) == ("pets", "image", CLASSES, (4, 5, 3))
    assert (pack.train, pack.test, pack.source, pack.imported) == (6, 2, "drawn", True)
    assert pack.path == tmp_path / "cache" / "study" / "packs" / "pets.safetensors"
    assert pack.size == pack.path.stat().st_size
    assert before <= pack.created <= time.time()


def test_arrays_come_back_as_they_were_also_to_other_readers():
    pack = write()
    for read in (packed.read(pack), safetensors.numpy.load_file(pack.path)):
        for name, array in images().items():
            assert read[name].dtype == array.dtype
            np.testing.assert_array_equal(read[name], array)


def test_a_table_keeps_missing_values_and_the_names_of_its_columns():
    x = np.array([[1, np.nan], [3, 4]], np.float32)
    arrays = {"train_x": x, "train_y": np.array([0, 1]), "test_x": x[:0], "test_y": np.array([], np.int64)}
    pack = write("table", arrays, kind="table", columns=["a", "b"])
    assert (pack.shape, pack.test, pack.columns) == ((2,), 0, ("a", "b"))
    np.testing.assert_array_equal(packed.read(pack)["train_x"], x)


def test_what_is_in_memory_in_another_order_is_written_alike():
    arrays = images()
    turned = {**arrays, "train_x": np.asfortranarray(arrays["train_x"])}
    assert write("a", arrays).sha256 == write("b", turned).sha256
    np.testing.assert_array_equal(packed.read(packed.find("b"))["train_x"], arrays["train_x"])


def test_the_digest_tells_contents_labels_and_splits_apart():
    arrays = images()
    others = [
        images(seed=1),
        {**arrays, "train_y": arrays["train_y"][::-1]},
        {**arrays, "train_x": arrays["train_x"].reshape(6, 5, 4, 3), "test_x": arrays["test_x"].reshape(2, 5, 4, 3)},
        {**arrays, "train_x": arrays["train_x"][:-1], "train_y": arrays["train_y"][:-1]},
    ]
    digests = {pack_file.digest({name: np.ascontiguousarray(array) for name, array in each.items()}) for each in others}
    assert len(digests | {pack_file.digest(arrays)}) == 5


def test_what_is_not_there_is_not_found():
    assert packed.find("pets") is None
    assert packed.names() == []
    assert packed.listing() == []
    packed.remove("pets")


def test_packs_are_listed_by_name_and_removed_one_by_one():
    for name in ("b", "a", "c.1-2_x"):
        write(name)
    (folder() / ".a.safetensors.123").write_bytes(b"half")
    assert [pack.name for pack in packed.listing()] == packed.names() == ["a", "b", "c.1-2_x"]
    packed.remove("b")
    assert packed.names() == ["a", "c.1-2_x"]


@pytest.mark.parametrize("name", ["", ".hidden", "../escape", "a/b", "a b", "x@digits", "a" * 101, "-rf"])
def test_a_name_that_is_a_path_or_worse_is_refused(name):
    for ask in (packed.find, packed.remove, write):
        with pytest.raises(DataError, match="cannot name a data set"):
            ask(name)


def test_finding_a_pack_does_not_read_its_arrays():
    pack = write()
    header = json.loads(pack.path.read_bytes()[8 : 8 + header_length(pack)])
    rows = 10**9  # 60 GB of images, none of them on the disk
    start = header["train_x"]["data_offsets"][0]
    header["train_x"] |= {"shape": [rows, 4, 5, 3], "data_offsets": [start, start + rows * 60]}
    end = start + rows * 60
    header["test_x"]["data_offsets"] = [end, end + 120]
    header["__metadata__"]["format"] = pack_file.EARLIER  # whose header has no hash
    del header["__metadata__"]["header_sha256"]
    text = json.dumps(header).encode()
    pack.path.write_bytes(len(text).to_bytes(8, "little") + text)
    os.truncate(pack.path, 8 + len(text) + end + 120)
    began = time.perf_counter()
    assert packed.find("pets").train == rows
    assert time.perf_counter() - began < 1


def header_length(pack):
    return int.from_bytes(pack.path.read_bytes()[:8], "little")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_a_pack_cut_short_names_its_file_and_the_cure(share):
    pack = write()
    os.truncate(pack.path, int(share * pack.size))
    with pytest.raises(DataError) as caught:
        packed.find("pets")
    assert caught.value.where == str(pack.path)
    assert "incomplete" in caught.value.what
    assert "study data remove pets" in caught.value.fix
    with pytest.raises(DataError):
        packed.verify(pack)


def test_a_changed_byte_is_noticed_by_verify():
    pack = write()
    assert packed.verify(pack)
    content = bytearray(pack.path.read_bytes())
    content[-3] ^= 1
    pack.path.write_bytes(content)
    assert packed.find("pets") == pack
    assert not packed.verify(pack)


def test_a_safetensors_file_of_another_make_is_refused():
    folder().mkdir(parents=True)
    safetensors.numpy.save_file(images(), packed.file_of("pets"))
    with pytest.raises(DataError, match="not made by this version"):
        packed.find("pets")
    safetensors.numpy.save_file({"other": np.zeros(3)}, packed.file_of("pets"))
    with pytest.raises(DataError, match="incomplete or damaged"):
        packed.find("pets")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train_x": np.zeros((6, 4, 5, 3), np.float32)}, "is no image data"),
        ({"train_x": np.zeros((6, 4, 5), np.uint8)}, "is no image data"),
        ({"train_y": np.zeros(6, np.int32)}, "is no image data"),
        ({"train_y": np.zeros(5, np.int64)}, "is no image data"),
        ({"train_y": np.full(6, 2)}, "labels from 2 to 2 for 2 classes"),
        ({"test_y": np.array([-1, 0])}, "labels from -1 to 0 for 2 classes"),
        ({"test_x": np.zeros((2, 4, 4, 3), np.uint8)}, "of another shape"),
        ({"train_x": np.zeros((0, 4, 5, 3), np.uint8), "train_y": np.array([], np.int64)}, "no training examples"),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(changed, message):
    with pytest.raises(DataError, match=message):
        write(arrays={**images(), **changed})
    assert packed.names() == []


def test_a_full_disk_is_said_in_a_line_and_leaves_the_old_pack(tmp_path):
    old = write()
    code = """
import resource
import numpy as np
from study.data import pack_file, packed
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
y = np.arange(10_000, dtype=np.int64) % 2
x = np.zeros((10_000, 8, 8, 1), np.uint8)
packed.write("pets", {"train_x": x, "train_y": y, "test_x": x, "test_y": y}, kind="image", classes="ab", source="",
             imported=False)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"PlaceError: {old.path}: cannot be written: File too large" in done.stderr
    assert left_there() == ["pets.safetensors"]
    assert packed.verify(packed.find("pets"))


def test_a_cache_folder_that_cannot_be_made_is_an_error_of_place(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("STUDY_CACHE", str(tmp_path / "file"))
    with pytest.raises(PlaceError, match="STUDY_CACHE"):
        write()


def test_a_kill_while_writing_leaves_the_old_pack_or_the_new_one():
    code = """
import numpy as np
from study.data import pack_file, packed
y = np.arange(200_000, dtype=np.int64) % 2
x = np.random.default_rng(0).integers(0, 256, (200_000, 8, 8, 3), np.uint8)
print("ready", flush=True)
while True:
    packed.write("pets", {"train_x": x, "train_y": y, "test_x": x[:9], "test_y": y[:9]}, kind="image", classes="ab",
                 source="", imported=False)
"""
    old = write()
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as writer:
        writer.stdout.readline()
        deadline = time.monotonic() + 20
        while not list(folder().glob(".pets*")) and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.01)
        writer.send_signal(signal.SIGKILL)
    pack = packed.find("pets")
    assert pack.train in {old.train, 200_000}
    assert packed.verify(pack)


def test_what_killed_writers_left_is_swept_once_it_is_old():
    write("other")
    old, young = folder() / ".pets.safetensors.1", folder() / ".pets.safetensors.2"
    for left in (old, young):
        left.write_bytes(b"half a pack")
    os.utime(old, (0, 0))
    write()
    assert left_there() == [young.name, "other.safetensors", "pets.safetensors"]
