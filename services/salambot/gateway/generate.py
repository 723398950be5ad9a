"""`POST /v1/generate/reply`: checked and counted here, made by orchestrateur, as JSON or as server-sent events."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

import orjson
from starlette.requests import Request
from starlette.responses import Response

from salambot import tracing
from salambot.asgi import observe_first_byte
from salambot.gateway.auth import agree_on_tenant
from salambot.gateway.edge import Edge
from salambot.gateway.idempotency import Claim, Replay, read_key
from salambot.gateway.requests import correlate, parse, require_json
from salambot.gateway.sse import EVENT_STREAM, EventStream, event, with_pings
from salambot.hops import failure
from salambot.messages import (
    SCHEMA_VERSION,
    Completed,
    Delta,
    GenerateRequest,
    GenerateResponse,
    Reply,
    ReplyRequest,
    utc_now,
    utc_text,
)
from salambot.problems import Problem, crashed

_INTERNAL = "/internal/reply"
_REPLAYED = {"Idempotency-Replayed": "true"}


@dataclass(frozen=True, slots=True)
class Generation:
    """One reply being made."""

    edge: Edge
    request: Request
    message: GenerateRequest
    claim: Claim | None
    headers: Mapping[str, str]

    async def as_json(self) -> Response:
        """Return the whole reply."""
        hop, limit = self.edge.orchestrateur, self.edge.settings.generate_timeout_s
        kept = False
        try:
            reply = await hop.post(_INTERNAL, self._forwarded(), Reply, limit)
            answer = self._answer(reply)
            kept = await self._keep(answer)
        finally:
            if not kept:
                await self._release()
        return Response(answer, headers=dict(self.headers), media_type="application/json")

    async def as_events(self) -> AsyncGenerator[bytes, None]:
        """Yield the events of the contract, the last of them `reply.completed` or `reply.error`."""
        kept = False
        try:
            yield started(self.message)
            try:
                async with aclosing(self._made()) as pieces:
                    async for name, data in pieces:
                        if name == "reply.completed":
                            kept = await self._keep(data)
                        yield event(name, data)
            except Problem as problem:
                yield event("reply.error", orjson.dumps(problem.document()))
            except Exception as error:  # noqa: BLE001 - the status is sent already: the last event tells of the crash
                yield event("reply.error", orjson.dumps(crashed(error).document()))
        finally:
            if not kept:
                await self._release()

    async def _made(self) -> AsyncGenerator[tuple[str, bytes], None]:
        hop, limit = self.edge.orchestrateur, self.edge.settings.generate_timeout_s
        sequence = 0
        async with aclosing(hop.stream(_INTERNAL, self._forwarded(), limit)) as events:
            async for item in events:
                if isinstance(item, Delta):
                    if sequence == 0:
                        observe_first_byte("gateway", self.request.scope)
                    yield delta(sequence, item.text)
                    sequence += 1
                elif isinstance(item, Completed):
                    yield "reply.completed", self._answer(item.reply)
                else:
                    raise failure(hop.name, item)

    def _forwarded(self) -> ReplyRequest:
        message = self.message
        return ReplyRequest(
            tenant=message.tenant,
            channel=message.channel,
            message_id=message.message_id,
            correlation_id=tracing.correlation_id(),
            locale=message.locale,
            prompt=message.data.prompt,
            context=message.data.context,
        )

    def _answer(self, reply: Reply) -> bytes:
        message = self.message
        response = GenerateResponse(
            tenant=message.tenant,
            channel=message.channel,
            message_id=message.message_id,
            correlation_id=tracing.correlation_id(),
            timestamp=utc_now(),
            locale=message.locale,
            data=reply,
            trace_id=tracing.trace_id(),
        )
        return response.model_dump_json().encode()

    async def _keep(self, answer: bytes) -> bool:
        if self.claim is not None:
            await self.claim.keep(answer)
        return True

    async def _release(self) -> None:
        if self.claim is not None:
            await self.claim.release()


def started(message: GenerateRequest) -> bytes:
    """Write `reply.started`: the ids, before anything is known of the reply."""
    data = {
        "schema_version": SCHEMA_VERSION,
        "message_id": message.message_id,
        "correlation_id": tracing.correlation_id(),
        "timestamp": utc_text(utc_now()),
        "trace_id": tracing.trace_id(),
    }
    return event("reply.started", orjson.dumps(data))


def delta(sequence: int, text: str) -> tuple[str, bytes]:
    """Return one piece of the reply's text; `sequence` counts from 0."""
    return "reply.delta", orjson.dumps({"seq": sequence, "text": text})


async def _replayed_events(message: GenerateRequest, answer: bytes) -> AsyncGenerator[bytes, None]:
    yield started(message)
    yield event(*delta(0, GenerateResponse.model_validate_json(answer).data.reply))
    yield event("reply.completed", answer)


async def reply(edge: Edge, request: Request) -> Response:
    """Answer one request for a reply; raises Problem."""
    principal = await edge.authenticator.authenticate(request, "generate")
    require_json(request)
    key = read_key(request.headers.getlist("Idempotency-Key"))
    body = await request.body()
    message = parse(GenerateRequest, body)
    correlate(request, message.correlation_id)
    agree_on_tenant(principal, request, message.tenant)
    await edge.generate_limit.spend(principal.tenant, principal.subject)
    headers = edge.generate_limit.policy
    claim = None if key is None else await edge.idempotency.claim(principal, key, body)
    streamed = EVENT_STREAM in request.headers.get("accept", "")
    if isinstance(claim, Replay):
        headers = {**headers, **_REPLAYED}
        if streamed:
            return EventStream(_replayed_events(message, claim.answer), headers)
        return Response(claim.answer, headers=headers, media_type="application/json")
    generation = Generation(edge, request, message, claim, headers)
    if streamed:
        return EventStream(with_pings(generation.as_events(), edge.settings.sse_ping_s), headers)
    return await generation.as_json()
