"""The report for people: what is fine in one line a group, what is wrong in full, root causes first."""

from collections.abc import Iterable

from salambot_cli.doctor.report import Report
from salambot_cli.model.finding import Finding
from salambot_cli.model.untrusted import visible
from salambot_cli.terminal.i18n import translate

_MARKS = {
    "ok": "[green]✓[/]",
    "warn": "[yellow]![/]",
    "fail": "[red]✗[/]",
    "skipped": "[dim]-[/]",
    "unknown": "[cyan]?[/]",
}


def group_line(group: str, findings: Iterable[Finding]) -> str:
    """Return one line for a group of findings."""
    findings = list(findings)
    worst = next((s for s in ("fail", "warn", "unknown", "skipped") if any(f.status == s for f in findings)), "ok")
    count = len(findings)
    if worst == "ok":
        return f"{_MARKS[worst]} {group:<12} [dim]{translate(_counted(count))}[/]"
    told = "; ".join(dict.fromkeys(_told(f) for f in findings if f.status == worst))
    return f"{_MARKS[worst]} {group:<12} {told}"


def _counted(count: int) -> str:
    return f"{count} checks passed" if count > 1 else "one check passed"


def _told(finding: Finding) -> str:
    from rich.markup import escape

    told = f"waits for {finding.caused_by}" if finding.status == "skipped" else finding.title
    return escape(translate(told))


def _shown(value: object) -> str:
    if isinstance(value, list) and any(" " in str(item) for item in value):
        return "".join(f"\n      {visible(str(item))}" for item in value)
    return " " + visible(", ".join(map(str, value)) if isinstance(value, list) else str(value))


def full(finding: Finding) -> list[str]:
    """Return a finding in full: what, evidence, remedy."""
    from rich.markup import escape

    title, severity = escape(translate(finding.title)), translate(finding.severity)
    lines = [f"{_MARKS[finding.status]} [bold]{title}[/]  [dim]{finding.id} · {severity}[/]"]
    for key, value in finding.evidence.items():
        if value not in (None, "", []):
            lines.append(f"    [dim]{key}:[/]{escape(_shown(value))}")
    if finding.remedy is not None:
        lines.append(f"  → {escape(translate(finding.remedy.text))}")
        lines += [f"    [bold]{escape(command)}[/]" for command in finding.remedy.commands]
    return lines


def summary(report: Report) -> list[str]:
    """Return what follows the groups: root causes, warnings, what was not seen, what to do next."""
    lines: list[str] = []
    for title, status in (("Root causes", "fail"), ("Worth a look", "warn")):
        chosen = report.roots if status == "fail" else [f for f in report.findings if f.status == status]
        if chosen:
            lines += ["", f"[bold]{translate(title)}[/]"]
            for finding in chosen:
                lines += full(finding)
    skipped = sum(f.status == "skipped" for f in report.findings)
    if report.roots and skipped:
        lines += ["", f"[dim]{skipped} checks wait for these: run the doctor again when they are fixed.[/]"]
    if not report.roots:
        lines += ["", f"[green]No root cause found[/] [dim]in {report.duration_ms / 1000:.1f} s[/]"]
    return lines
