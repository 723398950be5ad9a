"""`/console` and what it fetches; `/internal/console/*` takes what the command reports."""

from dataclasses import dataclass, field
from html import escape
from typing import Annotated

import orjson
from fastapi import FastAPI, Path, Request
from starlette.responses import RedirectResponse, Response

from salambot.console.charts import Samples, charts
from salambot.console.diagram import diagram
from salambot.console.guard import LocalGuard
from salambot.console.health_snapshot import HealthMonitor
from salambot.console.internal_client import InternalClient
from salambot.console.language import language_of, translator
from salambot.console.page import other_language, page, static
from salambot.console.reports import DoctorReport, ReportStore, SeedSummary, copyable, doctor_findings, seed_progress
from salambot.console.webhook_table import inbox
from salambot.core.health import current_version
from salambot.core.problems import Problem

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_SHOWN = {"limit": "20"}


@dataclass(frozen=True)
class Console:
    """State behind the page. It is queried only while a page is open."""

    tenant: str
    placements: dict[str, str]
    orchestrateur: InternalClient
    rag: InternalClient
    observer: HealthMonitor
    trace_url: str = ""
    board: ReportStore = field(default_factory=ReportStore)
    samples: Samples = field(default_factory=Samples)

    @property
    def trace_command(self) -> str:
        """The command that shows one trace, up to its id."""
        return "salambot trace " if self.placements.get("telemetry") == "local" else "salambot logs --grep "

    async def close(self) -> None:
        """Close the clients."""
        await self.observer.close()

    async def render_fragment(self, name: str, language: str) -> str:
        """Render one fragment of the page."""
        say = translator(language)
        match name:
            case "environment":
                return diagram(await self.observer.snapshot(), self.placements, say)
            case "doctor":
                return doctor_findings(self.board, language, say)
            case "seed":
                return seed_progress(self.board, await self._index(), say)
            case "charts":
                return charts(self.samples, say)
            case _:
                return inbox(await self._webhooks(), self.trace_command, say)

    async def render_page(self, language: str) -> str:
        """Render the page."""
        pieces = {name: await self.render_fragment(name, language) for name in PIECES}
        texts = {
            "lang": language,
            "tenant": self.tenant,
            "version": current_version(),
            "trace_url": escape(self.trace_url, quote=True),
        }
        texts["trace_command"] = self.trace_command
        again = copyable('salambot webhook trigger whatsapp --text "Salam"', translator(language))
        return page(language).substitute(**pieces, **texts, **other_language(language), try_webhook=again)

    def render_preview(self, language: str) -> str:
        """Render the preview of the widget."""
        texts = {"lang": language, "tenant": self.tenant, "version": current_version()}
        return page(language, "preview.html").substitute(**texts, **other_language(language))

    async def _index(self) -> dict[str, object] | None:
        try:
            return await self.rag.ask("/internal/index", query={"tenant": self.tenant})
        except Problem:
            return None

    async def _webhooks(self) -> list[dict[str, object]]:
        try:
            found = await self.orchestrateur.ask("/internal/webhooks", query={"tenant": self.tenant, **_SHOWN})
        except Problem:
            return []
        return list(found.get("webhooks", []))


PIECES = ("environment", "doctor", "webhooks", "seed", "charts")


def add_console(app: FastAPI, console: Console, guard: LocalGuard) -> None:
    """Add the routes of the console."""

    @app.get("/", include_in_schema=False)
    async def lead(request: Request) -> Response:
        """Lead a developer to the page."""
        guard.admit(request)
        return RedirectResponse("/console")

    @app.get("/console", include_in_schema=False)
    async def show(request: Request) -> Response:
        """Show the page."""
        guard.admit(request)
        return _html(await console.render_page(language_of(request)))

    @app.get("/console/widget", include_in_schema=False)
    async def preview(request: Request) -> Response:
        """Show the widget as a site's visitors see it."""
        guard.admit(request)
        return _html(console.render_preview(language_of(request)))

    @app.get("/console/static/{name}", include_in_schema=False)
    async def send(request: Request, name: str) -> Response:
        """Send the page's script or style."""
        guard.admit(request)
        content = static(name)
        if content is None:
            raise Problem(404, "not_found", "Not Found.")
        return Response(content, media_type="text/javascript" if name.endswith(".js") else "text/css")

    @app.get("/console/{name}", include_in_schema=False)
    async def piece(request: Request, name: str) -> Response:
        """Render one piece again."""
        guard.require_script(request)
        if name not in PIECES:
            raise Problem(404, "not_found", "Not Found.")
        return _html(await console.render_fragment(name, language_of(request)))

    @app.post("/console/webhooks/{identity}/replay", include_in_schema=False)
    async def replay(request: Request, identity: Annotated[str, Path(max_length=64)]) -> Response:
        """Replay one message."""
        guard.require_script(request)
        wanted = {"tenant": console.tenant, "ids": [identity], "failed": False}
        done = await console.orchestrateur.ask("/internal/webhooks/replay", body=wanted)
        return Response(orjson.dumps(done), media_type="application/json")

    _add_reports(app, console)


def _add_reports(app: FastAPI, console: Console) -> None:
    """Add the routes where the command reports."""

    @app.post("/internal/console/doctor", include_in_schema=False)
    async def doctor_told(report: DoctorReport) -> Response:
        """Store a doctor report."""
        console.board.put(report)
        return Response(status_code=204)

    @app.post("/internal/console/seed", include_in_schema=False)
    async def seed_told(report: SeedSummary) -> Response:
        """Store the progress of a seed."""
        console.board.put(report)
        return Response(status_code=204)


def _html(text: str) -> Response:
    return Response(text, headers={"Content-Security-Policy": _POLICY}, media_type="text/html")
