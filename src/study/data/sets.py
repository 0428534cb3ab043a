"""The commands on data sets: import one, list them, verify and remove their files."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from study.data import packed
from study.data.dialects import Reading
from study.data.kinds import NAMES, kind_of
from study.data.known import KNOWN, TABLES
from study.errors import DataError, InputError, StudyError
from study.formatting import moment, nearest
from study.knobs import is_own
from study.schemas.data import DataRemoved, DataSet, Verified
from study.settings import cache_folder, data_folder
from study.text import data as text
from study.text.shown import Shown, ShownList

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from study.data.kinds import Kind
    from study.data.packed import Pack
    from study.data.reports import Report
    from study.text.table import Block

log = logging.getLogger("study")
TO_COME = {"torchvision": "torchvision, when first used", "scikit-learn": "scikit-learn, when first used"}


@dataclass(frozen=True, slots=True)
class Imported(Shown):
    """A data set that was imported.

    Args:
        pack: metadata of its file.

    """

    pack: Pack

    def record(self) -> DataSet:
        """Describe the data set in plain values."""
        return described(self.pack)

    def blocks(self) -> list[Block]:
        """Say what the data set holds."""
        return text.one(self.record())


class DataSets(ShownList[DataSet]):
    """Data sets that are here, then the known ones that are fetched when first used."""

    __slots__ = ()

    @property
    def folder(self) -> Path:
        """Folder of their files."""
        return packed.file_of("x").parent

    def blocks(self) -> list[Block]:
        """Show a line for each data set, and what else can be imported from STUDY_DATA."""
        return text.listed(self.entries, [str(path) for path in _importable()])


class Verification(ShownList[Verified]):
    """Which data sets are whole."""

    __slots__ = ()

    def blocks(self) -> list[Block]:
        """Show a line for each data set."""
        return [block for each in self.entries for block in text.verified(each)]

    def require_whole(self) -> None:
        """Raise unless every data set is whole.

        Raises:
            StudyError: names the damaged ones.

        """
        if damaged := [each.name for each in self.entries if not each.whole]:
            fix = f"Delete it with `study data remove {damaged[0]}` and import it again."
            raise StudyError(f"damaged: {', '.join(damaged)}", fix=fix)


@dataclass(frozen=True, slots=True)
class RemovedData(Shown):
    """A data set's file that is to be deleted, or was.

    Args:
        name: of the data set.
        path: its file.
        size: bytes of the file.

    """

    name: str
    path: Path
    size: int

    def record(self) -> DataRemoved:
        """Describe the file in plain values."""
        return DataRemoved(name=self.name, path=str(self.path), size=self.size)

    def blocks(self) -> list[Block]:
        """Name the file and its size."""
        return text.removed(self.record())


def described(pack: Pack) -> DataSet:
    """Describe a data set that is here."""
    known: dict[str, Any] = {**asdict(pack), "path": str(pack.path), "created": moment(pack.created),
                             "offsets": dict(pack.offsets)}  # fmt: skip
    del known["raw_columns"]
    return DataSet(**known, here=True)


def import_data(
    name: str,
    path: Path,
    report: Callable[[str, float | None], None],
    *,
    label: str | None = None,
    test: Path | None = None,
    test_fraction: float | None = None,
    image_size: int | None = None,
    drop: Sequence[str] = (),
    max_categories: int | None = None,
    reading: Reading | None = None,
    force: bool = False,
) -> Imported:
    """Import images or a table, told by their content.

    Args:
        name: the name that recipes use; a known name stands for the imported data from then on.
        path: a folder or archive of images, or a table.
        report: called with a text and the share that is done, in [0, 1], or None for a single message.
        label: name of the column to predict; tables only.
        test: file of the test rows; tables only.
        test_fraction: share held out for the test if there is no test split; None is 0.2.
        image_size: width and height that images are cropped and scaled to, in pixels.
        drop: names of columns to leave out; tables only.
        max_categories: categories to keep of each text column, the most frequent ones; None keeps all.
        reading: what is known of a table's file, and what its label is.
        force: whether to replace an existing data set of this name.

    Raises:
        DataError: a data set of this name exists already, or the data are unfit.
        InputError: an argument has no effect on such data, or one is missing.
        PlaceError: a file cannot be read or written.

    """
    require_new(name, force=force)
    return Imported(
        _imported(
            kind_of(path), name, path, report, label=label, test=test, test_fraction=test_fraction, size=image_size,
            drop=tuple(drop), max_categories=max_categories, reading=reading or Reading(),
        )
    )  # fmt: skip


def require_new(name: str, *, force: bool) -> None:
    """See that an import may have this name.

    Raises:
        DataError: it is an import path, or that of a data set that is here, unless that may be replaced.

    """
    if is_own(name):
        fix = "Give it a name of letters, digits, '_', '-' and '.'."
        raise DataError(f"{name!r} is an import path, which cannot name an import", fix=fix)
    if not force and (existing := packed.find(name)) is not None:
        said = f"{text.described(described(existing))}, {existing.source}"
        raise DataError(f"{name} exists already: {said}", fix="--force replaces it.")


def _imported(kind: Kind, name: str, path: Path, report: Report, *, reading: Reading, **how: Any) -> Pack:
    """Import by the kind of data; `how` are arguments of `import_data`."""
    of_tables = {f"--{option}": value is not None and value != () for option, value in asdict(reading).items()}
    of_tables |= {"--drop": how["drop"], "--max-categories": how["max_categories"]}
    without = {
        "images": {"--label": how["label"], "--test": how["test"], **of_tables},
        "arrays": {"--label": how["label"], "--test": how["test"], "--size": how["size"]},
        "dataset": {"--test": how["test"]},
        "coco": {"--label": how["label"], **{each: of_tables[each] for each in of_tables if each != "--task"}},
        "table": {},
    }
    for option, value in without[kind].items():
        if value:
            raise InputError(f"has no effect on {NAMES[kind]}", where=option)
    if kind == "images":
        from study.data.images import import_images  # noqa: PLC0415 - Pillow

        return import_images(name, path, report, size=how["size"], test_fraction=how["test_fraction"])
    if kind == "arrays":
        from study.data.arrays import import_arrays  # noqa: PLC0415 - pandas

        return import_arrays(name, path, report, test_fraction=how["test_fraction"], reading=reading)
    if kind == "dataset":
        from study.data.huggingface import import_dataset  # noqa: PLC0415 - pyarrow

        return import_dataset(
            name, path, report, reading=reading, **{each: how[each] for each in how if each != "test"}
        )
    if kind == "coco":
        from study.data.listed import import_coco  # noqa: PLC0415 - pandas

        given = {each: how[each] for each in ("test", "size", "test_fraction")}
        return import_coco(name, path, report, reading=reading, **given)
    if how["label"] is None:
        raise InputError("is needed for a table", where="--label", fix="Name the column to predict.")
    from study.data.listed import import_listing  # noqa: PLC0415 - pandas

    return import_listing(name, path, report, reading=reading, **how)


def list_data() -> DataSets:
    """List the data sets that are here, damaged ones with what is wrong, then the known ones that are not here yet."""
    here = packed.names()
    return DataSets([*map(_listed, here), *(_to_come(name) for name in KNOWN if name not in here)])


def verify_data(names: Sequence[str] = (), watch: Callable[[Verified], None] | None = None) -> Verification:
    """Read data sets from start to end and compare them with their SHA-256.

    Args:
        names: of data sets; all that are here if empty.
        watch: called with the result of each data set.

    Raises:
        DataError: no such data set is here.

    """
    found: list[Verified] = []
    for name in names or packed.names():
        found.append(_verified(name))
        if watch:
            watch(found[-1])
    return Verification(found)


def remove_data(name: str, ask: Callable[[RemovedData], None] | None = None) -> RemovedData:
    """Delete a data set's file; the original data stay.

    Args:
        name: of the data set.
        ask: called with the file before it is deleted; if it raises, nothing is deleted.

    Raises:
        DataError: no such data set is here.

    """
    path = packed.file_of(name)
    if not path.exists():
        raise _not_here(name)
    found = RemovedData(name, path, path.stat().st_size)
    if ask:
        ask(found)
    packed.remove(name)
    return found


def _listed(name: str) -> DataSet:
    try:
        pack = packed.find(name)
    except StudyError as error:
        return _unknown(name, path=str(packed.file_of(name)), source=error.what, here=True)
    return _unknown(name, path=str(packed.file_of(name)), source="", here=False) if pack is None else described(pack)


def _to_come(name: str) -> DataSet:
    known = KNOWN[name]
    roots = (data_folder(), cache_folder() / "data")
    found = next((root for root in roots if any((root / file).exists() for file in known.files)), None)
    source = f"files in {found}, read when first used" if found else f"not here yet: {TO_COME[known.origin]}"
    return _unknown(name, kind=known.kind, source=source, here=False)


def _importable() -> list[Path]:
    """List what lies in STUDY_DATA that `study data import` would take, beside torchvision's own files."""
    own = {file.partition("/")[0] for known in KNOWN.values() for file in known.files}
    folder = data_folder()
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    suffixes = (".tar", ".tar.gz", ".tar.xz", ".zip", *TABLES)
    return [
        path
        for path in found
        if path.name not in own and ((path / "train").is_dir() if path.is_dir() else path.name.endswith(suffixes))
    ]


def _unknown(name: str, *, source: str, here: bool, path: str | None = None, kind: str | None = None) -> DataSet:
    return DataSet(
        name=name, path=path, kind=kind, classes=None, shape=None, train=None, test=None, sha256=None, source=source,
        imported=None, created=None, size=None, columns=None, validation=None, levels=None, offsets=None, here=here,
        task=None, vocabulary=None, categories=None,
    )  # fmt: skip


def _verified(name: str) -> Verified:
    try:
        pack = packed.find(name)
        if pack is not None:
            return Verified(name=name, whole=packed.verify(pack))
    except DataError as error:
        log.warning("%s", error)
        if packed.file_of(name).exists():
            return Verified(name=name, whole=False, trouble=str(error))
        raise
    raise _not_here(name)


def _not_here(name: str) -> DataError:
    return DataError(
        f"there is no data set {name!r} on this machine", fix=nearest(name, packed.names(), else_say="Here are")
    )
