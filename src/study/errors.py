"""Every error that a person can cause or mend, each with what, where and what to do.

StudyError                exit 1  the work could not be finished
├── Interrupted           exit 130  stopped by Ctrl-C, everything saved
└── InputError            exit 2  something given is wrong; nothing was written
    ├── RecipeError               a knob, its value or their combination
    ├── StudyFileError            a study that cannot be found, read or used
    ├── DefinitionChanged         the stored study is no longer the one in the file
    ├── StudyLocked               another process runs this study
    ├── DataError                 a data set that is unknown, cut short or unfit
    │   └── DataMissing               a known data set that is neither on disk nor downloadable
    ├── DeviceError               a device that is not there
    └── PlaceError                a folder, disk or database that cannot be used
"""

from __future__ import annotations


class StudyError(Exception):
    """One line for a person: what happened, where, and what to do about it."""

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        """Keep the three parts apart, so that the command line can print them as it likes."""
        self.what, self.where, self.fix = what, where, fix
        super().__init__(str(self))

    def __str__(self) -> str:
        """`where: what. fix` without the parts that are empty."""
        line = f"{self.where}: {self.what}" if self.where else self.what
        return f"{line}. {self.fix}" if self.fix else line

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the parts when the error crosses a process."""
        return _rebuild, (type(self), self.what, self.where, self.fix)


class Interrupted(StudyError):
    """Ctrl-C: what was running is saved and goes on with the same command."""

    exit_code = 130


class InputError(StudyError):
    """Something given is wrong; nothing was written and nothing is lost."""

    exit_code = 2


class RecipeError(InputError):
    """A knob that does not exist, a value out of range, or knobs that do not go together."""


class StudyFileError(InputError):
    """A study that cannot be found, read or used."""


class DefinitionChanged(InputError):
    """The stored study and the study asked for differ; the differences are listed."""


class StudyLocked(InputError):
    """Another process runs this study now."""


class DataError(InputError):
    """A data set that is unknown, cut short or unfit for the recipe."""


class DataMissing(DataError):
    """A known data set that is neither on disk nor downloadable: another may stand in for it."""


class DeviceError(InputError):
    """A device that this machine does not have."""


class PlaceError(InputError):
    """A folder, disk or database that cannot be used."""


def _rebuild(kind: type[StudyError], what: str, where: str, fix: str) -> StudyError:
    return kind(what, where=where, fix=fix)
