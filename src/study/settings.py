"""Where results, databases, cache and data are kept; a flag overrides the environment, which overrides the default."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


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
    """Resolve each setting: the argument, else `STUDY_*`, else Optuna's or MLflow's variable, else under `mlruns/`."""
    root = Path(home or os.environ.get("STUDY_HOME") or "mlruns").expanduser().absolute()
    storage = storage or os.environ.get("STUDY_STORAGE") or os.environ.get("OPTUNA_STORAGE")
    tracking = tracking_uri or os.environ.get("STUDY_TRACKING_URI") or os.environ.get("MLFLOW_TRACKING_URI")
    return Settings(
        home=root,
        storage=storage or f"sqlite:///{root / 'optuna.db'}",
        tracking_uri=tracking or f"sqlite:///{root / 'mlflow.db'}",
    )


def cache_folder() -> Path:
    """Folder of files that can be made again: `STUDY_CACHE`, else `XDG_CACHE_HOME/study`, else `~/.cache/study`."""
    if folder := os.environ.get("STUDY_CACHE"):
        return Path(folder).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser().absolute() / "study"


def data_folder() -> Path:
    """Folder in which torchvision keeps its data sets: `STUDY_DATA`, else `data` in the cache folder."""
    folder = os.environ.get("STUDY_DATA")
    return Path(folder).expanduser().absolute() if folder else cache_folder() / "data"
