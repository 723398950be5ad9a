"""The errors that people read: what happened, why (the evidence), and the command that fixes it."""

from enum import IntEnum


class ExitStatus(IntEnum):
    """The exit statuses of every command, as scripts rely on them."""

    DONE = 0
    NO = 1
    USAGE = 2
    PREREQUISITE = 3
    DOCTOR_BROKEN = 4
    INTERRUPTED = 130


class SalamBotError(Exception):
    """One line that says what, one that says why with the evidence, one with the command that fixes it."""

    status = ExitStatus.NO

    def __init__(self, what: str, why: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.fix = fix


class ConfigurationError(SalamBotError):
    """The configuration or the command line is wrong."""

    status = ExitStatus.USAGE


class PrerequisiteError(SalamBotError):
    """Something that this machine or account must have is missing."""

    status = ExitStatus.PREREQUISITE


class DoctorError(SalamBotError):
    """The doctor itself could not run."""

    status = ExitStatus.DOCTOR_BROKEN


class Interrupted(SalamBotError):  # noqa: N818 - it is how a run ends, not what went wrong
    """A person or a signal stopped this run."""

    status = ExitStatus.INTERRUPTED
