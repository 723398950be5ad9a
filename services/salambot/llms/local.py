"""The provider that needs no model: it answers with the words of the passages, or says that it does not know."""

import re
from collections.abc import AsyncGenerator, Sequence

from salambot.answers.answering import Answer, find_answers
from salambot.core.businesses import NOBODY, Business, Businesses, business_of
from salambot.core.schemas import (
    Citation,
    ComposeRequest,
    Language,
    Reply,
    ReplyCompleted,
    ReplyDelta,
    ReplyFailed,
    Usage,
)
from salambot.language.answer_kinds import asked_kinds
from salambot.language.query_rewriting import detect_in_context, read
from salambot.language.small_talk import asks_for_a_person, detect_small_talk, is_complaint, opens_with_greeting
from salambot.llms.phrases import PHRASES, Phrase, phrase

MODEL = "extractive-1"
MAX_ANSWER_LENGTH = 900
"""Characters of the passages' own words in one reply: chat is read on telephones."""
_SENTENCE_END = re.compile(r"(?<=[.!?؟…])\s+|\n")
_ASKS = re.compile(r"[?؟]")
_PIECE = re.compile(r"\S+\s*(?:\S+\s*){0,5}")


class LocalLlm:
    """Extractive and deterministic: the same request has the same reply."""

    def __init__(self, businesses: Businesses | None = None) -> None:
        self._businesses = businesses or {}

    async def reply(self, request: ComposeRequest) -> Reply:
        """Return the reply; never fails."""
        return compose(request, business_of(self._businesses, request.tenant))

    async def stream(self, request: ComposeRequest) -> AsyncGenerator[ReplyDelta | ReplyCompleted | ReplyFailed, None]:
        """Yield the reply a few words at a time."""
        reply = await self.reply(request)
        for piece in _PIECE.findall(reply.reply):
            yield ReplyDelta(text=piece)
        yield ReplyCompleted(reply=reply)

    async def aclose(self) -> None:
        """Nothing is open."""


def compose(request: ComposeRequest, business: Business = NOBODY) -> Reply:
    """Compose the reply: a courtesy for a courtesy, else the answer of the passages, else "I do not know"."""
    language = detect_in_context(request.prompt, request.context, request.locale)
    if courtesy := detect_small_talk(request.prompt):
        return _reply(request, language, phrase(courtesy, language, business, request.contact))
    upset = is_complaint(request.prompt)
    opening = _opening(request, language, business, upset=upset)
    question = request.question or read(request.prompt, request.context).whole
    asks = _ASKS.search(request.prompt) or asked_kinds(request.prompt)
    answers = find_answers(question, language, request.passages) if asks or not upset else []
    if not answers:
        name: Phrase = "human" if asks_for_a_person(request.prompt) else "unknown"
        text = opening if upset else phrase(name, language, business, request.contact)
        return _reply(request, language, text)
    excuse = "" if answers[0].readable else f"{PHRASES['foreign'][language]}\n"
    body, whole = shorten("\n".join(answer.text for answer in answers))
    return _reply(request, language, f"{opening}{excuse}{body}", answers, whole=whole)


def _opening(request: ComposeRequest, language: Language, business: Business, *, upset: bool) -> str:
    """Return regret for a complaint, and a greeting where one was given."""
    if upset:
        return f"{phrase('regret', language, business, request.contact)}\n"
    return f"{PHRASES['hello'][language]} " if opens_with_greeting(request.prompt) else ""


def shorten(text: str) -> tuple[str, bool]:
    """Return `text` whole, or its first sentences up to MAX_ANSWER characters, and whether it is whole."""
    if len(text) <= MAX_ANSWER_LENGTH:
        return text, True
    ends = [match.start() for match in _SENTENCE_END.finditer(text) if 0 < match.start() <= MAX_ANSWER_LENGTH]
    return (text[: ends[-1]] if ends else text[: MAX_ANSWER_LENGTH - 1].rsplit(" ", 1)[0] + "…"), False


def _reply(
    request: ComposeRequest, language: Language, text: str, answers: Sequence[Answer] = (), *, whole: bool = True
) -> Reply:
    cited = {answer.passage.id: answer.passage for answer in answers}
    given = len(request.prompt.split()) + sum(len(passage.text.split()) for passage in request.passages)
    return Reply(
        reply=text.strip(),
        language=language,
        citations=[
            Citation(id=passage.id, title=passage.title, uri=passage.uri, score=min(1.0, max(0.0, passage.score)))
            for passage in cited.values()
        ],
        model=MODEL,
        provider="local",
        finish_reason="stop" if whole else "length",
        usage=Usage(input_tokens=given, output_tokens=len(text.split())),
    )
