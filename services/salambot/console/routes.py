"""`/console` and what it fetches; `/internal/console/*` takes what the command reports."""

from dataclasses import dataclass, field
from html import escape
from typing import Annotated

import orjson
from fastapi import FastAPI, Path, Request
from starlette.responses import Response

from salambot.console.charts import Samples, charts
from salambot.console.diagram import diagram
from salambot.console.guard import Guard
from salambot.console.inbox import inbox
from salambot.console.language import language_of, speaker
from salambot.console.neighbours import Neighbour
from salambot.console.observation import Observer
from salambot.console.page import other, page, static
from salambot.console.reports import Board, DoctorReport, SeedReport, copyable, doctor_findings, seed_progress
from salambot.health import current_version
from salambot.problems import Problem

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_SHOWN = {"limit": "20"}


@dataclass(frozen=True)
class Console:
    """What the page shows, asked when somebody looks."""

    tenant: str
    placements: dict[str, str]
    orchestrateur: Neighbour
    rag: Neighbour
    observer: Observer
    trace_url: str = ""
    board: Board = field(default_factory=Board)
    samples: Samples = field(default_factory=Samples)

    @property
    def trace_command(self) -> str:
        """The command that shows one trace, up to its id."""
        return "salambot trace " if self.placements.get("telemetry") == "local" else "salambot logs --grep "

    async def close(self) -> None:
        """Close what was opened to look."""
        await self.observer.close()

    async def piece(self, name: str, language: str) -> str:
        """Render one piece of the page."""
        say = speaker(language)
        match name:
            case "environment":
                return diagram(await self.observer.look(), self.placements, say)
            case "doctor":
                return doctor_findings(self.board, language, say)
            case "seed":
                return seed_progress(self.board, await self._index(), say)
            case "charts":
                return charts(self.samples, say)
            case _:
                return inbox(await self._webhooks(), self.trace_command, say)

    async def whole(self, language: str) -> str:
        """Render the page."""
        pieces = {name: await self.piece(name, language) for name in PIECES}
        texts = {
            "lang": language,
            "tenant": self.tenant,
            "version": current_version(),
            "trace_url": escape(self.trace_url, quote=True),
        }
        texts["trace_command"] = self.trace_command
        again = copyable('salambot webhook trigger whatsapp --text "Salam"', speaker(language))
        return page(language).substitute(**pieces, **texts, **other(language), try_webhook=again)

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


def add_console(app: FastAPI, console: Console, guard: Guard) -> None:
    """Add the routes of the console."""

    @app.get("/console", include_in_schema=False)
    async def show(request: Request) -> Response:
        """Show the page."""
        guard.admit(request)
        return _html(await console.whole(language_of(request)))

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
        guard.admit_change(request)
        if name not in PIECES:
            raise Problem(404, "not_found", "Not Found.")
        return _html(await console.piece(name, language_of(request)))

    @app.post("/console/webhooks/{identity}/replay", include_in_schema=False)
    async def replay(request: Request, identity: Annotated[str, Path(max_length=64)]) -> Response:
        """Do one message once more."""
        guard.admit_change(request)
        wanted = {"tenant": console.tenant, "ids": [identity], "failed": False}
        done = await console.orchestrateur.ask("/internal/webhooks/replay", body=wanted)
        return Response(orjson.dumps(done), media_type="application/json")

    @app.post("/internal/console/doctor", include_in_schema=False)
    async def doctor_told(report: DoctorReport) -> Response:
        """Take the doctor's report."""
        console.board.told(report)
        return Response(status_code=204)

    @app.post("/internal/console/seed", include_in_schema=False)
    async def seed_told(report: SeedReport) -> Response:
        """Take how a seed goes."""
        console.board.told(report)
        return Response(status_code=204)


def _html(text: str) -> Response:
    return Response(text, headers={"Content-Security-Policy": _POLICY}, media_type="text/html")
