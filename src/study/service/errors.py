"""What the server refuses a person, besides the errors of the commands; app.py gives each its HTTP status."""

from __future__ import annotations

from study.errors import InputError, StudyError


class Forbidden(InputError):
    """The person's role does not allow it."""


class Conflict(InputError):
    """It does not go with what is there already, such as a run that has ended."""


class NoSuch(InputError):
    """Something that was asked for by name, and is not here."""


class Refused(StudyError):
    """A command that the server ran failed or was not begun, though the request was in order."""
