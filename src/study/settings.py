"""Where results, databases, cache and data are kept; a flag overrides the environment, which overrides the default."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from study.errors import InputError

SQLITE = "sqlite:///"
# A password may have an @, a : or a / in it that nobody has escaped.
SERVER = re.compile(
    r"(?P<scheme>(?!sqlite)[A-Za-z][\w+.-]*)://(?:(?P<user>[^:/@]*)(?::(?P<password>.*?))?@)?"
    r"(?P<host>[^/?@]*)(?P<rest>(?:/[^?@]*)?(?:\?.*)?)"
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Where one run keeps its results and databases.

    Args:
        home: folder of all results; trial folders are in `home/studies/NAME/trials/`.
        storage: SQLAlchemy URL of Optuna's database.
        tracking_uri: MLflow's tracking URI.

    """

    home: Path
    storage: str
    tracking_uri: str

    @property
    def artifacts(self) -> Path:
        """Folder of MLflow's artifacts when its database is the default one."""
        return self.home / "artifacts"

    def study_folder(self, name: str) -> Path:
        """Folder of all results of the study `name`."""
        return study_folder(self.home, name)


def studies_folder(home: Path) -> Path:
    """Folder that has a folder for each study."""
    return home / "studies"


def study_folder(home: Path, name: str) -> Path:
    """Folder of all results of the study `name`."""
    return studies_folder(home) / name


def resolve(home: str | Path | None = None, storage: str | None = None, tracking_uri: str | None = None) -> Settings:
    """Resolve each setting: the argument, else `STUDY_*`, else Optuna's or MLflow's variable, else under `mlruns/`.

    Raises:
        InputError: a URL whose port is no number.

    """
    root = Path(home or os.environ.get("STUDY_HOME") or "mlruns").expanduser().absolute()
    storage = storage or os.environ.get("STUDY_STORAGE") or os.environ.get("OPTUNA_STORAGE")
    tracking = tracking_uri or os.environ.get("STUDY_TRACKING_URI") or os.environ.get("MLFLOW_TRACKING_URI")
    return Settings(
        home=root,
        storage=checked_url(storage, "--storage") if storage else sqlite_url(root / "optuna.db"),
        tracking_uri=checked_url(tracking, "--tracking-uri") if tracking else sqlite_url(root / "mlflow.db"),
    )


def sqlite_url(file: Path) -> str:
    """Give the SQLAlchemy URL of a SQLite file; `?`, `#` and `%` in its path are no signs of the URL."""
    return SQLITE + re.sub(r"[?#%]", lambda sign: f"%{ord(sign[0]):02X}", str(file))


def sqlite_file(url: str) -> Path | None:
    """Find the file of a SQLite URL; None for other databases, for one in memory and for URLs with options."""
    if not re.fullmatch(rf"{SQLITE}(?!file:|:memory:)[^?]+", url):
        return None
    return Path(unquote(url.removeprefix(SQLITE)))


def checked_url(url: str, option: str) -> str:
    """Check a server's URL; `@`, `:` and `/` in its password are escaped, as they have to be.

    Raises:
        InputError: the port is no number; the message shows no part of the password.

    """
    if not (match := SERVER.fullmatch(url)):
        return url
    scheme, user, password, host, rest = match.groups()
    _, colon, port = host.rpartition("]")[2].rpartition(":")
    if colon and not re.fullmatch(r"[0-9]{1,5}", port):
        shown = url.replace(f":{password}@", ":***@", 1) if password else url
        what = f"{shown} has the port {port!r}, which is no number"
        raise InputError(what, where=option, fix="Write it as postgresql://USER:PASSWORD@HOST:5432/DATABASE.")
    if password is None:
        return url
    return f"{scheme}://{user}:{quote(unquote(password), safe='')}@{host}{rest}"


def cache_folder() -> Path:
    """Folder of files that can be made again: `STUDY_CACHE`, else `XDG_CACHE_HOME/study`, else `~/.cache/study`."""
    if folder := os.environ.get("STUDY_CACHE"):
        return Path(folder).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser().absolute() / "study"


def data_folder() -> Path:
    """Folder in which torchvision keeps its data sets: `STUDY_DATA`, else `data` in the cache folder."""
    folder = os.environ.get("STUDY_DATA")
    return Path(folder).expanduser().absolute() if folder else cache_folder() / "data"
