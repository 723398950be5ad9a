"""The index: its documents, the passages of one, and what a question finds there."""

import shlex
from collections.abc import Mapping
from html import escape
from typing import cast
from urllib.parse import urlencode

from salambot.console.html import clock, row, search_form, table, text
from salambot.console.reports import copyable, seed_progress
from salambot.console.state import Asked, Console, Row, words
from salambot.core.problems import Problem

_MAX_SHOWN = 500


async def knowledge(console: Console, asked: Asked) -> str:
    """Return what a question finds, the passages of one document, or all documents."""
    if asked.get("q"):
        return await _found(console, asked)
    if asked.get("path"):
        return await _passages(console, asked)
    say = asked.say
    documents = await console.rows("/internal/documents", "documents")
    progress = seed_progress(console.board, await index_size(console), say)
    heads = (say("document"), say("source"), say("language"), say("passages"), say("last indexed"))
    rows = (_document(one, asked) for one in documents[:_MAX_SHOWN])
    return progress + table(say("Documents"), heads, rows)


def knowledge_form(asked: Asked) -> str:
    """Return the form above the index."""
    return search_form("", asked.get("q"), asked.say)


async def index_size(console: Console) -> Mapping[str, object] | None:
    """Return how much is in the index, None where rag does not tell."""
    try:
        return await console.rag.ask("/internal/index", query={"tenant": console.tenant})
    except Problem:
        return None


def _document(document: Row, asked: Asked) -> str:
    link = f"/console/knowledge?{urlencode({'path': str(document['path']), 'lang': asked.language})}"
    name = f'<a href="{escape(link, quote=True)}" dir="auto">{words(document, "path")}</a>'
    languages = ", ".join(map(str, cast("list[str]", document["languages"])))
    when = str(document["updated_at"])
    cells = (words(document, "source"), escape(languages), words(document, "passages"))
    return row((name, *cells, f"{escape(when[:10])} {clock(when)}"))


async def _passages(console: Console, asked: Asked) -> str:
    say = asked.say
    path = asked.get("path")
    found = await console.rows("/internal/documents/passages", "passages", {"path": path})
    head = f'<h3 dir="auto">{escape(path)}</h3>{copyable(f"salambot kb show {shlex.quote(path)}", say)}'
    rows = (
        row((words(one, "number"), text(str(one["heading"] or "")), _body(one), words(one, "language")))
        for one in found[:_MAX_SHOWN]
    )
    return head + table(say("Passages"), ("#", say("heading"), say("passage"), say("language")), rows)


def _body(passage: Row) -> str:
    return f'<span dir="auto" class="text" lang="{words(passage, "language")}">{words(passage, "text")}</span>'


async def _found(console: Console, asked: Asked) -> str:
    """Return what the search makes of a question: its candidates with their scores, and the decision to answer."""
    say = asked.say
    body = {"tenant": console.tenant, "prompt": asked.get("q")}
    explained = await console.orchestrateur.ask("/internal/search/explain", body=body)
    search = cast("Row | None", explained.get("search"))
    if search is None:
        why = explained.get("refused") or explained.get("small_talk")
        return f"<p>{escape(say('Nothing is searched for this: {reason}').format(reason=why))}</p>"
    decision = cast("Row", search["decision"])
    answers = say("It is answered") if decision["answers"] else say("It is not answered")
    head = f"<p><b>{escape(answers)}</b> · {escape(say('probability'))} {_number(decision, 'probability')}"
    head += f" · {escape(say('at least'))} {_number(decision, 'floor')} · {words(search, 'language')}</p>"
    heads = (say("passage"), "BM25", "#", say("similarity"), "#", say("fused"), say("probability"))
    rows = (row((_title(one), *_scores(one))) for one in cast("list[Row]", search["candidates"]))
    return head + _terms(search, asked) + table(say("Candidates"), heads, rows) + _signals(decision, asked)


def _title(candidate: Row) -> str:
    mark = "✓ " if candidate["returned"] else ""
    return f'{mark}<span dir="auto" lang="{words(candidate, "language")}">{words(candidate, "title")}</span>'


def _scores(one: Row) -> tuple[str, ...]:
    ranks = words(one, "bm25_rank"), words(one, "similarity_rank")
    scores = [_number(one, name) for name in ("bm25", "similarity", "fused", "probability")]
    return scores[0], ranks[0], scores[1], ranks[1], scores[2], scores[3]


def _terms(search: Row, asked: Asked) -> str:
    say = asked.say
    heads = (say("word"), say("weight"), say("share"), say("in the documents"))
    rows = (
        row((text(str(term["word"])), _number(term, "weight"), _number(term, "share"), "✓" if term["known"] else "✗"))
        for term in cast("list[Row]", search["terms"])
    )
    return table(say("Words of the question"), heads, rows)


def _signals(decision: Row, asked: Asked) -> str:
    say = asked.say
    rows = (
        row((words(one, "name"), _number(one, "value"), _number(one, "contribution")))
        for one in cast("list[Row]", decision["signals"])
        if one["contribution"]
    )
    return table(say("Signals of the decision"), (say("signal"), say("value"), say("contribution")), rows)


def _number(holder: Row, name: str) -> str:
    value = holder.get(name)
    return "" if value is None else f"{cast('float', value):.3g}"
