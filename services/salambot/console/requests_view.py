"""The last requests, and one of them as a waterfall through the services."""

from collections.abc import Sequence
from html import escape

from salambot.console.html import clock_of_ns, row, search_form, table
from salambot.console.logs_view import log_table
from salambot.console.reports import copyable
from salambot.console.state import Asked, Console, Row, words
from salambot_contracts.traces import Span, by_start, span_facts, span_time, spans_in_order, summarize_traces

_MAX_SHOWN = 100
_WIDTH = 240
_DEEPEST = 6
_TINTS = 5
_SHORT_ID, _WHOLE_ID = 12, 32


async def requests(console: Console, asked: Asked) -> str:
    """Return the list of the last requests."""
    say = asked.say
    if not console.keeps_telemetry:
        return not_kept(asked)
    traces = summarize_traces(await console.telemetry("traces", limit="4000"))
    sought = asked.get("q").lower()
    shown = [trace for trace in traces if sought in _said(trace) and not _is_own(trace)][:_MAX_SHOWN]
    if not shown:
        return f"<p>{escape(say('Nothing came yet. Try:'))}</p>{copyable('salambot chat Bonjour', say)}"
    heads = (say("time"), say("request"), say("status"), "ms", say("steps"), say("trace"))
    return table(say("Requests"), heads, map(_request, shown))


def requests_form(asked: Asked) -> str:
    """Return the form above the list."""
    return search_form("", asked.get("q"), asked.say)


def not_kept(asked: Asked) -> str:
    """Return why there is nothing to see, and what changes that."""
    say = asked.say
    why = say('Traces and logs are kept for the console with telemetry = "local" in [placement] of salambot.toml.')
    return f"<p>{escape(why)}</p>{copyable('salambot up', say)}"


async def request(console: Console, asked: Asked) -> str:
    """Return one request: its waterfall, and what the services logged meanwhile."""
    if not console.keeps_telemetry:
        return not_kept(asked)
    spans = await _spans(console, asked.identity)
    if not spans:
        return f"<p>{escape(asked.say('This trace is not kept here, or not yet.'))}</p>"
    trace_id = str(spans[0]["trace_id"])
    logs = await console.telemetry("logs", trace_id=trace_id, limit="500")
    shown = copyable(f"salambot trace {trace_id}", asked.say) + waterfall(by_start(spans), asked)
    heading = f"<h3>{escape(asked.say('Logs'))}</h3>"
    return shown + heading + (log_table(logs[::-1], asked) if logs else f"<p>{escape(asked.say('None.'))}</p>")


async def _spans(console: Console, identity: str) -> list[Row]:
    """Return the spans of the newest trace whose id begins so."""
    if len(identity) == _WHOLE_ID:
        return await console.telemetry("traces", trace_id=identity, limit="2000")
    found = [one for one in await console.telemetry("traces", limit="20000") if _id(one).startswith(identity)]
    return [one for one in found if _id(one) == _id(found[0])]


def _id(span: Row) -> str:
    return str(span["trace_id"])


def _is_own(trace: Row) -> bool:
    """Return whether it is what the console itself, or a probe, asked."""
    return trace["service"] != "salambot" and str(trace["route"] or "").startswith(
        ("/console", "/internal/", "/health")
    )


def _said(trace: Row) -> str:
    return f"{trace['trace_id']} {trace['service']} {trace['name']} {trace['route']} {trace['status']}".lower()


def _request(trace: Row) -> str:
    identity = words(trace, "trace_id")
    failed = ' <span class="bad">✗</span>' if trace["failed"] else ""
    what = f"{words(trace, 'service')} {words(trace, 'name')}{failed}"
    link = f'<a href="/console/requests/{identity}">{identity[:_SHORT_ID]}</a>'
    cells = (what, words(trace, "status"), words(trace, "duration_ms"), words(trace, "steps"), link)
    return row((clock_of_ns(trace["started_ns"]), *cells))


def waterfall(spans: Sequence[Span], asked: Asked) -> str:
    """Draw the spans of a trace, each below the one that called it, with a bar where and for how long it ran."""
    say = asked.say
    began = min(span_time(span, "started_ns") for span in spans)
    whole = max(1, max(span_time(span, "ended_ns") for span in spans) - began)
    services = list(dict.fromkeys(str(span["service"]) for span in spans))
    tints = {name: position % _TINTS for position, name in enumerate(services)}
    rows = (_step(span, depth, began, whole, tints[str(span["service"])]) for depth, span in spans_in_order(spans))
    return table(say("Steps"), (say("service"), say("step"), say("when"), "ms", say("facts")), rows)


def _step(span: Span, depth: int, began: int, whole: int, tint: int) -> str:
    service = f'<span class="tint-{tint}">{words(span, "service")}</span>'
    failed = " bad" if span["failed"] else ""
    name = f'<span class="depth-{min(depth, _DEEPEST)}{failed}">{words(span, "name")}</span>'
    took = f"{(span_time(span, 'ended_ns') - span_time(span, 'started_ns')) / 1e6:.1f}"
    return row((service, name, _bar(span, began, whole, tint), took, escape(span_facts(span))))


def _bar(span: Span, began: int, whole: int, tint: int) -> str:
    start = (span_time(span, "started_ns") - began) * _WIDTH / whole
    length = max(2.0, (span_time(span, "ended_ns") - span_time(span, "started_ns")) * _WIDTH / whole)
    bar = f'<rect x="{min(start, _WIDTH - 2):.1f}" y="2" width="{length:.1f}" height="10" class="tint-{tint}"/>'
    return f'<svg class="bar" viewBox="0 0 {_WIDTH} 14" aria-hidden="true">{bar}</svg>'
