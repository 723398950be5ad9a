"""A server that speaks OpenAI's protocol and fails on demand: `python -m tests.fakes.openai_server --port 9000`.

Chat completions and responses, whole and streamed, embeddings (deterministic) and models. Faults are scripted by
`script(...)`, or over HTTP: `POST /faults {"once": ["rate_limit", "error_500"], "always": null}`.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import re
import struct
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, get_args

from aiohttp import web

Fault = Literal[
    "slow", "rate_limit", "insufficient_quota", "error_500", "cut", "silent_cut", "invalid_json", "nonsense", "stall"
]
"""`slow` never answers; `cut` breaks the connection in the middle, `silent_cut` ends the stream there as if it were
complete; `stall` streams a piece and then nothing."""
BAD_KEY = "sk-bad"
ANSWER = "Vous êtes remboursé sous 14 jours [1]. Les frais de retour sont offerts."
Json = dict[str, object]
Handler = Callable[[web.Request, Json, Fault | None], Awaitable[web.StreamResponse]]


def error(kind: str, code: str | None, message: str) -> Json:
    """Return OpenAI's error envelope."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def embedding(text: str, dimensions: int) -> list[float]:
    """Return a vector of length 1 that depends on `text` alone."""
    stream = hashlib.shake_256(text.encode()).digest(dimensions * 2)
    raw = [value / 32768 - 1 for (value,) in struct.iter_unpack("<H", stream)]
    norm = sum(value * value for value in raw) ** 0.5
    return [value / norm for value in raw]


def pieces(text: str) -> list[str]:
    """Cut a text as a tokenizer might: `[1]` comes in three pieces."""
    return re.findall(r"\s*\w+|\s*[^\w\s]", text)


@dataclass
class OpenAiServer:
    """What the server says, what it was asked, and how it fails."""

    answer: str = ANSWER
    finish_reason: str = "stop"
    once: deque[Fault] = field(default_factory=deque)
    always: Fault | None = None
    requests: list[Json] = field(default_factory=list)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client leaves a request that was under way."""
    arrivals: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    """Released once for each request that arrives."""

    def script(self, *faults: Fault) -> None:
        """Let the next requests fail, one fault each."""
        self.once.extend(faults)

    def app(self) -> web.Application:
        """Build the application."""
        app = web.Application(client_max_size=8 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", self._guarded(self._chat))
        app.router.add_post("/v1/responses", self._guarded(self._responses))
        app.router.add_post("/v1/embeddings", self._guarded(self._embeddings))
        app.router.add_get("/v1/models", self._guarded(self._models))
        app.router.add_post("/faults", self._set_faults)
        return app

    async def _set_faults(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        self.once = deque(wanted.get("once", []))
        self.always = wanted.get("always")
        return web.json_response({"once": list(self.once), "always": self.always})

    def _guarded(self, handle: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def guarded(request: web.Request) -> web.StreamResponse:
            key = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if not key or key == BAD_KEY:
                message = "Incorrect API key provided."
                return web.json_response(error("invalid_request_error", "invalid_api_key", message), status=401)
            body: Json = await request.json() if request.can_read_body else {}
            self.requests.append({"path": request.path, **body})
            self.arrivals.release()
            fault = self.once.popleft() if self.once else self.always
            try:
                refusal = await self._refusal(fault)
                return refusal or await handle(request, body, fault)
            except (asyncio.CancelledError, ConnectionResetError):
                self.cancelled.set()
                raise

        return guarded

    async def _refusal(self, fault: Fault | None) -> web.Response | None:
        match fault:
            case "slow":
                await asyncio.Event().wait()
            case "rate_limit":
                body = error("requests", "rate_limit_exceeded", "Rate limit reached for requests")
                return web.json_response(body, status=429, headers={"Retry-After": "0"})
            case "insufficient_quota":
                body = error("insufficient_quota", "insufficient_quota", "You exceeded your current quota")
                return web.json_response(body, status=429)
            case "error_500":
                return web.json_response(error("server_error", None, "The server had an error"), status=500)
            case "nonsense":
                return web.json_response({"object": "chat.completion", "choices": [], "output": "none"})
            case "invalid_json":
                return web.Response(text='{"id": "chatcmpl-1", "choices": [', content_type="application/json")
        return None

    async def _send(self, request: web.Request, events: Sequence[str], fault: Fault | None) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number, event in enumerate(events):
            if number == 3 and fault == "cut":
                assert request.transport is not None
                request.transport.close()  # what was written arrives; abort() might take it back
                return response
            if number == 3 and fault == "silent_cut":
                return response
            if number == 3 and fault == "stall":
                await asyncio.Event().wait()
            await response.write(event.encode())
        return response

    async def _chat(self, request: web.Request, body: Json, fault: Fault | None) -> web.StreamResponse:
        base = {"id": "chatcmpl-1", "created": int(time.time()), "model": body["model"]}
        usage = {"prompt_tokens": 120, "completion_tokens": 20, "total_tokens": 140}
        if body.get("stream"):
            chunks = _chat_chunks(self.answer, self.finish_reason)
            options = body.get("stream_options")
            if isinstance(options, dict) and options.get("include_usage"):
                chunks.append({"choices": [], "usage": usage})
            events = [
                f"data: {json.dumps({**base, 'object': 'chat.completion.chunk', **chunk})}\n\n" for chunk in chunks
            ]
            return await self._send(request, [*events, "data: [DONE]\n\n"], fault)
        message = {"role": "assistant", "content": self.answer, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason, "logprobs": None}
        return await self._send_json(
            request, {**base, "object": "chat.completion", "choices": [choice], "usage": usage}, fault
        )

    async def _send_json(self, request: web.Request, body: Json, fault: Fault | None) -> web.StreamResponse:
        if fault == "cut":
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(body)

    async def _responses(self, request: web.Request, body: Json, fault: Fault | None) -> web.StreamResponse:
        final = _response_object(self.answer, str(body["model"]), self.finish_reason)
        if not body.get("stream"):
            return await self._send_json(request, final, fault)
        created: Json = {**final, "status": "in_progress", "output": []}
        deltas = [{"type": "response.output_text.delta", "delta": piece} for piece in pieces(self.answer)]
        place = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "logprobs": []}
        done = "response.completed" if self.finish_reason == "stop" else "response.incomplete"
        events: list[Json] = [
            {"type": "response.created", "response": created},
            *({**place, **delta} for delta in deltas),
            {"type": done, "response": final},
        ]
        lines = [
            f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': number})}\n\n"
            for number, event in enumerate(events)
        ]
        return await self._send(request, lines, fault)

    async def _embeddings(self, request: web.Request, body: Json, fault: Fault | None) -> web.StreamResponse:
        given = body["input"]
        texts = [given] if isinstance(given, str) else given
        assert isinstance(texts, list)
        dimensions = body.get("dimensions")
        size = dimensions if isinstance(dimensions, int) else 1536
        data = []
        for index, text in enumerate(texts):
            vector: list[float] | str = embedding(str(text), size)
            if body.get("encoding_format") == "base64":
                vector = base64.b64encode(struct.pack(f"<{size}f", *vector)).decode()
            data.append({"object": "embedding", "index": index, "embedding": vector})
        usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
        answer: Json = {"object": "list", "data": data, "model": body["model"], "usage": usage}
        return await self._send_json(request, answer, fault)

    async def _models(self, request: web.Request, _: Json, fault: Fault | None) -> web.StreamResponse:
        names = ("gpt-4.1-mini", "text-embedding-3-small")
        data = [{"id": name, "object": "model", "created": 1700000000, "owned_by": "system"} for name in names]
        return await self._send_json(request, {"object": "list", "data": data}, fault)


def _chat_chunks(answer: str, finish_reason: str) -> list[Json]:
    deltas: list[Json] = [{"role": "assistant", "content": ""}, *({"content": piece} for piece in pieces(answer))]
    chunks: list[Json] = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": None, "logprobs": None}]} for delta in deltas
    ]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason, "logprobs": None}]})
    return chunks


def _response_object(answer: str, model: str, finish_reason: str) -> Json:
    complete = finish_reason == "stop"
    text = {"type": "output_text", "text": answer, "annotations": [], "logprobs": []}
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [text]}
    reason = {"length": "max_output_tokens"}.get(finish_reason, finish_reason)
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": int(time.time()),
        "model": model,
        "output": [message],
        "status": "completed" if complete else "incomplete",
        "error": None,
        "metadata": {},
        "incomplete_details": None if complete else {"reason": reason},
        "instructions": None,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "temperature": 1.0,
        "top_p": 1.0,
        "usage": {
            "input_tokens": 120,
            "output_tokens": 20,
            "total_tokens": 140,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    }


@asynccontextmanager
async def openai_server() -> AsyncIterator[tuple[OpenAiServer, str]]:
    """Serve on a free loopback port; yield the server and its base URL (it ends with `/v1`)."""
    server = OpenAiServer()
    runner = web.AppRunner(server.app(), shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield server, f"http://{host}:{port}/v1"
    finally:
        await runner.cleanup()


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--always", choices=get_args(Fault), help="every request fails so")
    arguments = parser.parse_args()
    server = OpenAiServer(always=arguments.always)
    web.run_app(server.app(), host=arguments.host, port=arguments.port, handler_cancellation=True)


if __name__ == "__main__":
    main()
