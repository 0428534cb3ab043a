"""A data set is made from what is on the disk, else fetched, else refused within seconds; no half of it stays."""

import gzip
import hashlib
import http.server
import io
import pickle
import socket
import tarfile
import threading
from contextlib import contextmanager

import numpy as np
import pytest
import scipy.io
import torchvision.datasets
from PIL import Image
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split

from study.data import packed
from study.data.images import import_images
from study.data.known import KNOWN
from study.engine.sources import _remotes, _unpacked, ensure
from study.errors import DataError, DataMissing, PlaceError
from study.settings import cache_folder

NOWHERE = "http://127.0.0.1:9"  # the port of discard, closed everywhere


@pytest.fixture
def offline(monkeypatch):
    """Every way out leads to a closed port."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, NOWHERE)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """A data folder of the test's own."""
    monkeypatch.setenv("STUDY_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def idx(array):
    """An array in the format of MNIST's files."""
    head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return head + array.astype(np.uint8).tobytes()


def small_mnist(seed=0):
    """Files as MNIST and its kin have them, by name, of 12 training and 5 test images."""
    draw = np.random.default_rng(seed)
    return {
        f"{split}-{what}": idx(array)
        for split, count in (("train", 12), ("t10k", 5))
        for what, array in (
            ("images-idx3-ubyte", draw.integers(0, 256, (count, 28, 28))),
            ("labels-idx1-ubyte", draw.integers(0, 10, count)),
        )
    }


def small_cifar(fine):
    """Files of CIFAR by name, as an old Python pickled them."""
    draw = np.random.default_rng(0)
    labels = "fine_labels" if fine else "labels"

    def batch():
        return {"data": draw.integers(0, 256, (4, 3072), np.uint8), labels: draw.integers(0, 10, 4).tolist()}

    names = [f"data_batch_{n}" for n in range(1, 6)] + ["test_batch"] if not fine else ["train", "test"]
    files = {name: pickle.dumps(batch(), protocol=2) for name in names}
    meta = {"label_names": KNOWN["cifar10"].classes, "fine_label_names": [f"class {n:02d}" for n in range(100)]}
    return files, pickle.dumps(meta, protocol=2)


def test_digits_are_scaled_to_bytes_and_split_alike_every_time():
    pack = ensure("digits")
    assert (pack.kind, pack.shape, pack.train, pack.test, pack.imported) == ("image", (8, 8, 1), 1437, 360, False)
    assert pack.classes == tuple("0123456789")
    arrays = packed.read(pack)
    assert (arrays["train_x"].min(), arrays["train_x"].max()) == (0, 255)
    assert np.bincount(arrays["test_y"]).min() >= 35
    whole = np.sort(np.concatenate([arrays["train_x"], arrays["test_x"]]).reshape(1797, -1), axis=0)
    np.testing.assert_array_equal(whole, np.sort(np.rint(load_digits().data * 255 / 16), axis=0))
    packed.remove("digits")
    assert ensure("digits").sha256 == pack.sha256


def test_breast_cancer_is_split_as_in_the_course_and_one_is_malignant():
    pack = ensure("breast_cancer")
    data = load_breast_cancer()
    split = train_test_split(data.data, 1 - data.target, test_size=0.2, random_state=42)
    arrays = packed.read(pack)
    for name, expected in zip(("train_x", "test_x", "train_y", "test_y"), split, strict=True):
        np.testing.assert_array_equal(arrays[name], expected.astype(arrays[name].dtype))
    assert (pack.kind, pack.classes, len(pack.columns)) == ("table", ("benign", "malignant"), 30)
    assert np.bincount(np.concatenate([arrays["train_y"], arrays["test_y"]])).tolist() == [357, 212]


def test_real_mnist_equals_torchvisions_tensors(mnist):
    pack = ensure("mnist")
    assert (pack.train, pack.test, pack.shape, pack.imported) == (60000, 10000, (28, 28, 1), False)
    assert pack.source == f"torchvision (MNIST, files in {mnist})"
    arrays = packed.read(pack)
    for split in ("train", "test"):
        theirs = torchvision.datasets.MNIST(mnist, train=split == "train")
        np.testing.assert_array_equal(arrays[f"{split}_x"][..., 0], theirs.data.numpy())
        np.testing.assert_array_equal(arrays[f"{split}_y"], theirs.targets.numpy())


def test_a_pack_that_is_there_is_not_made_again(offline):
    pack = ensure("digits")
    made = {file: file.stat().st_mtime_ns for file in cache_folder().rglob("*")}
    assert ensure("digits") == pack
    assert {file: file.stat().st_mtime_ns for file in cache_folder().rglob("*")} == made


def test_an_import_under_a_known_name_wins_and_says_so(mnist, tmp_path):
    for label in range(10):
        for split in ("train", "test"):
            path = tmp_path / "mine" / split / str(label) / "1.png"
            path.parent.mkdir(parents=True)
            Image.new("L", (28, 28), label).save(path)
    imported = import_images("mnist", tmp_path / "mine")
    assert ensure("mnist") == imported
    assert imported.imported
    assert imported.source.startswith("import of mine")


@pytest.mark.parametrize(("name", "folder_name"), [("kmnist", "KMNIST"), ("fashion_mnist", "FashionMNIST")])
def test_the_kin_of_mnist_is_read_from_the_data_folder(folder, offline, name, folder_name):
    files = small_mnist()
    (folder / folder_name / "raw").mkdir(parents=True)
    for file, content in files.items():
        (folder / folder_name / "raw" / file).write_bytes(content)
    pack = ensure(name)
    assert (pack.train, pack.test, pack.classes) == (12, 5, KNOWN[name].classes)
    assert packed.read(pack)["train_x"].tobytes() == files["train-images-idx3-ubyte"][16:]


@pytest.mark.parametrize(("name", "fine"), [("cifar10", False), ("cifar100", True)])
def test_cifar_is_read_from_the_data_folder_and_from_its_archive(monkeypatch, folder, offline, name, fine):
    reader = getattr(torchvision.datasets, KNOWN[name].made_by)
    files, meta = small_cifar(fine)
    train = [[file, md5(content)] for file, content in files.items() if "test" not in file]
    monkeypatch.setattr(reader, "train_list", train)
    monkeypatch.setattr(reader, "test_list", [[file, md5(files[file])] for file in files if "test" in file])
    monkeypatch.setattr(reader, "meta", {**reader.meta, "md5": md5(meta)})
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for file, content in {**files, reader.meta["filename"]: meta}.items():
            member = tarfile.TarInfo(f"{reader.base_folder}/{file}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    monkeypatch.setattr(reader, "tgz_md5", md5(archive.getvalue()))
    (folder / reader.filename).write_bytes(archive.getvalue())
    pack = ensure(name)
    assert pack.shape == (32, 32, 3)
    assert len(pack.classes) == (100 if fine else 10)
    assert {path.name for path in folder.iterdir()} == {reader.filename, reader.base_folder}
    first = pickle.loads(files[train[0][0]])
    np.testing.assert_array_equal(
        packed.read(pack)["train_x"][:4], first["data"].reshape(4, 3, 32, 32).transpose(0, 2, 3, 1)
    )
    packed.remove(name)
    (folder / reader.filename).unlink()
    assert ensure(name).sha256 == pack.sha256


def test_svhn_is_read_from_the_data_folder(monkeypatch, folder, offline):
    draw = np.random.default_rng(0)
    splits = dict(torchvision.datasets.SVHN.split_list)
    images = draw.integers(0, 256, (32, 32, 3, 6), np.uint8)
    for split in ("train", "test"):
        labels = np.array([[10], [1], [2], [9], [10], [3]], np.uint8)
        scipy.io.savemat(folder / splits[split][1], {"X": images, "y": labels})
        splits[split] = [*splits[split][:2], md5((folder / splits[split][1]).read_bytes())]
    monkeypatch.setattr(torchvision.datasets.SVHN, "split_list", splits)
    arrays = packed.read(ensure("svhn"))
    np.testing.assert_array_equal(arrays["train_x"], images.transpose(3, 0, 1, 2))
    assert arrays["test_y"].tolist() == [0, 1, 2, 9, 0, 3]


@contextmanager
def silent_server():
    """Takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


class Server:
    """A real server on this machine with some files; counts what was asked for."""

    def __init__(self, files):
        self.asked = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                content = files.get(self.path)
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def served(monkeypatch, folder):
    """KMNIST on a server: its first mirror has nothing, its second one has all."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    zipped = {f"{name}.gz": gzip.compress(content) for name, content in small_mnist().items()}
    server = Server({f"/good/{name}": content for name, content in zipped.items()})
    reader = torchvision.datasets.KMNIST
    monkeypatch.setattr(reader, "mirrors", [f"{server.url}/bad/", f"{server.url}/good/"])
    monkeypatch.setattr(reader, "resources", [(name, md5(content)) for name, content in zipped.items()])
    yield server
    server.close()


def test_what_is_not_here_is_fetched_with_progress_and_laid_out_as_torchvision_does(served, folder, capsys):
    told = []
    pack = ensure("kmnist", lambda text, share: told.append((text, share)))
    assert (pack.train, pack.test, pack.source) == (12, 5, "torchvision (KMNIST, downloaded)")
    assert ("Downloading train-images-idx3-ubyte.gz", 1.0) in told
    assert [path.name for path in folder.iterdir()] == ["KMNIST"]
    assert torchvision.datasets.KMNIST(folder).data.shape == (12, 28, 28)
    assert capsys.readouterr() == ("", "")
    packed.remove("kmnist")
    asked = len(served.asked)
    assert ensure("kmnist").sha256 == pack.sha256
    assert len(served.asked) == asked


def test_files_cut_short_are_fetched_again(served, folder):
    pack = ensure("kmnist")
    packed.remove("kmnist")
    cut = folder / "KMNIST/raw/train-images-idx3-ubyte"
    cut.write_bytes(cut.read_bytes()[:100])
    assert ensure("kmnist").sha256 == pack.sha256
    assert cut.stat().st_size > 100


def test_files_cut_short_are_said_where_they_cannot_be_fetched(folder, offline):
    (folder / "MNIST/raw").mkdir(parents=True)
    for name, content in small_mnist().items():
        (folder / "MNIST/raw" / name).write_bytes(content[:100])
    with pytest.raises(DataMissing, match=rf"searched {folder}, where its files are incomplete or damaged"):
        ensure("mnist")
    assert packed.names() == []


def test_a_download_of_the_wrong_file_is_refused_and_nothing_stays(monkeypatch, served, folder):
    resources = [(name, "0" * 32) for name, _ in torchvision.datasets.KMNIST.resources]
    monkeypatch.setattr(torchvision.datasets.KMNIST, "resources", resources)
    with pytest.raises(DataMissing, match="not the right one"):
        ensure("kmnist")
    assert list(folder.iterdir()) == []


def test_a_data_folder_that_can_only_be_read_is_passed_by(monkeypatch, served, tmp_path):
    monkeypatch.setenv("STUDY_DATA", "/proc/1/data")  # where nobody can make a folder
    assert ensure("kmnist").train == 12
    assert (cache_folder() / "data" / "KMNIST").is_dir()


def test_a_cache_that_cannot_be_written_is_an_error_of_place(monkeypatch, served, folder, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STUDY_CACHE", str(tmp_path / "file"))
    with pytest.raises(PlaceError):
        ensure("kmnist")


@pytest.mark.parametrize("name", [name for name, known in KNOWN.items() if known.origin == "torchvision"])
def test_without_data_and_network_the_error_says_what_to_do(folder, offline, name):
    with pytest.raises(DataMissing) as caught:
        ensure(name)
    assert f"{name} is neither on disk (searched {folder} and {cache_folder() / 'data'})" in caught.value.what
    assert "Connection refused" in caught.value.what
    assert "STUDY_DATA" in caught.value.fix
    assert f"study data import {name} FILE" in caught.value.fix
    assert list(folder.iterdir()) == []
    assert packed.names() == []


def test_a_server_that_never_answers_is_given_up_after_seconds(monkeypatch, folder):
    with silent_server() as url:
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, url)
        monkeypatch.setattr("study.data.download.ANSWER", 1.0)
        with pytest.raises(DataMissing, match="no answer in 1 s"):
            ensure("cifar10")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("cifar", "Did you mean 'cifar10'"),
        ("pats", "Did you mean 'pets'"),
        ("xyz", "Known are: breast_cancer, "),
        ("linnerud", "Import it: `study data import linnerud scikit-learn:linnerud`"),
        ("scikit-learn:linnerud", "Import it: `study data import linnerud scikit-learn:linnerud`"),
        ("flowers102", "Import it: `study data import flowers102 torchvision:Flowers102`"),
    ],
)
def test_an_unknown_name_gets_the_nearest_known_or_imported_one(name, hint):
    ensure("digits")
    packed.file_of("digits").rename(packed.file_of("pets"))
    with pytest.raises(DataError, match=f"unknown data set '{name}'. {hint}") as caught:
        ensure(name)
    assert not isinstance(caught.value, DataMissing)


def test_a_damaged_pack_is_an_error_and_not_taken_for_missing():
    pack = ensure("digits")
    pack.path.write_bytes(pack.path.read_bytes()[:1000])
    with pytest.raises(DataError, match="incomplete") as caught:
        ensure("digits")
    assert not isinstance(caught.value, DataMissing)


@pytest.mark.parametrize("name", [name for name, known in KNOWN.items() if known.origin == "torchvision"])
def test_the_files_by_which_a_data_set_is_found_are_those_of_torchvision(name):
    reader = getattr(torchvision.datasets, KNOWN[name].made_by)
    files = {*_unpacked(reader), *(remote.path for remote in _remotes(reader))}
    assert KNOWN[name].files
    assert set(KNOWN[name].files) <= files
