"""`POST /v1/generate/reply`: validated and rate-limited here, answered by orchestrateur, as JSON or server-sent
events.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

import orjson
from starlette.requests import Request
from starlette.responses import Response

from salambot.core import tracing
from salambot.core.problems import Problem, crashed
from salambot.core.schemas import (
    SCHEMA_VERSION,
    GenerateRequest,
    GenerateResponse,
    Reply,
    ReplyCompleted,
    ReplyDelta,
    ReplyRequest,
    utc_now,
    utc_text,
)
from salambot.gateway.auth import require_same_tenant
from salambot.gateway.dependencies import GatewayDependencies
from salambot.gateway.idempotency import KeyClaim, StoredResponse, read_key
from salambot.gateway.request_parsing import adopt_correlation_id, parse_body, require_json
from salambot.gateway.sse import EVENT_STREAM, EventStream, event, with_pings
from salambot.http.middleware import observe_first_byte
from salambot.rpc.service_client import stream_problem

_INTERNAL = "/internal/reply"
_REPLAYED = {"Idempotency-Replayed": "true"}


@dataclass(frozen=True, slots=True)
class ReplyHandler:
    """One reply in progress."""

    edge: GatewayDependencies
    request: Request
    message: GenerateRequest
    claim: KeyClaim | None
    headers: Mapping[str, str]

    async def respond_json(self) -> Response:
        """Return the whole reply."""
        hop, limit = self.edge.orchestrateur, self.edge.settings.generate_timeout_s
        kept = False
        try:
            reply = await hop.post(_INTERNAL, self._forwarded(), Reply, limit)
            answer = self.encode(reply)
            kept = await self._keep(answer)
        finally:
            if not kept:
                await self._release()
        return Response(answer, headers=dict(self.headers), media_type="application/json")

    async def respond_sse(self) -> AsyncGenerator[bytes, None]:
        """Yield the events of the contract, the last of them `reply.completed` or `reply.error`."""
        kept = False
        try:
            yield started_event(self.message)
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
                if isinstance(item, ReplyDelta):
                    if sequence == 0:
                        observe_first_byte("gateway", self.request.scope)
                    yield delta_event(sequence, item.text)
                    sequence += 1
                elif isinstance(item, ReplyCompleted):
                    yield "reply.completed", self.encode(item.reply)
                else:
                    raise stream_problem(hop.name, item)

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

    def encode(self, reply: Reply) -> bytes:
        """Encode the response."""
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
            await self.claim.store(answer)
        return True

    async def _release(self) -> None:
        if self.claim is not None:
            await self.claim.release()


def started_event(message: GenerateRequest) -> bytes:
    """Encode `reply.started`: the ids, before the reply exists."""
    data = {
        "schema_version": SCHEMA_VERSION,
        "message_id": message.message_id,
        "correlation_id": tracing.correlation_id(),
        "timestamp": utc_text(utc_now()),
        "trace_id": tracing.trace_id(),
    }
    return event("reply.started", orjson.dumps(data))


def delta_event(sequence: int, text: str) -> tuple[str, bytes]:
    """Return one piece of the reply's text; `sequence` counts from 0."""
    return "reply.delta", orjson.dumps({"seq": sequence, "text": text})


async def _replayed_events(message: GenerateRequest, answer: bytes) -> AsyncGenerator[bytes, None]:
    yield started_event(message)
    yield event(*delta_event(0, GenerateResponse.model_validate_json(answer).data.reply))
    yield event("reply.completed", answer)


async def reply(edge: GatewayDependencies, request: Request) -> Response:
    """Answer one request for a reply; raises Problem."""
    principal = await edge.authenticator.authenticate(request, "generate")
    require_json(request)
    key = read_key(request.headers.getlist("Idempotency-Key"))
    body = await request.body()
    message = parse_body(GenerateRequest, body)
    adopt_correlation_id(request, message.correlation_id)
    require_same_tenant(principal, request, message.tenant)
    await edge.generate_limit.hit(principal.tenant, principal.subject)
    headers = edge.generate_limit.policy
    claim = None if key is None else await edge.idempotency.claim(principal, key, body)
    if isinstance(claim, StoredResponse):
        headers = {**headers, **_REPLAYED}
        if _is_streamed(request):
            return EventStream(_replayed_events(message, claim.answer), headers)
        return Response(claim.answer, headers=headers, media_type="application/json")
    return await respond(ReplyHandler(edge, request, message, claim, headers))


async def respond(handler: ReplyHandler) -> Response:
    """Return the reply as the request accepts it: streamed, or as JSON; raises Problem."""
    if _is_streamed(handler.request):
        return EventStream(with_pings(handler.respond_sse(), handler.edge.settings.sse_ping_s), handler.headers)
    return await handler.respond_json()


def _is_streamed(request: Request) -> bool:
    return EVENT_STREAM in request.headers.get("accept", "")
