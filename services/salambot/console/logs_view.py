"""Log lines of the services: searched, filtered, and as they come."""

from collections.abc import Iterable
from html import escape

import orjson

from salambot.console.html import choice, clock_of_ns, row, search_form, table
from salambot.console.state import Asked, Console, Row, words

_MAX_SHOWN = 200
_LEVELS = ("debug", "info", "warning", "error", "critical")
_SERVICES = ("gateway", "orchestrateur", "nlu", "rag", "worker")
_SHORT_ID = 8


async def logs(console: Console, asked: Asked) -> str:
    """Return the lines that fit what is sought, the newest first."""
    lines = await console.telemetry("logs", limit="4000")
    shown = [line for line in lines if _fits(line, asked)][:_MAX_SHOWN]
    return log_table(shown, asked) if shown else f"<p>{escape(asked.say('No line fits.'))}</p>"


def logs_form(asked: Asked) -> str:
    """Return the form above the lines."""
    say = asked.say
    every = ("", say("all"))
    levels = [every, *((name, name) for name in _LEVELS)]
    services = [every, *((name, name) for name in _SERVICES)]
    fields = choice("level", say("From level"), levels, asked.get("level"))
    return search_form(fields + choice("service", say("Service"), services, asked.get("service")), asked.get("q"), say)


def _fits(line: Row, asked: Asked) -> bool:
    level, wanted = str(line["level"]), asked.get("level")
    if wanted in _LEVELS and (level not in _LEVELS or _LEVELS.index(level) < _LEVELS.index(wanted)):
        return False
    if asked.get("service") not in {"", line["service"]}:
        return False
    return not asked.get("q") or asked.get("q").lower() in orjson.dumps(line).decode().lower()


def log_table(lines: Iterable[Row], asked: Asked) -> str:
    """Return lines as a table."""
    say = asked.say
    heads = (say("time"), say("level"), say("service"), say("message"), say("trace"))
    return table(say("Logs"), heads, map(_line, lines))


def _line(line: Row) -> str:
    known = orjson.dumps(line["attributes"]).decode()
    said = words(line, "event") + (f' <code class="quiet">{escape(known)}</code>' if known != "{}" else "")
    trace = words(line, "trace_id")
    link = f'<a href="/console/requests/{trace}">{trace[:_SHORT_ID]}</a>' if trace.strip("0") else ""
    level = f'<span class="level {words(line, "level")}">{words(line, "level")}</span>'
    return row((clock_of_ns(line["time_ns"]), level, words(line, "service"), said, link))
