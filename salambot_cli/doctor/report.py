"""The outcome of a run, and its JSON document."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

from salambot_cli.doctor.graph import root_causes
from salambot_cli.doctor.probe import Probe
from salambot_cli.model.environment import Ignore
from salambot_cli.model.finding import Finding


@dataclass(frozen=True, slots=True)
class Report:
    """The findings of a run. `probes` are the ones that ran, in the order of printing."""

    findings: tuple[Finding, ...]
    probes: tuple[Probe, ...]
    duration_ms: int
    ignored: tuple[Ignore, ...] = ()
    strict: bool = False

    @property
    def root_causes(self) -> tuple[str, ...]:
        """Ids of the failures that no other explains, the worst first."""
        return root_causes(self.findings, frozenset(p.id for p in self.probes if not p.competes))

    @property
    def roots(self) -> tuple[Finding, ...]:
        """The findings behind the root causes, in their order."""
        ids = self.root_causes
        failed = [f for f in self.findings if f.status == "fail" and f.caused_by is None]
        return tuple(sorted(failed, key=lambda f: ids.index(f.id)))

    @property
    def status(self) -> Literal["ok", "warn", "fail"]:
        """`fail` while there is a root cause, `warn` while there is anything worth a look."""
        if self.root_causes:
            return "fail"
        return "warn" if any(f.status == "warn" for f in self.findings) else "ok"

    def as_json(self) -> dict[str, object]:
        """Return the document of the contract (`docs/doctor.md`)."""
        return {
            "schema_version": "1.0",
            "status": self.status,
            "root_causes": list(self.root_causes),
            "findings": [finding_json(finding) for finding in self.findings],
            "ignored": [{"id": entry.id, "reason": entry.reason, "until": entry.until} for entry in self.ignored],
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "duration_ms": self.duration_ms,
        }


def finding_json(finding: Finding) -> dict[str, object]:
    """Return one finding as the contract shows it."""
    remedy: Mapping[str, object] | None = None
    if finding.remedy is not None:
        remedy = {"text": finding.remedy.text, "commands": list(finding.remedy.commands), "safe": finding.remedy.safe}
    return {
        "id": finding.id,
        "check": finding.check,
        "status": finding.status,
        "severity": finding.severity,
        "title": finding.title,
        "evidence": dict(finding.evidence),
        "caused_by": finding.caused_by,
        "remedy": remedy,
        "duration_ms": finding.duration_ms,
    }


def valid_ignores(entries: Sequence[Ignore], today: date) -> tuple[Ignore, ...]:
    """Return the entries that have not ended. `until` is the last day they hold."""
    return tuple(e for e in entries if e.until is None or date.fromisoformat(e.until) >= today)
