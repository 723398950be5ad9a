"""Reports from the command: the doctor's last run and the progress of a seed. One of each, in memory."""

import time
from collections.abc import Mapping
from html import escape
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from salambot.console.language import Say

Short = Annotated[str, Field(max_length=2000)]
_MARKS = {"ok": "✓", "warn": "!", "fail": "✗", "skipped": "-", "unknown": "?"}
STATUSES = (*_MARKS,)


class _Told(BaseModel):
    model_config = ConfigDict(extra="ignore")


class ReportedRemedy(_Told):
    """The fix for a finding."""

    text: Short = ""
    commands: Annotated[list[Short], Field(max_length=20)] = []


class ReportedFinding(_Told):
    """One finding of the doctor, in words of the languages that the command speaks."""

    id: Short
    check: Short = ""
    status: Literal["ok", "warn", "fail", "skipped", "unknown"]
    title: Short
    severity: Short = ""
    remedy: ReportedRemedy | None = None
    caused_by: Short | None = None
    said: dict[str, Short] = {}
    """`title.fr`, `remedy.fr`: the same in other languages."""


class DoctorReport(_Told):
    """`salambot doctor --json`."""

    status: Short
    complete: bool = True
    root_causes: Annotated[list[Short], Field(max_length=200)] = []
    findings: Annotated[list[ReportedFinding], Field(max_length=400)] = []


class SeedSummary(_Told):
    """Progress of a seed: documents done and in total, or its result."""

    state: Literal["running", "done", "failed"]
    done: int = 0
    total: int = 0
    detail: Short = ""


class ReportStore:
    """The last report of each kind, with its time of arrival."""

    def __init__(self) -> None:
        self.doctor: tuple[float, DoctorReport] | None = None
        self.seed: tuple[float, SeedSummary] | None = None

    def put(self, report: DoctorReport | SeedSummary) -> None:
        """Replace the report of this kind."""
        if isinstance(report, DoctorReport):
            self.doctor = (time.monotonic(), report if report.complete else self._joined(report))
        else:
            self.seed = (time.monotonic(), report)

    def _joined(self, report: DoctorReport) -> DoctorReport:
        """Merge a partial doctor run into the previous report."""
        if self.doctor is None:
            return report
        before, checks = self.doctor[1], {one.check for one in report.findings}
        kept = [one for one in before.findings if one.check not in checks]
        still = {one.id for one in kept}
        roots = [*report.root_causes, *(name for name in before.root_causes if name in still)]
        return DoctorReport(status=report.status, root_causes=roots[:200], findings=[*report.findings, *kept][:400])


def copyable(command: str, say: Say) -> str:
    """Return a command with a button that copies it."""
    text = escape(command, quote=True)
    button = f'<button type="button" data-copy="{text}">{escape(say("Copy"))}</button>'
    return f'<div class="command"><code tabindex="0">{text}</code>{button}</div>'


def doctor_findings(board: ReportStore, language: str, say: Say) -> str:
    """Return the doctor's last findings: what is wrong in full, the rest counted."""
    if board.doctor is None:
        return f"<p>{escape(say('The doctor has not looked yet. Let it:'))}</p>{copyable('salambot doctor', say)}"
    at, report = board.doctor
    wrong = [one for one in report.findings if one.status in {"fail", "warn", "unknown"}]
    counts = [f"{sum(one.status == status for one in report.findings)} {say(status)}" for status in STATUSES]
    ago = say("{seconds} s ago").format(seconds=round(time.monotonic() - at))
    head = f'<p class="quiet">{escape(", ".join(counts))} · {escape(ago)}</p>'
    if not wrong:
        return f'{head}<p class="ok">✓ {escape(say("All is well."))}</p>{copyable("salambot doctor", say)}'
    return head + "".join(_finding(one, one.id in report.root_causes, language, say) for one in wrong)


def _finding(finding: ReportedFinding, root: bool, language: str, say: Say) -> str:
    title = finding.said.get(f"title.{language}", finding.title)
    mark = f'<span class="mark {finding.status}">{_MARKS[finding.status]} {escape(say(finding.status))}</span>'
    cause = f' <b class="root">{escape(say("root cause"))}</b>' if root else ""
    remedy = finding.remedy or ReportedRemedy()
    text = finding.said.get(f"remedy.{language}", remedy.text)
    advice = f"<p>{escape(text)}</p>" if text else ""
    commands = "".join(copyable(command, say) for command in remedy.commands)
    return (
        f'<article class="finding {finding.status}"><h3>{mark} {escape(title)}{cause}</h3>'
        f'<p class="quiet"><code>{escape(finding.id)}</code></p>{advice}{commands}</article>'
    )


def seed_progress(board: ReportStore, index: Mapping[str, object] | None, say: Say) -> str:
    """Return the result of the last seed and the size of the index."""
    held = ""
    if index is not None:
        counted = say("{documents} documents, {chunks} passages in the index").format(
            documents=index.get("documents", 0), chunks=index.get("chunks", 0)
        )
        held = f"<p>{escape(counted)}</p>"
    if board.seed is None:
        return f"{held}{copyable('salambot seed', say)}"
    _, report = board.seed
    states = {"running": say("running"), "done": say("done"), "failed": say("failed")}
    label = escape(f"{say('Seed')}{say(': ')}{states[report.state]} {report.detail}")
    total = max(report.total, 1)
    done = total if report.state == "done" else min(report.done, total)
    bar = f'<progress max="{total}" value="{done}" aria-label="{label}"></progress>'
    counts = f'<p class="quiet">{report.done} / {report.total}</p>' if report.total else ""
    return f'{held}<p data-seed="{report.state}">{label}</p>{bar}{counts}{copyable("salambot seed", say)}'
