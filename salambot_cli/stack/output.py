"""How a run and a stack look: live lines on a terminal, plain lines on a pipe, and the JSON documents."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from salambot_cli.model.plan import Change, StepResult
from salambot_cli.model.unit import Health, ObservedStack, PartStatus
from salambot_cli.terminal.accessible_output import is_plain
from salambot_cli.terminal.i18n import translate
from salambot_cli.terminal.output import Output, localized

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

_MARKS = {"done": "[green]✓[/]", "unchanged": "[dim]=[/]", "skipped": "[dim]-[/]", "failed": "[red]✗[/]"}
_COLOURS: Mapping[Health, str] = {
    "healthy": "green",
    "starting": "yellow",
    "degraded": "yellow",
    "unhealthy": "red",
    "failing": "red",
    "down": "red",
}


class LiveReporter:
    """Shows what runs, for how long, and what is done."""

    def __init__(self, session: Output) -> None:
        self._session = session
        self._console = session.people()
        self._running: dict[str, tuple[str, float]] = {}
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

    def started(self, step_id: str, title: str) -> None:
        """Show the step among those that run."""
        self._running[step_id] = (title, time.monotonic())
        self._session.event("step.started", {"id": step_id})

    def finished(self, step_id: str, title: str, result: StepResult) -> None:
        """Print the line of a step that is over."""
        self._running.pop(step_id, None)
        self._session.event("step.finished", step_document(result))
        if self._session.quiet:
            return
        said = translate(result.detail or ("unchanged" if result.status == "unchanged" else ""))
        detail = f"  [dim]{said}[/]"
        mark = _MARKS.get(result.status, "[red]✗[/]")
        seconds = result.duration_ms / 1000
        line = f" {mark} {translate(title):<40} [dim]{seconds:>5.1f} s[/]{detail}".rstrip()
        self._console.print(localized(line))

    def _waiting(self) -> "RenderableType":
        from rich.spinner import Spinner
        from rich.table import Table

        table = Table.grid(padding=(0, 1))
        for title, began in self._running.values():
            table.add_row(Spinner("dots"), f"{translate(title)}  [dim]{time.monotonic() - began:.0f} s[/]")
        return table


def step_document(result: StepResult) -> dict[str, object]:
    """Return one element of `steps`."""
    document: dict[str, object] = {"id": result.id, "status": result.status, "duration_ms": result.duration_ms}
    return document | ({"detail": result.detail} if result.detail else {})


def change_document(change: Change) -> dict[str, object]:
    """Return one element of `plan` and of `pending`."""
    return {"part": change.part, "action": change.action, "because": change.because}


def services_document(observed: ObservedStack) -> dict[str, object]:
    """Return `services` of `up --json` and `status --json`."""
    return {name: _service(part) for name, part in observed.services.items()}


def components_document(observed: ObservedStack) -> dict[str, object]:
    """Return `components` of `up --json` and `status --json`."""
    return {
        name: {
            "placement": part.placement,
            "health": part.health,
            **({"pid": part.pid} if part.pid is not None else {}),
            **_extra(part),
        }
        for name, part in observed.components.items()
    }


def worker_document(observed: ObservedStack) -> dict[str, object]:
    """Return `worker` of `status --json`; `pending` and `oldest_s` are null where nobody can tell."""
    waiting = observed.waiting
    queue = {"pending": waiting.pending if waiting else None, "oldest_s": waiting.oldest_s if waiting else None}
    return {"health": observed.worker.health, "pid": observed.worker.pid, **queue, **_extra(observed.worker)}


def _service(part: PartStatus) -> dict[str, object]:
    return {"url": part.url, "health": part.health, "pid": part.pid, **_extra(part)}


def _extra(part: PartStatus) -> dict[str, object]:
    extra: dict[str, object] = {}
    if part.since is not None and part.pid is not None:
        extra["uptime_s"] = max(0, round(time.time() - part.since.timestamp()))
    if part.detail:
        extra["detail"] = part.detail
    return extra


def parts_view(observed: ObservedStack) -> "RenderableType":
    """Return services and components at a glance, and what there is to say of each below."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("name", "health", "where", "pid", "up"):
        table.add_column(translate(column), style="dim" if column in {"pid", "up"} else "", no_wrap=True)
    mark = "" if is_plain() else "● "
    parts = (*observed.services.values(), _with_backlog(observed), *observed.components.values())
    for part in parts:
        where = f"[link={part.url}]{part.url}[/link]" if part.url else part.placement or ""
        health = f"[{_COLOURS[part.health]}]{mark}{translate(part.health)}[/]"
        table.add_row(part.name, health, where, str(part.pid or ""), _uptime(part))
    if is_plain():
        table.box = None
    notes = [Text.assemble(f"{part.name:<14} ", (translate(part.detail), "dim")) for part in parts if part.detail]
    return Group(table, *notes)


def _with_backlog(observed: ObservedStack) -> PartStatus:
    worker = observed.worker
    told = observed.waiting is not None and not worker.detail
    return replace(worker, detail=str(observed.waiting)) if told else worker


def _uptime(part: PartStatus) -> str:
    if part.since is None or part.pid is None:
        return ""
    seconds = max(0, int(time.time() - part.since.timestamp()))
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else f"{seconds} s"
