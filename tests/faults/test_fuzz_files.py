"""Any bytes in any file that is read: an error of ours that names the file, or a value; never another exception."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import zipfile
import zlib
from contextlib import suppress
from hashlib import sha256

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import study
from study.data import packed
from study.engine import checkpoint
from study.engine.data import _read
from study.errors import InputError, StudyError
from study.record import checked
from study.record.journal import Journal, TrialFolder
from tests.conftest import make_trial
from tests.faults.fuzz import VALUES, bytes_like, changed, fuzzed

EVENTS = [
    {"kind": "started", "time": 1.0, "device": "cpu"},
    {"kind": "epoch", "time": 2.0, "number": 1, "metrics": {"val_accuracy": 0.5}, "seconds": 0.5},
    {"kind": "restarted", "time": 2.0, "epochs": 0},
    {"kind": "audited", "time": 2.0, "epoch": 1},
    {"kind": "died", "time": 2.0, "reason": "the worker ended"},
    {"kind": "ended", "time": 3.0, "state": "complete", "value": 0.5, "reason": "", "evaluation": None},
]


def line(record) -> bytes:
    body = json.dumps(record)
    return f'{{"crc":"{zlib.crc32(body.encode()):08x}",{body[1:]}\n'.encode()


@fuzzed
@given(bytes_like(b"".join(map(line, EVENTS))))
def test_a_log_of_any_bytes(tmp_path, content):
    (tmp_path / "log.jsonl").write_bytes(content)
    folder = TrialFolder(tmp_path)
    with suppress(StudyError):
        folder.history()
    folder.repair()
    with suppress(StudyError):
        folder.history()


def packed_state(body: bytes) -> bytes:
    return checkpoint.HEAD + sha256(body).digest() + body


def saved(state) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


STATE = saved({"epochs": [{"number": 1, "metrics": {"a": 0.5}, "seconds": 1.0}], "state": {"model": torch.arange(3.0)}})


@fuzzed
@given(bytes_like(packed_state(STATE)))
def test_a_checkpoint_of_any_bytes(tmp_path, content):
    file = tmp_path / "checkpoint.pt"
    file.write_bytes(content)
    with suppress(StudyError):
        checkpoint.load(file)


@fuzzed
@given(bytes_like(STATE))
def test_a_checkpoint_whose_checksum_is_right_over_any_bytes(tmp_path, body):
    file = tmp_path / "checkpoint.pt"
    file.write_bytes(packed_state(body))
    with suppress(StudyError):
        checkpoint.load(file)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STUDY_CACHE", str(tmp_path_factory.mktemp("cache")))
        x, y = np.arange(120, dtype=np.uint8).reshape(10, 2, 2, 3), np.arange(10) % 2
        arrays = {"train_x": x, "train_y": y, "test_x": x[:4], "test_y": y[:4]}
        return packed.write(
            "mine", arrays, kind="image", classes=["a", "b"], source="", imported=True
        ).path.read_bytes()


def read_pack(content: bytes) -> None:
    file = packed.file_of("mine")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    with suppress(StudyError):
        found = packed.find("mine")
        packed.verify(found)
        _read(found, "train")
    study.list_data()
    study.verify_data(["mine"])


@fuzzed
@given(data=st.data())
def test_a_pack_of_any_bytes(pack, data):
    read_pack(data.draw(bytes_like(pack)))


@fuzzed
@given(data=st.data())
def test_a_pack_with_another_header(pack, data):
    size = int.from_bytes(pack[:8], "little")
    header = json.dumps(data.draw(changed(json.loads(pack[8 : 8 + size])))).encode()
    read_pack(len(header).to_bytes(8, "little") + header + pack[8 + size :])


@pytest.fixture
def results_of_two(tmp_path):
    """A study with a complete and a running trial, its files to be replaced."""
    journal = Journal(tmp_path / "mlruns" / "studies" / "made")
    journal.store_definition(DEFINITION)
    make_trial(journal, 0, {}, [0.5, 0.6], variant="baseline", end={})
    make_trial(journal, 1, {"lr": 0.5}, [0.5])
    return journal


DEFINITION = {
    "study": "made", "metric": "val_accuracy", "direction": "maximize", "train": "study.engine:train",
    "recipe_type": "study.recipe:Recipe", "recipe": {"dataset": "digits", "model": "mlp"}, "space": {}, "fixed": {},
    "variants": {"baseline": {}}, "sampler": "tpe", "pruner": "median", "seed": 0, "data": {},
}  # fmt: skip


def read_all(journal) -> None:
    """Read what `list`, `show`, `show --trial`, `best` and `export` read."""
    home = journal.home
    for question in (
        lambda: study.list_studies(home=home),
        lambda: study.show("made", home=home),
        lambda: study.show("made", 0, home=home),
        lambda: study.best("made", home=home),
        lambda: study.export("made", home=home),
    ):
        with suppress(StudyError):
            question()


@fuzzed
@given(changed(DEFINITION) | VALUES)
def test_a_stored_definition_of_any_values(results_of_two, definition):
    head = {"format": checked.FORMAT, "crc": "00000000"}  # a checksum that no value here has
    changed_file = {**head, **(definition if isinstance(definition, dict) else {"value": definition})}
    results_of_two.definition_file.write_text(json.dumps(changed_file, indent=2))
    read_all(results_of_two)


def picture(size: int, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), (size, 2, 3)).save(buffer, kind)
    return buffer.getvalue()


FILES = {
    f"{split}/{name}/{number}.{kind}": picture(3, kind)
    for split in ("train", "test")
    for name in ("cat", "dog")
    for number, kind in enumerate(("png", "bmp"))
}


def tar(mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in FILES.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return buffer.getvalue()


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def imported(path, **how) -> None:
    with suppress(InputError):
        study.import_data("mine", path, force=True, **how)


ARCHIVES = {"a.tar": tar("w"), "a.tar.gz": tar("w:gz"), "a.tar.xz": tar("w:xz"), "a.zip": zipped()}


@pytest.mark.parametrize("name", ARCHIVES)
@fuzzed
@given(data=st.data())
def test_an_archive_of_any_bytes(tmp_path, name, data):
    (tmp_path / name).write_bytes(data.draw(bytes_like(ARCHIVES[name])))
    imported(tmp_path / name)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # a large picture is no fault
@pytest.mark.parametrize("kind", ["png", "bmp", "jpeg", "gif", "webp"])
@fuzzed
@given(data=st.data())
def test_an_image_of_any_bytes(tmp_path, kind, data):
    folder = tmp_path / "images"
    shutil.rmtree(folder, ignore_errors=True)
    for file, content in FILES.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content)
    (folder / "train" / "cat" / f"x.{kind}").write_bytes(data.draw(bytes_like(picture(3, kind))))
    imported(folder)


CSV = b"a,b,label\n" + b"".join(b"%d,t%d,%s\n" % (n, n % 3, b"yes" if n % 2 else b"no") for n in range(20))


def parquet() -> bytes:
    buffer = io.BytesIO()
    pd.read_csv(io.BytesIO(CSV)).to_parquet(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(("name", "whole"), [("a.csv", CSV), ("a.parquet", parquet())])
@fuzzed
@given(data=st.data())
def test_a_table_of_any_bytes(tmp_path, name, whole, data):
    (tmp_path / name).write_bytes(data.draw(bytes_like(whole)))
    imported(tmp_path / name, label="label")


CELLS = st.one_of(
    st.integers(), st.floats().map(str), st.text(max_size=5), st.sampled_from(["", "inf", "1_0", "1e400"])
)


@fuzzed
@given(st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=8), st.sampled_from(["label", "a", "", "x"]))
def test_a_table_of_any_cells(tmp_path, rows, label):
    text = "\n".join(",".join(map(str, row)) for row in [["a", "label", "c"], *rows])
    (tmp_path / "a.csv").write_bytes(text.encode("utf-8", "surrogatepass"))
    imported(tmp_path / "a.csv", label=label)
