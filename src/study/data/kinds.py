"""What lies at a path, told by its content and not by its name."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path
from typing import Literal

from study.data.archives import ZIP_DAMAGE
from study.data.dialects import MARKS, OPENERS
from study.errors import DataError

Kind = Literal["images", "table", "arrays", "dataset", "coco"]
NAMES = {
    "images": "images", "table": "a table", "arrays": "arrays", "dataset": "a dataset of Hugging Face",
    "coco": "a list of images in COCO's format",
}  # fmt: skip
START = 2**16  # bytes that tell
COLUMNAR = (".parquet", ".arrow")  # files of a dataset of Hugging Face
OTHERS = {
    b"\x93NUMPY": ("one NumPy array", "Save examples and labels together: numpy.savez('data.npz', x=x, y=y)."),
    b"\x89HDF\r\n": ("an HDF5 file", "Save its arrays with numpy.savez('data.npz', x=x, y=y)."),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "Save the sheet as a .csv file."),
    b"SQLite format 3": ("an SQLite database", "Export the table as a .csv file."),
    b"\x80": ("a pickle, which could run any program", "Save a table as .parquet, arrays as .npz."),
    b"%PDF": ("a PDF file", "Give images, or a table."),
    b"7z\xbc\xaf": ("a 7z archive", "Pack it as a .zip or .tar."),
    b"Rar!": ("a RAR archive", "Pack it as a .zip or .tar."),
}


def kind_of(path: Path) -> Kind:
    """Tell how a path is imported.

    Raises:
        DataError: it is not there, or of a kind that is not read; says of which.

    """
    if path.is_dir():
        return "dataset" if _is_dataset(path) else "images"
    try:
        with path.open("rb") as file:
            start = file.read(START)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from error
    for magic, (what, fix) in OTHERS.items():
        if start.startswith(magic):
            raise DataError(f"is {what}, which is not read", where=str(path), fix=fix)
    if start.startswith(b"PK"):
        return _kind_of_zip(path)
    if start.startswith((b"PAR1", b"ARROW1")):
        return "table"
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return "coco"
    return "images" if _is_tar(path) else _kind_of_text(path, start)


def _is_dataset(folder: Path) -> bool:
    """Tell whether a folder, or folders below it, holds a data set in Parquet or Arrow files."""
    return any(found.suffix.lower() in COLUMNAR for found in folder.rglob("*") if found.is_file())


def _kind_of_zip(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except ZIP_DAMAGE:
        return "images"  # where the archive's reader says what is wrong
    if any(name.startswith("xl/") for name in names):
        raise DataError(
            "is an Excel workbook, which is not read", where=str(path), fix="Save the sheet as a .csv file."
        )
    return "arrays" if names and all(name.endswith(".npy") for name in names) else "images"


def _is_tar(path: Path) -> bool:
    try:
        return tarfile.is_tarfile(path)
    except (OSError, EOFError):
        return False


def _kind_of_text(path: Path, start: bytes) -> Kind:
    """Take text for a table, compressed or not; leave what is cut short or unknown to the reader of archives."""
    name = path.name.lower()
    if start.startswith(tuple(OPENERS)):
        return "images" if ".tar" in name or name.endswith((".tgz", ".txz", ".tbz2")) else "table"
    if start.startswith(tuple(MARKS)) or (start and b"\0" not in start):
        return "table"
    return "table" if Path(name).suffix in {".csv", ".tsv", ".txt", ".data"} else "images"
