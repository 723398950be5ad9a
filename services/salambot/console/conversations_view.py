"""The conversations with customers: which there are, which questions stay unanswered, and one in full."""

from html import escape
from typing import cast

from salambot.console.html import choice, clock, row, search_form, table, text
from salambot.console.reports import copyable
from salambot.console.state import Asked, Console, Row, words

_CHANNELS = ("webchat", "whatsapp", "messenger", "api")
_LANGUAGES = {"fr": "Français", "ar": "العربية", "ary": "الدارجة", "ary-Latn": "Darija", "en": "English"}
_FILTERS = ("q", "channel", "language", "answered")


async def conversations(console: Console, asked: Asked) -> str:
    """Return the list, and below it what customers of this week asked in vain."""
    say = asked.say
    wanted = {name: asked.get(name) for name in _FILTERS if asked.get(name)}
    found = await console.rows("/internal/conversations", "conversations", wanted)
    heads = (
        say("time"),
        say("channel"),
        say("language"),
        say("last message"),
        say("answered"),
        say("turns"),
        say("conversation"),
    )
    listed = table(say("Conversations"), heads, (_conversation(one, asked) for one in found))
    if not found:
        listed = f"<p>{escape(say('Nothing came yet. Try:'))}</p>{copyable('salambot chat Bonjour', say)}"
    return listed + await _unanswered(console, asked)


def conversations_form(asked: Asked) -> str:
    """Return the form above the list."""
    say = asked.say
    every = ("", say("all"))
    channels = choice("channel", say("Channel"), [every, *((one, one) for one in _CHANNELS)], asked.get("channel"))
    languages = choice("language", say("Language"), [every, *_LANGUAGES.items()], asked.get("language"))
    answers = choice(
        "answered", say("Answered"), [every, ("yes", say("yes")), ("no", say("no"))], asked.get("answered")
    )
    return search_form(channels + languages + answers, asked.get("q"), say)


def _conversation(one: Row, asked: Asked) -> str:
    identity = words(one, "id")
    link = f'<a href="/console/conversations/{identity}">{escape(asked.say("Open"))} <code>{identity}</code></a>'
    language = escape(_LANGUAGES.get(str(one["language"]), str(one["language"])))
    answered = '<span class="ok">✓</span>' if one["answered"] else '<span class="bad">✗</span>'
    cells = (words(one, "channel"), language, text(str(one["latest"])), answered, words(one, "turns"), link)
    return row((clock(str(one["last_at"])), *cells))


async def _unanswered(console: Console, asked: Asked) -> str:
    say = asked.say
    found = await console.rows("/internal/conversations/unanswered", "questions")
    if not found:
        return ""
    rows = (row((text(str(one["content"])), words(one, "times"), clock(str(one["last_at"])))) for one in found)
    title = say("Unanswered questions of the last 7 days")
    return f"<h3>{escape(title)}</h3>" + table(title, (say("question"), say("times"), say("last")), rows)


async def conversation(console: Console, asked: Asked) -> str:
    """Return one conversation: what was said, oldest first."""
    path = f"/internal/conversations/{asked.identity}"
    found = await console.orchestrateur.ask(path, query={"tenant": console.tenant})
    head = f'<p class="quiet">{words(found, "channel")} · <code>{words(found, "party")[:12]}</code></p>'
    turns = "".join(_turn(turn, asked) for turn in cast("list[Row]", found["turns"]))
    return f'{head}<div class="turns">{turns}</div>'


def _turn(turn: Row, asked: Asked) -> str:
    say = asked.say
    customer = turn["role"] == "user"
    who, kind = (say("Customer"), "user") if customer else ("SalamBot", "bot")
    mark = "" if customer or turn["answered"] else f' <span class="bad">{escape(say("not answered"))}</span>'
    head = f"<h3>{escape(who)} {clock(str(turn['at']))}{mark}</h3>"
    return f'<article class="message {kind}">{head}<p class="text" dir="auto">{words(turn, "content")}</p></article>'
