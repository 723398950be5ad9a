"""How a run and a stack look: live lines on a terminal, plain lines on a pipe, and the JSON documents."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from salambot_cli.model.plan import StepResult
from salambot_cli.model.unit import Health, Observed, Part
from salambot_cli.outside.console import Session, told
from salambot_cli.outside.language import translate
from salambot_cli.outside.plain import is_plain
from salambot_cli.steps.base import Step

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.table import Table

_MARKS = {"done": "[green]✓[/]", "unchanged": "[dim]=[/]", "skipped": "[dim]-[/]", "failed": "[red]✗[/]"}
_COLOURS: Mapping[Health, str] = {
    "healthy": "green",
    "starting": "yellow",
    "degraded": "yellow",
    "unhealthy": "red",
    "down": "red",
}


class LiveReporter:
    """Shows what runs, for how long, and what is done."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._console = session.people()
        self._running: dict[str, tuple[Step, float]] = {}
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._session.quiet:
            from rich.live import Live

            self._live = Live(console=self._console, get_renderable=self._waiting, refresh_per_second=8, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def started(self, step: Step) -> None:
        """Show the step among those that run."""
        self._running[step.id] = (step, time.monotonic())
        self._session.event("step.started", {"id": step.id})

    def finished(self, step: Step, result: StepResult) -> None:
        """Print the line of a step that is over."""
        self._running.pop(step.id, None)
        self._session.event("step.finished", step_document(result))
        if self._session.quiet:
            return
        said = translate(result.detail or ("unchanged" if result.status == "unchanged" else ""))
        detail = f"  [dim]{said}[/]"
        mark = _MARKS.get(result.status, "[red]✗[/]")
        seconds = result.duration_ms / 1000
        line = f" {mark} {translate(step.title):<40} [dim]{seconds:>5.1f} s[/]{detail}".rstrip()
        self._console.print(told(line))

    def _waiting(self) -> "RenderableType":
        from rich.spinner import Spinner
        from rich.table import Table

        table = Table.grid(padding=(0, 1))
        for step, began in self._running.values():
            table.add_row(Spinner("dots"), f"{translate(step.title)}  [dim]{time.monotonic() - began:.0f} s[/]")
        return table


def step_document(result: StepResult) -> dict[str, object]:
    """Return one element of `steps`."""
    document: dict[str, object] = {"id": result.id, "status": result.status, "duration_ms": result.duration_ms}
    return document | ({"detail": result.detail} if result.detail else {})


def services_document(observed: Observed) -> dict[str, object]:
    """Return `services` of `up --json` and `status --json`."""
    return {name: _service(part) for name, part in observed.services.items()}


def components_document(observed: Observed) -> dict[str, object]:
    """Return `components` of `up --json` and `status --json`."""
    return {
        name: {"placement": part.placement, "health": part.health, **_extra(part)}
        for name, part in observed.components.items()
    }


def worker_document(observed: Observed) -> dict[str, object]:
    """Return `worker` of `status --json`; `pending` and `oldest_s` are null where nobody can tell."""
    waiting = observed.waiting
    queue = {"pending": waiting.pending if waiting else None, "oldest_s": waiting.oldest_s if waiting else None}
    return {"health": observed.worker.health, "pid": observed.worker.pid, **queue, **_extra(observed.worker)}


def _service(part: Part) -> dict[str, object]:
    return {"url": part.url, "health": part.health, "pid": part.pid, **_extra(part)}


def _extra(part: Part) -> dict[str, object]:
    extra: dict[str, object] = {}
    if part.since is not None and part.pid is not None:
        extra["uptime_s"] = max(0, round(time.time() - part.since.timestamp()))
    if part.detail:
        extra["detail"] = part.detail
    return extra


def parts_table(observed: Observed) -> "Table":
    """Return services and components at a glance."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("name", "health", "where", "pid", "up", ""):
        table.add_column(
            column, style="dim" if column in {"pid", "up", ""} else "", no_wrap=bool(column), overflow="fold"
        )
    mark = "" if is_plain() else "● "
    worker = observed.worker
    if observed.waiting is not None and not worker.detail:
        worker = replace(worker, detail=str(observed.waiting))
    for part in (*observed.services.values(), worker, *observed.components.values()):
        where = f"[link={part.url}]{part.url}[/link]" if part.url else part.placement or ""
        table.add_row(
            part.name,
            f"[{_COLOURS[part.health]}]{mark}{translate(part.health)}[/]",
            where,
            str(part.pid or ""),
            _uptime(part),
            translate(part.detail),
        )
    return table


def _uptime(part: Part) -> str:
    if part.since is None or part.pid is None:
        return ""
    seconds = max(0, int(time.time() - part.since.timestamp()))
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else f"{seconds} s"
