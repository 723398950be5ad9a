"""What `up` is going to do, and what became of it: steps with their outcome."""

from dataclasses import dataclass
from typing import Literal

StepStatus = Literal["planned", "done", "unchanged", "skipped", "failed", "undone"]


@dataclass(frozen=True, slots=True)
class StepResult:
    """One line of `steps` in the document of `salambot up --json`."""

    id: str
    status: StepStatus
    duration_ms: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step of the dry run: its id, what it does, and what it waits for."""

    id: str
    title: str
    needs: tuple[str, ...]
