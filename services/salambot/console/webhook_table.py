"""The table of recent webhooks with their outcome and a replay button."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import cast

from salambot.console.html import clock, table
from salambot.console.language import Say
from salambot.console.state import Asked, Console, words
from salambot.core.problems import Problem

STATES = {
    "done": "Answered",
    "failed": "Failed",
    "pending": "Waiting",
    "accepted": "Accepted",
    "duplicate": "Duplicate",
    "rejected": "Refused",
    "ignored": "Ignored",
}
"""State of a message -> how people read it."""
_COLUMNS = ("time", "channel", "state", "message", "reply", "trace", "Replay")


def extra_messages() -> tuple[str, ...]:
    """Return the messages that no call of `say` spells out."""
    return (*STATES.values(), *_COLUMNS)


def inbox(entries: Sequence[Mapping[str, object]], trace_page: str, say: Say) -> str:
    """Return the table of webhooks, the newest first; `trace_page` is where a trace is looked at, or empty."""
    if not entries:
        return f"<p>{escape(say('Nothing came yet. Try:'))}</p>"
    rows = (_row(entry, trace_page, say) for entry in entries)
    return table(say("Last webhooks"), [say(name) for name in _COLUMNS], rows)


async def webhook(console: Console, asked: Asked) -> str:
    """Return all that is known of one message."""
    say = asked.say
    entries = await console.rows("/internal/webhooks", "webhooks", {"limit": "500"})
    entry = next((one for one in entries if one["id"] == asked.identity), None)
    if entry is None:
        raise Problem(404, "webhook_unknown", say("There is no such message any more."))
    reply = cast("dict[str, object]", entry.get("reply") or {})
    known = {**entry, "reply": None, **{f"reply.{name}": value for name, value in reply.items()}}
    facts = "".join(
        f'<dt>{escape(name)}</dt><dd dir="auto">{escape(str(value))}</dd>'
        for name, value in known.items()
        if value is not None
    )
    trace = _trace(str(entry.get("trace_id") or ""), console.trace_page)
    return f"<dl>{facts}</dl><p>{say('Trace')} {trace}</p><p>{_replay(asked.identity, say)}</p>"


def _row(entry: Mapping[str, object], trace_page: str, say: Say) -> str:
    state = str(entry.get("state") or entry.get("verdict") or "")
    shown = say(STATES[state]) if state in STATES else state
    reply = cast("dict[str, object]", entry.get("reply") or {})
    identity = words(entry, "id")
    message = str(entry.get("text") or entry.get("cause") or "")
    count = f" ×{entry['count']}" if entry.get("count") not in (None, 1) else ""
    when = clock(str(entry.get("time") or ""))
    link = f'<a href="/console/webhooks/{identity}">{when}</a>' if identity else when
    return (
        f'<tr data-webhook="{identity}" data-state="{escape(state, quote=True)}">'
        f"<td>{link}</td><td>{words(entry, 'channel')}</td>"
        f'<td class="state {escape(state, quote=True)}">{escape(shown)}{count}</td>'
        f'<td dir="auto">{escape(message)}</td><td dir="auto">{escape(str(reply.get("text") or ""))}</td>'
        f"<td>{_trace(str(entry.get('trace_id') or ''), trace_page)}</td>"
        f"<td>{_replay(identity, say) if identity else ''}</td></tr>"
    )


def _trace(trace_id: str, page: str) -> str:
    """Return a link to a trace, or the command that finds its lines."""
    known = escape(trace_id, quote=True)
    if page:
        return f'<a href="{escape(page.replace("{trace_id}", trace_id), quote=True)}">{known[:8]}</a>'
    return f'<button type="button" class="plain" data-copy="salambot logs --grep {known}">{known[:8]}</button>'


def _replay(identity: str, say: Say) -> str:
    word = escape(say("Replay"))
    names = f'id="replay-{identity}" data-replay="{identity}" aria-label="{word} {identity}"'
    return f'<button type="button" {names}>{word}</button>'
