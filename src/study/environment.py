"""What a trial ran with: versions, platform, the git commit of the working folder; and the memory that is free."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from study.formatting import without_password

DISTRIBUTION = "studytune"  # what is installed; the import and the command are `study`
PACKAGES = ("study", "torch", "torchvision", "optuna", "mlflow", "numpy", "scikit-learn", "pandas")


def command() -> str:
    """Return the command line that started this process, for people to read, without the password of a URL."""
    return without_password(" ".join([Path(sys.argv[0]).name, *sys.argv[1:]]))


def versions() -> dict[str, str]:
    """Return the platform and the versions of the packages that affect results, without importing them."""
    found = {"python": platform.python_version(), "platform": platform.platform(), "processor": _processor()}
    for package in PACKAGES:
        try:
            found[package] = version(DISTRIBUTION if package == "study" else package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def git() -> dict[str, Any]:
    """Return the working folder's commit and whether it has uncommitted changes; both None outside a repository."""
    commit = _ask_git("rev-parse", "HEAD")
    return {"commit": commit, "dirty": bool(_ask_git("status", "--porcelain")) if commit else None}


def _ask_git(*words: str) -> str | None:
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, timeout=5, check=True)  # noqa: S603, S607
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 - a file of Linux's, not of ours
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def memory() -> tuple[int, int] | None:
    """Give the bytes of memory that programs can still get, and those in all; None where Linux does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:  # noqa: PTH123 - a file of Linux's, not of ours
            known = dict(line.split(":") for line in file)
        return 1024 * int(known["MemAvailable"].split()[0]), 1024 * int(known["MemTotal"].split()[0])
    except (OSError, KeyError, ValueError):
        return None
