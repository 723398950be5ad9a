"""A conversation with the gateway: what was said, and the reply as it streams in."""

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import cast

from salambot_cli.api.command_trace import CommandTrace
from salambot_cli.api.gateway import Document, Gateway
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import SalamBotError
from salambot_cli.model.untrusted import raw
from salambot_cli.stack.explain import explain, show_explanation
from salambot_cli.telemetry.command_span import command_span
from salambot_cli.terminal.output import Output
from salambot_cli.terminal.word_wrap import WordWrap

_TURNS_KEPT = 20


class Conversation:
    """Earlier turns, oldest first, travel with each prompt."""

    def __init__(
        self, environment: Environment, gateway: Gateway, locale: str | None, *, explains: bool = False
    ) -> None:
        self.environment = environment
        self.explains = explains
        self._gateway = gateway
        self._locale = locale
        self._id = f"chat_{uuid.uuid4().hex}"
        self._turns: list[Document] = []

    async def explain(self, prompt: str) -> Document:
        """Return how the answer to a prompt is found, after what was said so far."""
        return await explain(self.environment, self._gateway.tenant, prompt, self._turns[-_TURNS_KEPT:])

    async def say(self, prompt: str, trace: CommandTrace) -> AsyncIterator[tuple[str, Document]]:
        """Yield the events of the reply, and remember both turns."""
        body = self._gateway.generate_request(
            prompt, context=self._turns[-_TURNS_KEPT:], conversation=self._id, locale=self._locale
        )
        async for name, data in replace(self._gateway, trace=trace).stream_reply(body):
            if name == "reply.error":
                raise SalamBotError(
                    "the reply broke off", raw(data.get("detail") or data.get("title")), "salambot doctor"
                )
            if name == "reply.completed":
                reply = cast("Document", data["data"])
                self._turns += [{"role": "user", "content": prompt}, {"role": "assistant", "content": reply["reply"]}]
            yield name, data


async def say_once(session: Output, conversation: Conversation, prompt: str) -> None:
    """Print one reply as it comes, then its sources; with --json the completed reply alone."""
    wrap = WordWrap(session.columns()) if sys.stdout.isatty() else None
    explained = await conversation.explain(prompt) if conversation.explains else None
    async with command_span(session, conversation.environment, "chat") as trace:
        async for name, data in conversation.say(prompt, trace):
            if session.json_lines:
                session.event(name, data)
            elif name == "reply.delta" and not session.json:
                text = cast("str", data["text"])
                session.stream(wrap.feed(text) if wrap else text)
            elif name == "reply.completed":
                session.stream(wrap.end() if wrap and not session.json else "")
                _completed(session, data, explained)
    if explained:
        session.event("explanation", explained)


def _completed(session: Output, data: Document, explained: Document | None) -> None:
    if session.json:
        session.document({**data, "explanation": explained} if explained else data)
        return
    session.stream("\n")
    reply = cast("Document", data["data"])
    for citation in cast("list[Document]", reply["citations"]):
        session.say(f"  [dim]↳ {citation['title']} · {citation['uri']}[/]")
    if explained:
        show_explanation(session, explained)


async def converse(session: Output, conversation: Conversation) -> None:
    """Read prompts until the end of input or `exit`."""
    session.say("[dim]Say something; Ctrl-D ends.[/]")
    while (prompt := await asyncio.to_thread(_read_line)) is not None:
        if prompt in {"exit", "quit"}:
            return
        if prompt:
            await say_once(session, conversation, prompt)


def _read_line() -> str | None:
    if sys.stdin.isatty():
        sys.stderr.write("› ")
        sys.stderr.flush()
    line = sys.stdin.readline()
    return line.strip() if line else None
