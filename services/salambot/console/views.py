"""The views of the console, each at an address of its own: what they show, and the page around it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from html import escape

from salambot.console.charts import charts
from salambot.console.conversations_view import conversation, conversations, conversations_form
from salambot.console.diagram import diagram
from salambot.console.knowledge_view import index_size, knowledge, knowledge_form
from salambot.console.logs_view import logs, logs_form
from salambot.console.page import direction, language_links, page
from salambot.console.reports import copyable, doctor_findings, seed_progress
from salambot.console.requests_view import not_kept, request, requests, requests_form
from salambot.console.state import Asked, Console
from salambot.console.webhook_table import inbox, webhook
from salambot.core.health import current_version
from salambot.core.problems import Problem

Render = Callable[[Console, Asked], Awaitable[str]]
_SHOWN = "20"


@dataclass(frozen=True, slots=True)
class View:
    """One view: its part that is fetched again, the form above it, and its items, each with an address too."""

    title: str
    live: Render
    form: Callable[[Asked], str] = lambda asked: ""  # noqa: ARG005 - most have none
    item: Render | None = None
    every_ms: int = 2000


async def _environment(console: Console, asked: Asked) -> str:
    return diagram(await console.observer.snapshot(), console.placements, asked.say)


async def _doctor(console: Console, asked: Asked) -> str:
    return doctor_findings(console.board, asked.language, asked.say)


async def _seed(console: Console, asked: Asked) -> str:
    return seed_progress(console.board, await index_size(console), asked.say)


async def _charts(console: Console, asked: Asked) -> str:
    return charts(console.samples, asked.say)


async def _webhooks(console: Console, asked: Asked) -> str:
    entries = await console.rows("/internal/webhooks", "webhooks", {"limit": _SHOWN})
    again = copyable('salambot webhook trigger whatsapp --text "Salam"', asked.say)
    return inbox(entries, console.trace_page, asked.say) + again


async def _logs(console: Console, asked: Asked) -> str:
    return await logs(console, asked) if console.keeps_telemetry else not_kept(asked)


VIEWS = {
    "conversations": View("Conversations", conversations, conversations_form, conversation, 5000),
    "requests": View("Requests", requests, requests_form, request),
    "logs": View("Logs", _logs, logs_form),
    "knowledge": View("Knowledge base", knowledge, knowledge_form, every_ms=10_000),
    "webhooks": View("Last webhooks", _webhooks, item=webhook),
    "environment": View("Environment", _environment),
    "doctor": View("Doctor", _doctor, every_ms=3000),
    "seed": View("Seed", _seed),
    "charts": View("Requests and latency", _charts),
}
"""Name in the address -> view, in the order of the navigation; the last two are parts of the first page alone."""
PARTS = ("environment", "doctor", "webhooks", "seed", "charts")
"""Views that the first page shows beside the conversation."""


def extra_messages() -> tuple[str, ...]:
    """Return the messages that no call of `say` spells out."""
    return tuple(view.title for view in VIEWS.values())


async def render_fragment(console: Console, name: str, asked: Asked) -> str:
    """Render the live part of a view; where a service does not answer, say so, and the page keeps what it had."""
    view = VIEWS[name]
    try:
        return await (view.item if asked.identity and view.item else view.live)(console, asked)
    except Problem as problem:
        if problem.status == 404:
            raise
        return f'<p class="stale error">{escape(problem.detail)}</p>'


async def render_view(console: Console, name: str, asked: Asked) -> str:
    """Render the page of a view."""
    view = VIEWS[name]
    title = asked.say(view.title)
    form = "" if asked.identity else view.form(asked)
    main = f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{escape(title)}</h2>'
    main += f"{form}{await _live(console, name, asked)}</section>"
    return frame(console, name, title, f'<main id="main" class="single">{main}</main>', asked)


async def render_first(console: Console, asked: Asked) -> str:
    """Render the first page: the conversation, and how everything is."""
    parts = {name: await _live(console, name, Asked(asked.language)) for name in PARTS}
    main = page(asked.language, "first.html").substitute(parts)
    return frame(console, "", asked.say("Conversation"), main, asked, "chat.js")


async def _live(console: Console, name: str, asked: Asked) -> str:
    shown = await render_fragment(console, name, asked)
    address = escape(asked.address(name), quote=True)
    return f'<div class="{name}" data-refresh="{address}" data-every="{VIEWS[name].every_ms}">{shown}</div>'


def frame(console: Console, name: str, title: str, main: str, asked: Asked, script: str = "") -> str:
    """Return a whole page around its main part."""
    version = current_version()
    more = f'<script src="/console/static/{script}?v={version}" defer></script>' if script else ""
    return page(asked.language, "frame.html").substitute(
        lang=asked.language,
        direction=direction(asked.language),
        languages=language_links(asked.language),
        title=escape(title),
        tenant=console.tenant,
        version=version,
        trace_page=escape(console.trace_page, quote=True),
        navigation=_navigation(name, asked),
        main=main,
        script=more,
    )


def _navigation(current: str, asked: Asked) -> str:
    say = asked.say
    named = {"": say("Playground"), **{name: say(view.title) for name, view in VIEWS.items()}}
    shown = [name for name in named if name not in {"seed", "charts"}]
    return "".join(
        f'<a href="/console{f"/{name}" if name else ""}"{" aria-current=page" if name == current else ""}>'
        f"{escape(named[name])}</a>"
        for name in shown
    )
