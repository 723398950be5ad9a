"""The shapes of an explained search: what each stage made of a question, in numbers."""

from typing import Annotated

from pydantic import Field

from salambot.core.schemas import Message, TenantName, Turn, WrittenText


class ExplainRequest(Message):
    """orchestrateur's `/internal/search/explain`: a prompt, and the turns before it."""

    tenant: TenantName
    prompt: WrittenText
    context: Annotated[list[Turn], Field(max_length=100, default_factory=list)]


class ExplainedTerm(Message):
    """One word of the question. `share` is 1, or less for a word of the question before."""

    word: str
    forms: list[str]
    concepts: list[str]
    share: float
    weight: float
    known: bool
    """True if any document holds it."""


class ExplainedCandidate(Message):
    """One passage that a search found; a score and rank are null where that search did not find it."""

    id: str
    title: str
    language: str
    bm25: float | None
    bm25_rank: int | None
    similarity: float | None
    similarity_rank: int | None
    fused: float
    """Both ranks fused, 1 for the best."""
    order: float
    """What orders the passages: more is better."""
    probability: float
    """That it holds the answer, were it the first."""
    returned: bool


class Signal(Message):
    """One number that the decision looks at; `contribution` is `value` times its coefficient."""

    name: str
    value: float
    contribution: float


class Decision(Message):
    """The decision to answer: made by the first passage's probability. `signals` come with the strongest first."""

    answers: bool
    floor: float
    probability: float | None
    bias: float
    signals: list[Signal]


class SearchExplanation(Message):
    """rag's `/internal/search/explain`. `candidates` come in the order that was made of them."""

    language: str
    query: str
    terms: list[ExplainedTerm]
    candidates: list[ExplainedCandidate]
    decision: Decision


class ReplyExplanation(Message):
    """orchestrateur's `/internal/search/explain`. `search` is null where nothing was searched, for the reason given."""

    prompt: str
    before: str
    """The earlier question that the prompt leans on, or nothing."""
    small_talk: str | None
    refused: str | None
    search: SearchExplanation | None
