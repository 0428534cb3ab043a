"""Every error that a user can cause or fix; each says what happened, where, and what to do.

StudyError                exit 1  the work could not be finished
├── Interrupted           exit 130  stopped by Ctrl-C, everything saved; 143 by SIGTERM, 129 by SIGHUP
│   └── AllowanceUsed     exit 75  a server's quota of trials is used up, everything saved
├── Undecided             exit 3  there are too few examples to tell
├── Damaged               exit 1  a file of ours is not as it was written
└── InputError            exit 2  something given is wrong; nothing was written
    ├── RecipeError               a knob, its value or their combination
    ├── StudyFileError            a study that cannot be found, read or used
    ├── DefinitionChanged         the stored study is no longer the one in the file
    ├── StudyLocked               another process runs this study
    ├── DataError                 a data set that is unknown, cut short or unfit
    │   └── DataMissing               a known data set that is neither on disk nor downloadable
    ├── DeviceError               a device that this machine does not have
    └── PlaceError                a folder, disk, database or cluster that cannot be used; to a server exit 69
"""

from __future__ import annotations

UNAVAILABLE = 69  # sysexits.h: EX_UNAVAILABLE, of a PlaceError in a command that a server has started
ENDS = (".", "?", "!", "…", ":", ".)")  # of a sentence


class StudyError(Exception):
    """An error that prints as one line: what happened, where, and what to do about it."""

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        """Store the three parts separately, so that the command line can format them."""
        self.what, self.where, self.fix = what, where, fix
        super().__init__(str(self))

    def __str__(self) -> str:
        """Write `where: what. fix`, without the empty parts."""
        line = f"{self.where}: {self.what}" if self.where else self.what
        return sentences(line, self.fix) if self.fix else line

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the parts when the error is pickled for another process."""
        return _rebuild, (type(self), self.what, self.where, self.fix)


class Interrupted(StudyError):
    """Ctrl-C, SIGTERM or SIGHUP: running trials are saved; the same command resumes them."""

    exit_code = 130

    def by(self, number: int) -> Interrupted:
        """Say which signal it was; gives the error itself."""
        self.exit_code = 128 + number
        return self


class AllowanceUsed(Interrupted):
    """As many trials are finished as a server allows for now; the same command goes on."""

    exit_code = 75  # sysexits.h: EX_TEMPFAIL


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP, which ends the program at once, as Ctrl-C does."""

    def __init__(self, number: int) -> None:
        """Keep the exit code that shells give for the signal."""
        super().__init__()
        self.exit_code = 128 + number


class Undecided(StudyError):
    """There are too few examples to tell; nothing was changed."""

    exit_code = 3


class Damaged(StudyError):
    """A file of ours is not as it was written: its checksum does not match."""


class InputError(StudyError):
    """Something given is wrong; nothing was written and nothing is lost."""

    exit_code = 2


class RecipeError(InputError):
    """A knob that does not exist, a value out of range, or knobs that do not go together."""


class StudyFileError(InputError):
    """A study that cannot be found, read or used."""


class DefinitionChanged(InputError):
    """The stored study and the requested study differ; the message lists the differences."""


class StudyLocked(InputError):
    """Another process is running this study."""


class DataError(InputError):
    """A data set that is unknown, cut short or unfit for the recipe."""


class DataMissing(DataError):
    """A known data set that is neither on disk nor downloadable; the study's fallback, if any, can replace it."""


class DeviceError(InputError):
    """A device that this machine does not have."""


class PlaceError(InputError):
    """A folder, disk, database or cluster that cannot be used, now at least."""


def sentences(*parts: str) -> str:
    """Join sentences, each ended by one full stop unless it ends in a mark of its own; empty parts are left out.

    >>> sentences("which study?", "`study list` shows them."), sentences("no trial 7", "")
    ('which study? `study list` shows them.', 'no trial 7.')

    """
    return " ".join(part if part.endswith(ENDS) else f"{part}." for part in parts if part)


def _rebuild(kind: type[StudyError], what: str, where: str, fix: str) -> StudyError:
    return kind(what, where=where, fix=fix)
