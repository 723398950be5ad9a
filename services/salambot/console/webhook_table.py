"""The table of recent webhooks with their outcome and a replay button."""

from collections.abc import Sequence
from html import escape
from typing import cast

from salambot.console.language import Say

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


def inbox(entries: Sequence[dict[str, object]], trace: str, say: Say) -> str:
    """Return the table of webhooks, the newest first; `trace` is the command that shows one."""
    if not entries:
        return f"<p>{escape(say('Nothing came yet. Try:'))}</p>"
    heads = "".join(f'<th scope="col">{escape(say(name))}</th>' for name in _COLUMNS)
    rows = "".join(_row(entry, trace, say) for entry in entries)
    label = escape(say("Last webhooks"), quote=True)
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="scroll" tabindex="0" role="group" aria-label="{label}">{table}</div>'


def _row(entry: dict[str, object], command: str, say: Say) -> str:
    state = str(entry.get("state") or entry.get("verdict") or "")
    shown = say(STATES[state]) if state in STATES else state
    reply = cast("dict[str, object]", entry.get("reply") or {})
    trace = escape(str(entry.get("trace_id") or ""))
    identity = escape(str(entry.get("id") or ""), quote=True)
    message = str(entry.get("text") or entry.get("cause") or "")
    count = f" ×{entry['count']}" if entry.get("count") not in (None, 1) else ""
    time = escape(str(entry.get("time") or ""))
    return (
        f'<tr data-webhook="{identity}" data-state="{escape(state, quote=True)}">'
        f'<td><time datetime="{time}">{time[11:19]}</time></td><td>{escape(str(entry.get("channel", "")))}</td>'
        f'<td class="state {escape(state, quote=True)}">{escape(shown)}{count}</td>'
        f'<td dir="auto">{escape(message)}</td><td dir="auto">{escape(str(reply.get("text") or ""))}</td>'
        f'<td><button type="button" class="plain" data-copy="{command}{trace}">{trace[:8]}</button></td>'
        f"<td>{_replay(identity, say) if identity else ''}</td></tr>"
    )


def _replay(identity: str, say: Say) -> str:
    word = escape(say("Replay"))
    names = f'id="replay-{identity}" data-replay="{identity}" aria-label="{word} {identity}"'
    return f'<button type="button" {names}>{word}</button>'
