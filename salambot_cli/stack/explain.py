"""Why an answer is what it is: each stage of the search for a prompt, with its numbers."""

from collections.abc import Mapping, Sequence
from typing import cast

from salambot_cli.api.gateway import Document
from salambot_cli.model.environment import Environment
from salambot_cli.stack.orchestrateur import ask_orchestrateur
from salambot_cli.terminal.output import Output
from salambot_cli.terminal.rows import print_rows

_SHOWN = 10
"""Candidates and signals that people see; JSON holds all."""


async def explain(environment: Environment, tenant: str, prompt: str, context: Sequence[Document]) -> Document:
    """Ask what was searched for a prompt after these turns, and what each stage made of it. Raises SalamBotError."""
    body: Document = {"tenant": tenant, "prompt": prompt, "context": list(context)}
    return await ask_orchestrateur(environment, "/internal/search/explain", body=body)


def show_explanation(session: Output, explained: Document) -> None:
    """Print the stages for people."""
    if explained["small_talk"]:
        session.say(f"nothing was searched: it is small talk ({explained['small_talk']})")
    if explained["refused"]:
        session.say(f"nothing was searched: it is refused ({explained['refused']})")
    if explained["before"]:
        session.say(f"it leans on the question before: {explained['before']}")
    search = cast("Document | None", explained["search"])
    if search is None:
        return
    decision = cast("Document", search["decision"])
    session.say(f"language: {search['language']}")
    print_rows(session, [_term(term) for term in cast("list[Document]", search["terms"])])
    print_rows(session, [_candidate(one) for one in cast("list[Document]", search["candidates"])[:_SHOWN]])
    _show_decision(session, decision)


def _show_decision(session: Output, decision: Document) -> None:
    if decision["probability"] is None:
        session.say("no answer: no passage was found")
        return
    probability, floor = _number(decision["probability"]), _number(decision["floor"])
    if decision["answers"]:
        session.say(f"an answer: the first passage holds it with probability {probability}, and {floor} is enough")
    else:
        session.say(f"no answer: the first passage holds it with probability {probability}, below {floor}")
    signals = cast("list[Mapping[str, object]]", decision["signals"])[:_SHOWN]
    names = ("name", "value", "contribution")
    print_rows(
        session, [{"signal" if name == "name" else name: _number(one[name]) for name in names} for one in signals]
    )


def _term(term: Document) -> dict[str, str]:
    forms = [*cast("list[str]", term["forms"]), *cast("list[str]", term["concepts"])]
    known = "yes" if term["known"] else "no"
    return {
        "word": str(term["word"]),
        "weight": _number(term["weight"]),
        "share": _number(term["share"]),
        "indexed": known,
        "terms": " ".join(map(str, forms)),
    }


def _candidate(one: Document) -> dict[str, str]:
    return {
        "passage": str(one["id"]),
        "probability": _number(one["probability"]),
        "fused": _number(one["fused"]),
        "bm25": _ranked(one, "bm25"),
        "similarity": _ranked(one, "similarity"),
        "returned": "yes" if one["returned"] else "no",
    }


def _ranked(one: Document, name: str) -> str:
    return "" if one[name] is None else f"{_number(one[name])} (#{one[f'{name}_rank']})"


def _number(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
