"""The shape of a catalogue entry."""

from dataclasses import dataclass

from salambot_cli.model.finding import Severity


@dataclass(frozen=True, slots=True)
class Entry:
    """One fault: how it shows, what tells it from its look-alikes, how it is fixed (with an example command)."""

    id: str
    severity: Severity
    symptom: str
    told_by: str
    remedy: str
    example: str = ""
