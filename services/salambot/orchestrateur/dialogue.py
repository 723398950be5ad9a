"""One reply: history, retrieval, generation, storage."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from salambot.answers.contacts import find_contact
from salambot.core.explanations import ExplainRequest, ReplyExplanation, SearchExplanation
from salambot.core.problems import Problem
from salambot.core.schemas import (
    ComposeRequest,
    Passage,
    Reply,
    ReplyCompleted,
    ReplyDelta,
    ReplyFailed,
    ReplyRequest,
    RetrievalRequest,
    RetrievedPassages,
    Turn,
)
from salambot.language.policy import asks_documents, refusal_of
from salambot.language.query_rewriting import Reading, read, readings
from salambot.language.small_talk import detect_small_talk, is_complaint
from salambot.orchestrateur.conversations import Conversations
from salambot.orchestrateur.settings import OrchestrateurSettings
from salambot.rpc.service_client import ServiceClient

PASSAGES, PASSAGES_FOR_MODEL = 5, 8
_CONTACT_QUESTIONS = ("Quel est votre numéro de téléphone ?", "contact", "ما هو رقم الهاتف؟")
"""What the documents are asked where a customer is sent to a person; retrieval remembers the answers."""
MAX_QUERY_LENGTH = 2_000
"""Characters of a prompt that retrieval uses."""


class Dialogue:
    """Replies to customers. Both methods raise Problem when a service or Postgres fails."""

    def __init__(
        self, settings: OrchestrateurSettings, rag: ServiceClient, nlu: ServiceClient, conversations: Conversations
    ) -> None:
        self._settings = settings
        self._rag = rag
        self._nlu = nlu
        self._conversations = conversations

    async def reply(self, request: ReplyRequest) -> Reply:
        """Return a reply that is stored already."""
        try:
            question = await self._prepare(request)
            reply = await self._nlu.post("/internal/generate", question, Reply, self._settings.generate_timeout_s)
            await self._conversations.record(request, reply)
        except Problem as problem:
            await self._note(request, problem.code)
            raise
        return reply

    async def stream(self, request: ReplyRequest) -> AsyncGenerator[ReplyDelta | ReplyCompleted | ReplyFailed, None]:
        """Yield the reply in pieces; ReplyCompleted follows once it is stored."""
        try:
            question = await self._prepare(request)
            events = self._nlu.stream("/internal/generate", question, self._settings.generate_timeout_s)
            async with aclosing(events) as pieces:
                async for event in pieces:
                    if isinstance(event, ReplyCompleted):
                        await self._conversations.record(request, event.reply)
                    elif isinstance(event, ReplyFailed):
                        await self._note(request, str(event.problem.get("code", "upstream_failed")))
                    yield event
        except Problem as problem:
            await self._note(request, problem.code)
            raise

    async def explain(self, request: ExplainRequest) -> ReplyExplanation:
        """Return what would be searched for a prompt, and what each stage makes of it."""
        small_talk, refused = detect_small_talk(request.prompt), refusal_of(request.prompt)
        reading = read(request.prompt, request.context)
        search = None
        if small_talk is None and refused is None:
            for reading in readings(request.prompt, request.context):
                search = await self._explain(self._request(request.tenant, reading))
                if search.decision.answers:
                    break
        return ReplyExplanation(
            prompt=request.prompt, before=reading.before, small_talk=small_talk, refused=refused, search=search
        )

    async def _explain(self, search: RetrievalRequest) -> SearchExplanation:
        return await self._rag.post(
            "/internal/search/explain", search, SearchExplanation, self._settings.search_timeout_s
        )

    async def _prepare(self, request: ReplyRequest) -> ComposeRequest:
        context = request.context or await self._conversations.recent_turns(request)
        question, passages = await self._retrieve(request, context)
        return ComposeRequest(
            tenant=request.tenant,
            prompt=request.prompt,
            question=question,
            locale=request.locale,
            context=context,
            passages=passages,
            contact=await self._contact(request, passages),
        )

    async def _contact(self, request: ReplyRequest, passages: list[Passage]) -> str | None:
        """Return how to reach the business, for a reply that sends the customer there."""
        if (passages and not is_complaint(request.prompt)) or detect_small_talk(request.prompt) is not None:
            return None
        for question in _CONTACT_QUESTIONS:
            if contact := find_contact(await self._search(request.tenant, Reading(question), floor=0.0)):
                return contact
        return None

    async def _retrieve(self, request: ReplyRequest, context: list[Turn]) -> tuple[str | None, list[Passage]]:
        """Retrieve for the prompt, a short one with what was asked before it; return the reading that found any.

        Small talk needs nothing, and what asks for another person's data gets nothing.
        """
        if not asks_documents(request.prompt):
            return None, []
        for reading in readings(request.prompt, context):
            if found := await self._search(request.tenant, reading):
                return reading.whole, found
        return None, []

    async def _search(self, tenant: str, reading: Reading, floor: float | None = None) -> list[Passage]:
        search = self._request(tenant, reading, floor)
        found = await self._rag.post("/internal/search", search, RetrievedPassages, self._settings.search_timeout_s)
        return found.results

    def _request(self, tenant: str, reading: Reading, floor: float | None = None) -> RetrievalRequest:
        """Build a search; a model judges for itself what answers, and gets more passages, from which it may choose."""
        judged_by_model = self._settings.llm == "openai"
        start = reading.prompt.lstrip() or reading.prompt  # white space alone is no query
        return RetrievalRequest(
            query=start[:MAX_QUERY_LENGTH],
            before=reading.before,
            tenant=tenant,
            top_k=PASSAGES_FOR_MODEL if judged_by_model else PASSAGES,
            floor=0.0 if judged_by_model else floor,
        )

    async def _note(self, request: ReplyRequest, code: str) -> None:
        """Record in the audit trail that there was no reply, if Postgres is up."""
        with suppress(Problem):
            await self._conversations.record_refusal(request, code)
