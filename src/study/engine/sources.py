"""Where a data set comes from when nobody has imported it: scikit-learn, torchvision's files, torchvision's servers."""

from __future__ import annotations

import inspect
import os
import pickle
import shutil
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from study.data import packed
from study.data.download import fetch, intact
from study.data.forms import LABELS
from study.data.known import KNOWN, TEST_SEED, TEST_SHARE, Known, hold_out
from study.data.reports import Report, silent
from study.errors import DataError, DataMissing, PlaceError
from study.formatting import nearest
from study.knobs import SCIKIT_LEARN, TORCHVISION, is_own
from study.settings import cache_folder, data_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.data.packed import Pack

ABANDONED = 86400.0  # seconds after which a folder of files on their way is nobody's
# What torchvision raises for files that are missing, cut short or not what they should be.
UNREADABLE = (RuntimeError, ValueError, AssertionError, TypeError, KeyError, EOFError, OSError, pickle.UnpicklingError)


@dataclass(frozen=True, slots=True)
class Remote:
    """A file as torchvision knows it: its servers, its path below the data folder, and its MD5."""

    urls: tuple[str, ...]
    path: str
    md5: str


def ensure(name: str, report: Report | None = None) -> Pack:
    """Find a data set's pack, or make it.

    A pack that is there is taken as it is: what a person has imported under a known name wins over its usual source.

    Args:
        name: a known data set, an imported one, or the import path of a function that gives one.
        report: is told what is going on, with the share that is done, in [0, 1], or None for a single line.

    Raises:
        DataMissing: neither on disk nor downloadable; says where it was looked for and how to bring it.
        DataError: not a known name, or a pack that is cut short.
        PlaceError: a folder that cannot be written or is full.

    """
    pack = packed.find(name)
    if pack is not None:
        return pack
    if is_own(name):
        from study.engine import made  # noqa: PLC0415 - pandas, which only the making needs

        return made.make(name, report)
    if name not in KNOWN:
        raise unknown(name)
    known = KNOWN[name]
    return _from_scikit_learn(name, known) if known.origin == "scikit-learn" else _from_torchvision(name, known, report)


def unknown(name: str) -> DataError:
    """Say that a data set is neither one of ours nor imported, and the nearest that is."""
    if source := _elsewhere(name):
        fix = f"Import it: `study data import {source.rpartition(':')[2].lower()} {source}`."
        return DataError(f"unknown data set {name!r}", fix=fix)
    meant = nearest(name, sorted({*KNOWN, *packed.names()}), else_say="Known are")
    return DataError(f"unknown data set {name!r}", fix=f"{meant} Import your own: `study data import {name} PATH`.")


def _elsewhere(name: str) -> str:
    """Tell what `study data import` would read a data set from, if scikit-learn or torchvision has one of this name."""
    from sklearn import datasets as tables  # noqa: PLC0415 - only where a name is unknown
    from torchvision import datasets as images  # noqa: PLC0415 - likewise

    if name.startswith((SCIKIT_LEARN, TORCHVISION)):
        return name
    if name in {each.partition("_")[2] for each in tables.__all__}:
        return SCIKIT_LEARN + name
    kinds = {each.lower(): each for each in images.__all__ if each.lower() not in KNOWN}
    return TORCHVISION + kinds[name.lower()] if name.lower() in kinds else ""


def _from_scikit_learn(name: str, known: Known) -> Pack:
    from sklearn import datasets  # noqa: PLC0415 - half a second that only the making needs

    data = getattr(datasets, known.made_by)()
    images, stratify = known.kind == "image", known.task == "classification" and name != "breast_cancer"
    x, y = data.data.astype(np.float32), data.target.astype(LABELS[known.task][0])
    if images:  # digits: 0 to 16
        x = np.rint(data.images * (255 / 16)).astype(np.uint8)[..., None]
    if name == "breast_cancer":  # scikit-learn counts malignant as 0; the published split is not stratified
        y = 1 - y
    train, test = hold_out(y, stratify=stratify, where=name)
    drawn = f"{TEST_SHARE:.0%} held out for the test{', stratified' * stratify}, seed {TEST_SEED}"
    return packed.write(
        name,
        {"train_x": x[train], "train_y": y[train], "test_x": x[test], "test_y": y[test]},
        kind=known.kind,
        classes=known.classes,
        source=f"scikit-learn ({known.made_by}; {drawn})",
        imported=False,
        columns=() if images else [str(column) for column in data.feature_names],
        task=known.task,
    )


def _from_torchvision(name: str, known: Known, report: Report | None) -> Pack:
    from torchvision import datasets  # noqa: PLC0415 - seconds that only the making needs

    reader = getattr(datasets, known.made_by)
    roots = list(dict.fromkeys([data_folder(), cache_folder() / "data"]))
    looked: list[str] = []
    for root in roots:
        damaged = any((root / file).exists() for file in _unpacked(reader))
        try:
            arrays, classes = _load(reader, root)
        except UNREADABLE:
            looked.append(f"{root}, where its files are incomplete or damaged" if damaged else str(root))
        else:
            return _write(name, known, arrays, classes, f"files in {root}")
    tell = report or silent
    try:
        return _download(name, known, reader, roots, tell)
    except ConnectionError as error:
        what = f"{name} is neither on disk (searched {' and '.join(looked)}) nor downloadable ({error})"
        fix = (
            f"Set STUDY_DATA to the folder of torchvision's files, or import your own: `study data import {name} FILE`."
        )
        raise DataMissing(what, fix=fix) from error


def _download(name: str, known: Known, reader: Any, roots: Sequence[Path], report: Report) -> Pack:
    """Fetch and unpack beside the final place, then move: a kill leaves no half of a data set to trip over."""
    root = next((root for root in roots if _writable(root)), roots[-1])
    try:
        root.mkdir(parents=True, exist_ok=True)
        _sweep(root)
        with tempfile.TemporaryDirectory(prefix=".study-", dir=root) as stage:
            for remote in _remotes(reader):
                _obtain(remote, Path(stage), roots, report)
            report(f"Unpacking {name}", None)
            arrays, classes = _load(reader, Path(stage), download=True)
            for file in [path for path in Path(stage).rglob("*") if path.is_file()]:
                target = root / file.relative_to(stage)
                target.parent.mkdir(parents=True, exist_ok=True)
                file.replace(target)
    except ConnectionError:
        raise
    except OSError as error:
        fix = "Free some space, or point STUDY_DATA elsewhere."
        raise PlaceError(f"cannot be written: {error.strerror or error}", where=str(root), fix=fix) from error
    return _write(name, known, arrays, classes, "downloaded")


def _writable(root: Path) -> bool:
    there = next(place for place in (root, *root.parents) if place.exists())
    return os.access(there, os.W_OK)


def _sweep(root: Path) -> None:
    """Delete what killed downloads have left behind."""
    for left in root.glob(".study-*"):
        if time.time() - left.stat().st_mtime > ABANDONED:
            shutil.rmtree(left, ignore_errors=True)


def _obtain(remote: Remote, stage: Path, roots: Sequence[Path], report: Report) -> None:
    """Get a file from the disk if it is there, perhaps on one that can only be read, else from the network."""
    target = stage / remote.path
    target.parent.mkdir(parents=True, exist_ok=True)
    for root in roots:
        if intact(root / remote.path, remote.md5):
            shutil.copyfile(root / remote.path, target)
            return
    fetch(remote.urls, target, remote.md5, report)


def _remotes(reader: Any) -> list[Remote]:
    """List what torchvision would download: MNIST and its kin, USPS, SVHN, or CIFAR."""
    if hasattr(reader, "resources"):
        folder = f"{reader.__name__}/raw"
        return [
            Remote(tuple(mirror + file for mirror in reader.mirrors), f"{folder}/{file}", md5)
            for file, md5 in reader.resources
        ]
    if hasattr(reader, "split_list"):
        return [Remote((url,), file, md5) for url, file, md5 in map(reader.split_list.get, ("train", "test"))]
    return [Remote((reader.url,), reader.filename, reader.tgz_md5)]


def _unpacked(reader: Any) -> list[str]:
    """List what is there once a data set has been unpacked."""
    if hasattr(reader, "base_folder"):
        return [reader.base_folder]
    return [remote.path.removesuffix(".gz") for remote in _remotes(reader)]


def _load(reader: Any, root: Path, *, download: bool = False) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Let torchvision read its files; images as [N, height, width, channels]."""
    arrays: dict[str, np.ndarray] = {}
    classes: tuple[str, ...] = ()
    with warnings.catch_warnings():
        # CIFAR's files were pickled by an old numpy, which newer ones remark on.
        warnings.filterwarnings("ignore", message=r"dtype\(\): align should be passed")
        for split in ("train", "test"):
            by_name = "split" in inspect.signature(reader).parameters  # SVHN's way
            which: dict[str, Any] = {"split": split} if by_name else {"train": split == "train"}
            data = reader(root, download=download, **which)
            x = np.asarray(data.data)
            if by_name:
                x = x.transpose(0, 2, 3, 1)
            arrays[f"{split}_x"] = x if x.ndim == 4 else x[..., None]
            arrays[f"{split}_y"] = np.asarray(data.labels if hasattr(data, "labels") else data.targets, np.int64)
            classes = tuple(getattr(data, "classes", ()))
    return arrays, classes


def _write(name: str, known: Known, arrays: dict[str, np.ndarray], classes: tuple[str, ...], origin: str) -> Pack:
    return packed.write(
        name,
        arrays,
        kind=known.kind,
        classes=known.classes or classes,
        source=f"torchvision ({known.made_by}, {origin})",
        imported=False,
    )
