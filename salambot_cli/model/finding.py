"""Findings of the doctor, with their evidence and the remedy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

FindingStatus = Literal["ok", "warn", "fail", "skipped", "unknown"]
Severity = Literal["critical", "high", "medium", "low"]
Facts = dict[str, str | int | float | bool | list[str] | None]
Evidence = Mapping[str, str | int | float | bool | list[str] | None]


@dataclass(frozen=True, slots=True)
class Remedy:
    """How to fix it: a sentence, and commands with the environment's own names and numbers."""

    text: str
    commands: tuple[str, ...] = ()
    safe: bool = False
    """`doctor --fix` may run these commands, once the owner has said yes."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One observation. `id` is of the catalogue; `check` is the probe that made it."""

    id: str
    check: str
    status: FindingStatus
    title: str
    evidence: Evidence = field(default_factory=dict)
    remedy: Remedy | None = None
    caused_by: str | None = None
    severity: Severity = "high"
    duration_ms: int = 0
