"""The user of the operating system as whom the server's commands run, so that an author's code is not the server's.

A server that runs as root starts every command as that user: runs, what loads models, what reads a study's file, Optuna
dashboard and MLflow. The service's own database is then readable by root alone. The home folder is sticky, so that the
user makes files in it and removes none of the server's.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NotRequired, TypedDict

from study.errors import InputError
from study.settings import Settings, sqlite_file, studies_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

OPTION = "--run-as"
# What a command needs, as far as the user of the system decides it; prints what it lacks.
PROBE = """
import os, sys
try:
    import study
    from study.settings import cache_folder
    os.listdir(".")
    cache_folder().mkdir(parents=True, exist_ok=True)
    lacking = [path for path in [str(cache_folder()), *sys.argv[1:]] if not os.access(path, os.W_OK | os.X_OK)]
    print(f"cannot write into {lacking[0]}" if lacking else "")
except (OSError, ImportError) as error:
    print(error)
"""


class Started(TypedDict):
    """Arguments of `subprocess.Popen` that say in which environment and as whom a command runs."""

    env: dict[str, str]
    user: NotRequired[int]
    group: NotRequired[int]
    extra_groups: NotRequired[list[int]]


@dataclass(frozen=True, slots=True)
class User:
    """A user of the operating system.

    Args:
        name: of the account.
        uid: its number.
        gid: number of its group.
        home: its folder.

    """

    name: str
    uid: int
    gid: int
    home: str

    @classmethod
    def named(cls, name: str) -> User:
        """Find a user by name.

        Raises:
            InputError: there is none, it is root, or this process may not start commands as another user.

        """
        if os.geteuid() != 0:
            fix = "Start it as root, or leave the option out: commands then run as you."
            raise InputError("only root starts commands as another user", where=OPTION, fix=fix)
        try:
            found = pwd.getpwnam(name)
        except KeyError as error:
            raise InputError(f"no user {name!r} on this machine", where=OPTION) from error
        if found.pw_uid == 0:
            raise InputError("root is the user that commands should not be", where=OPTION, fix="Name another one.")
        return cls(name, found.pw_uid, found.pw_gid, found.pw_dir)

    def started(self, environment: dict[str, str]) -> Started:
        """Give the arguments of `subprocess.Popen` by which a command is this user's."""
        groups = os.getgrouplist(self.name, self.gid)
        return {"env": environment, "user": self.uid, "group": self.gid, "extra_groups": groups}

    def variables(self) -> dict[str, str]:
        """Give the variables that say whose command it is."""
        return {"HOME": self.home, "USER": self.name, "LOGNAME": self.name}


@dataclass(frozen=True, slots=True)
class Places(Settings):
    """Where results are, and as whom commands write them; None for the server's own user."""

    user: User | None = None

    @classmethod
    def of(cls, places: Settings, user: User) -> Places:
        """Add a user; nothing is written."""
        return cls(**{each.name: getattr(places, each.name) for each in fields(places)}, user=user)

    def prepare(self) -> None:
        """Give the user the folders that commands write into.

        Raises:
            InputError: a folder or database there is another user's.

        """
        assert self.user is not None
        user = self.user
        for folder in (studies_folder(self.home), self.artifacts):
            folder.mkdir(exist_ok=True)
            if not any(folder.iterdir()):
                os.chown(folder, user.uid, user.gid)
        files = [file for url in (self.storage, self.tracking_uri) if (file := sqlite_file(url)) and file.exists()]
        for path in (studies_folder(self.home), self.artifacts, *files):
            if path.stat().st_uid != user.uid:
                raise InputError(f"is not {user.name}'s", where=str(path), fix=f"`chown -R {user.name}: {path}`.")
        os.chown(self.home, 0, user.gid)
        self.home.chmod(0o1775)


def require_able(user: User, environment: dict[str, str], folders: Sequence[Path]) -> None:
    """Run a command as a user that tries what every command needs.

    Raises:
        InputError: what the user cannot do.

    """
    command = [sys.executable, "-c", PROBE, *map(str, folders)]
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            **user.started(environment),
        )  # fmt: skip
    except OSError as error:
        raise InputError(f"{user.name} cannot run {sys.executable}: {error.strerror}", where=OPTION) from error
    if done.returncode or (said := done.stdout.strip()):
        said = done.stdout.strip() or (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        fix = "Give it what it lacks; STUDY_CACHE names the folder of the cache."
        raise InputError(f"{user.name} cannot run commands: {said}", where=OPTION, fix=fix)


def hide(database: str) -> None:
    """Make a SQLite database readable for the server's own user alone, with the files beside it."""
    file = sqlite_file(database)
    for each in (file, *(file.with_name(file.name + end) for end in ("-wal", "-shm"))) if file else ():
        if each.exists():
            each.chmod(0o600)
