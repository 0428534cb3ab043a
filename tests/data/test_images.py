"""Images come in from folders and archives, the same pack whatever the way; what is damaged stays out, by its name."""

import bz2
import gzip
import io
import lzma
import random
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from study.data import packed
from study.data.images import import_images
from study.data.known import KNOWN
from tests.data.pictures import encoded, folder_of, pets, picture, refused, tar_of, zip_of

SHARED = Path(__file__).parents[3] / "shared" / "data"
CIFAR = SHARED / "cifar10-images.tar.xz"
MODES = {"L": 1, "RGB": 3}


def test_a_folder_becomes_a_pack_with_the_pictures_as_they_are(tmp_path):
    top = folder_of(pets(), tmp_path / "pets")
    pack = import_images("pets", top)
    assert (pack.shape, pack.train, pack.test, pack.classes) == ((5, 6, 3), 8, 4, ("cat", "dog"))
    assert (pack.imported, pack.source) == (True, "import of pets (PNG, decoded)")
    arrays = packed.read(pack)
    assert arrays["train_y"].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    np.testing.assert_array_equal(arrays["train_x"][5], np.asarray(Image.open(top / "train/dog/001.png")))


@pytest.mark.parametrize("below", ["", "pets-1.0/", "./"])
@pytest.mark.parametrize("seed", [0, 1])
def test_folder_and_archives_of_the_same_pictures_are_the_same_pack_in_whatever_order(tmp_path, below, seed):
    files = list(pets().items())
    expected = import_images("expected", folder_of(dict(files), tmp_path / "pets")).sha256
    random.Random(seed).shuffle(files)
    inside = {below + name: content for name, content in files}
    archives = [
        tar_of(inside, tmp_path / "p.tar"),
        tar_of(inside, tmp_path / "p.tar.gz", gzip.open),
        tar_of(inside, tmp_path / "p.tar.xz", lzma.open),
        tar_of(inside, tmp_path / "p.named-otherwise", bz2.open),
        zip_of(inside, tmp_path / "p.zip"),
    ]
    assert {import_images("pets", archive).sha256 for archive in archives} == {expected}


def test_an_archive_is_told_by_its_sha256_in_the_source(tmp_path):
    archive = zip_of(pets(form="JPEG"), tmp_path / "my pets.zip")
    source = import_images("pets", archive).source
    assert source.startswith("import of my pets.zip (sha256 ")
    assert source.endswith("; JPEG, decoded)")


def test_pictures_of_several_sizes_need_a_size_which_the_error_offers(tmp_path):
    files = pets()
    files["train/dog/002.png"] = encoded(picture(1, size=(9, 7)))
    top = folder_of(files, tmp_path / "pets")
    error = refused(top, "images of several sizes: train/cat/000.png is 6x5|test/cat/000.png is 6x5")
    assert "train/dog/002.png is 9x7" in error.what
    assert "--size 5" in error.fix
    pack = import_images("pets", top, size=8)
    assert pack.shape == (8, 8, 3)
    assert "cropped to squares and scaled to 8x8" in pack.source


def test_scaling_to_the_size_that_they_have_changes_nothing(tmp_path):
    files = {name: encoded(picture(number, size=(8, 8))) for number, name in enumerate(pets())}
    top = folder_of(files, tmp_path / "pets")
    assert import_images("a", top).sha256 == import_images("b", top, size=8).sha256


def test_without_a_test_folder_a_share_of_each_class_is_held_out_and_that_is_said(tmp_path):
    top = folder_of(pets(train=20, test=0), tmp_path / "pets")
    told = []
    pack = import_images("pets", top, lambda text, share: told.append((text, share)))
    assert np.bincount(packed.read(pack)["test_y"]).tolist() == [4, 4]
    assert (pack.train, pack.test) == (32, 8)
    assert "20% held out for the test, stratified" in pack.source
    assert ("There is no test split: 20% held out for the test, stratified, seed 42", None) in told
    assert import_images("half", top, test_fraction=0.5).test == 20


def test_the_share_held_out_must_make_sense(tmp_path):
    top = folder_of(pets(), tmp_path / "pets")
    refused(top, "has a test split already", test_fraction=0.3)
    alone = folder_of(pets(test=0), tmp_path / "alone")
    refused(alone, "a share of 1.5 cannot be held out", test_fraction=1.5)
    refused(alone, "1% cannot be held out", test_fraction=0.01)


@pytest.mark.parametrize(
    ("dataset", "folders"),
    [
        ("fashion_mnist", ["t_shirt_top", "Trouser", "Pullover", "dress", "Coat", "Sandal", "Shirt", "Sneaker",
                           "bag", "ankle-boot"]),
        ("kmnist", list(KNOWN["kmnist"].classes)),
        ("kmnist", list("0123456789")),
        ("cifar10", list(KNOWN["cifar10"].classes)),
    ],
)  # fmt: skip
def test_a_known_data_set_is_numbered_as_torchvision_does(tmp_path, dataset, folders):
    files = {
        f"{split}/{label}/1.png": encoded(Image.new("L", (4, 4), color=10 * number))
        for split in ("train", "test")
        for number, label in enumerate(folders)
    }
    pack = import_images(dataset, folder_of(files, tmp_path / "bring"))
    arrays = packed.read(pack)
    assert pack.classes == KNOWN[dataset].classes
    assert (arrays["train_x"][:, 0, 0, 0] == 10 * arrays["train_y"]).all()
    assert packed.find(dataset).imported


def test_other_classes_under_a_known_name_are_said(tmp_path):
    told = []
    pack = import_images("mnist", folder_of(pets(), tmp_path / "pets"), lambda text, _: told.append(text))
    assert pack.classes == ("cat", "dog")
    assert "These are not the classes of mnist that torchvision has: numbered by name" in told


def test_classes_called_by_numbers_are_in_order_of_size(tmp_path):
    files = {f"train/{number}/{n}.png": encoded(picture(n)) for number in (2, 10, 1) for n in range(5)}
    assert import_images("pets", folder_of(files, tmp_path / "n")).classes == ("1", "2", "10")


def test_what_is_no_picture_is_left_out_and_that_is_said(tmp_path):
    files = pets() | {
        "README.md": b"hello", "train/labels.csv": b"a", "train/cat/notes.txt": b"a", "docs/more.txt": b"a",
        ".DS_Store": b"", "train/cat/.hidden.png": b"", "__MACOSX/train/cat/1.png": b"", "train/Thumbs.db": b"\0",
    }  # fmt: skip
    told = []
    pack = import_images("pets", zip_of(files, tmp_path / "p.zip"), lambda text, _: told.append(text))
    assert pack.train == 8
    assert [text for text in told if text.startswith("Left out 3 files of text: ")]


def test_names_of_any_bytes_come_in(tmp_path):
    files = {name.replace("cat", "gat\udcff"): content for name, content in pets().items()}
    pack = import_images("pets", tar_of(files, tmp_path / "p.tar"))
    assert pack.classes == ("dog", r"gat\udcff")
    str(pack).encode()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"e.png": encoded(picture(1))}, "no images in folders of classes"),
        ({"train/1.png": encoded(picture(1))}, "train/1.png is in no class's folder"),
        (pets() | {"cow/1.png": encoded(picture(1))}, "cow/1.png is in no split"),
        ({name: content for name, content in pets().items() if "cat" in name}, "only one class, cat"),
        (pets() | {"test/cow/1.png": encoded(picture(1))}, "test/cow/1.png is of a class that train/ does not have"),
        (pets() | {"more/train/cat/1.png": encoded(picture(1))}, "two data sets"),
        (pets() | {"train/cat/000.png": b"no picture"}, r"train/cat/000.png cannot be decoded \(of an unknown format"),
        (pets() | {"train/cat/000.png": b""}, r"train/cat/000.png cannot be decoded"),
        (pets() | {"train/cat/000.png": encoded(picture(1))[:-30]}, r"train/cat/000.png cannot be decoded"),
        (pets() | {"train/cat/9.tiff": encoded(picture(1).convert("F"), "TIFF")}, "9.tiff cannot be decoded .32-bit"),
    ],
)
@pytest.mark.parametrize("pack_up", [folder_of, tar_of, zip_of])
def test_what_cannot_be_a_data_set_is_refused_by_the_name_of_the_file(tmp_path, files, message, pack_up):
    refused(pack_up(files, tmp_path / "it"), message)


def test_a_picture_that_is_there_twice_is_refused(tmp_path):
    path = tmp_path / "p.tar"
    tar_of(pets(), path)
    with tarfile.open(path, "a") as tar:
        member = tarfile.TarInfo("train/dog/000.png")
        content = encoded(picture(0))
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    refused(path, "train/dog/000.png is there twice")


def test_an_archive_cut_short_is_refused(tmp_path):
    path = tar_of(pets(), tmp_path / "p.tar.xz", lzma.open)
    path.write_bytes(path.read_bytes()[:-500])
    refused(path, "p.tar.xz: the archive is incomplete or damaged")


def test_progress_goes_from_nothing_to_all(tmp_path):
    shares = []
    import_images(
        "pets", tar_of(pets(train=200), tmp_path / "p.tar.gz", gzip.open), lambda _, share: shares.append(share)
    )
    assert shares == sorted(shares)
    assert len(shares) > 3
    assert shares[-1] == 1


@pytest.mark.slow
@pytest.mark.skipif(not CIFAR.exists(), reason="no shared data beside the repository")
def test_the_real_cifar_comes_in_within_two_minutes(record_property):
    began = time.perf_counter()
    pack = import_images("cifar10", CIFAR)
    record_property("seconds", seconds := time.perf_counter() - began)
    sys.stdout.write(f"CIFAR-10 in {seconds:.1f} s\n")
    assert (pack.train, pack.test, pack.shape, pack.classes) == (50000, 10000, (32, 32, 3), KNOWN["cifar10"].classes)
    arrays = packed.read(pack)
    assert np.bincount(arrays["train_y"]).tolist() == [5000] * 10
    assert np.bincount(arrays["test_y"]).tolist() == [1000] * 10
    mean = arrays["train_x"].reshape(-1, 3).mean(axis=0) / 255
    np.testing.assert_allclose(mean, [0.4914, 0.4822, 0.4465], atol=0.002)  # of the original, as is well known
    assert seconds < 120
