"""`/console` and what it fetches; `/internal/console/*` takes what the command reports."""

import re
from html import escape
from typing import Annotated

import orjson
from fastapi import FastAPI, Path, Request
from starlette.responses import RedirectResponse, Response

from salambot.console.guard import OWN_HEADER, LocalGuard
from salambot.console.language import COOKIE, LANGUAGES, language_of, translator
from salambot.console.page import direction, language_links, page, static
from salambot.console.reports import DoctorReport, SeedSummary
from salambot.console.state import Asked, Console
from salambot.console.views import VIEWS, render_first, render_fragment, render_view
from salambot.core.health import current_version
from salambot.core.problems import Problem

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_IDENTITY = re.compile("[0-9a-f]{8,32}")
Name = Annotated[str, Path(max_length=64)]


def add_console(app: FastAPI, console: Console, guard: LocalGuard) -> None:
    """Add the routes of the console."""

    @app.get("/", include_in_schema=False)
    async def lead(request: Request) -> Response:
        """Lead a developer to the page."""
        guard.admit(request)
        return RedirectResponse("/console")

    @app.get("/console", include_in_schema=False)
    async def first(request: Request) -> Response:
        """Show the first page."""
        guard.admit(request)
        return _html(await render_first(console, _asked(request)), request)

    @app.get("/console/widget", include_in_schema=False)
    async def preview(request: Request) -> Response:
        """Show the widget as a site's visitors see it."""
        guard.admit(request)
        return _html(_render_preview(console, language_of(request)), request)

    @app.get("/console/static/{name}", include_in_schema=False)
    async def send(request: Request, name: str) -> Response:
        """Send the page's script or style."""
        guard.admit(request)
        content = static(name)
        if content is None:
            raise Problem(404, "not_found", "Not Found.")
        return Response(content, media_type="text/javascript" if name.endswith(".js") else "text/css")

    @app.get("/console/{name}", include_in_schema=False)
    async def view(request: Request, name: Name) -> Response:
        """Show a view, or to the page's script its live part alone."""
        return await _show(console, guard, request, name)

    @app.get("/console/{name}/{identity}", include_in_schema=False)
    async def item(request: Request, name: Name, identity: Name) -> Response:
        """Show one item of a view."""
        return await _show(console, guard, request, name, identity)

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


async def _show(console: Console, guard: LocalGuard, request: Request, name: str, identity: str = "") -> Response:
    guard.admit(request)
    if name not in VIEWS or (identity and not (VIEWS[name].item and _IDENTITY.fullmatch(identity))):
        raise Problem(404, "not_found", "Not Found.")
    asked = _asked(request, identity)
    if request.headers.get(OWN_HEADER) == "1":
        return _html(await render_fragment(console, name, asked), request)
    return _html(await render_view(console, name, asked), request)


def _asked(request: Request, identity: str = "") -> Asked:
    query = {name: value for name, value in request.query_params.items() if name != "lang"}
    return Asked(language_of(request), query, identity)


def _render_preview(console: Console, language: str) -> str:
    say = translator(language)
    return page(language, "preview.html").substitute(
        lang=language,
        direction=direction(language),
        languages=language_links(language),
        tenant=console.tenant,
        version=current_version(),
        title=escape(say("Preview of the widget")),
    )


def _html(text: str, request: Request) -> Response:
    response = Response(text, headers={"Content-Security-Policy": _POLICY}, media_type="text/html")
    if (chosen := request.query_params.get("lang")) in LANGUAGES:
        response.set_cookie(COOKIE, str(chosen), path="/console", httponly=True, samesite="strict")
    return response
