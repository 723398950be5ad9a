"""What servers that call themselves OpenAI-compatible really send: recorded shapes, replayed over HTTP.

One entry a server: the members that it refuses and how, a whole answer, a stream. Texts are ours, shapes are theirs.
"""

import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Json = dict[str, object]
ANSWER = "Vous êtes remboursé sous 14 jours [1]. Les frais de retour sont offerts [2]."
THOUGHT = "The customer asks about refunds, passage [1] says it."


def pieces(text: str) -> list[str]:
    """Cut a text as a tokenizer might."""
    return re.findall(r"\s*\w+|\s*[^\w\s]", text)


@dataclass(frozen=True)
class Recorded:
    """One server. `refuses` names a member that it does not take, with its status and its error."""

    whole: Json
    stream: Sequence[str]
    refuses: dict[str, tuple[int, Json]] = field(default_factory=dict)


def _completion(message: Json, reason: str | None = "stop", **more: object) -> Json:
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1767600000, "model": "recorded",
        "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}],
        "usage": {"prompt_tokens": 120, "completion_tokens": 20, "total_tokens": 140}, **more,
    }  # fmt: skip


def chunk(delta: Json, reason: str | None = None, **more: object) -> str:
    body = {
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1767600000, "model": "recorded",
        "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more,
    }  # fmt: skip
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"


def _said(text: str = ANSWER) -> list[str]:
    return [chunk({"content": piece}) for piece in pieces(text)]


USAGE = {"usage": {"prompt_tokens": 120, "completion_tokens": 20, "total_tokens": 140}}
USAGE_CHUNK = f"data: {json.dumps({'id': 'c', 'model': 'recorded', 'choices': [], **USAGE})}\n\n"
DONE = "data: [DONE]\n\n"
ROLE = chunk({"role": "assistant", "content": ""})
STOP = chunk({}, "stop")


def _unsupported(name: str, message: str) -> dict[str, tuple[int, Json]]:
    error = {"message": message, "type": "invalid_request_error", "param": name, "code": "unsupported_parameter"}
    return {name: (400, {"error": error})}


RECORDED: dict[str, Recorded] = {
    "openai-chat": Recorded(
        _completion({"content": ANSWER, "refusal": None, "annotations": []}, service_tier="default"),
        [ROLE, *_said(), STOP, USAGE_CHUNK, DONE],
        _unsupported(
            "max_tokens",
            "Unsupported parameter: 'max_tokens' is not supported with this model."
            " Use 'max_completion_tokens' instead.",
        ),
    ),
    "azure": Recorded(
        _completion({"content": ANSWER}, prompt_filter_results=[{"prompt_index": 0, "content_filter_results": {}}]),
        [
            'data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[]}\n\n',
            ROLE, *_said(), STOP, DONE,
        ],
        {"stream_options": (400, {"error": {"code": None, "message": "Unrecognized request argument: stream_options",
                                            "param": None, "type": "invalid_request_error"}})},
    ),
    "groq": Recorded(
        _completion({"content": ANSWER, "reasoning": THOUGHT}, x_groq={"id": "req_1"}, usage_breakdown=None),
        [
            chunk({"role": "assistant", "content": None}, x_groq={"id": "req_1"}),
            chunk({"reasoning": THOUGHT}), *_said(),
            chunk({}, "stop", x_groq={"id": "req_1", **USAGE}), DONE,
        ],
    ),
    "mistral": Recorded(
        _completion({
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]}, {"type": "text", "text": ANSWER},
            ],
            "tool_calls": None,
        }),
        [
            ROLE, chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]}]}),
            *(chunk({"content": [{"type": "text", "text": piece}]}) for piece in pieces(ANSWER)),
            chunk({"content": ""}, "stop", **USAGE), DONE,
        ],
        {"stream_options": (422, {"object": "error", "type": "invalid_request_error", "code": None, "param": None,
                                  "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"],
                                                          "msg": "Extra inputs are not permitted"}]}})},
    ),
    "openrouter": Recorded(
        _completion({"content": ANSWER, "refusal": None, "reasoning": None}, provider="DeepInfra"),
        [
            ": OPENROUTER PROCESSING\n\n", ": OPENROUTER PROCESSING\n\n",
            *_said(), chunk({"content": "", "role": "assistant"}, "stop", native_finish_reason="stop"),
            chunk({"content": "", "role": "assistant"}, None, **USAGE), DONE,
        ],
    ),
    "together": Recorded(
        _completion({"content": f"<think>\n{THOUGHT}\n</think>\n\n{ANSWER}", "tool_calls": []}, "eos", prompt=[]),
        [
            *(chunk({"token_id": 1, "role": "assistant", "content": piece}, text=piece)
              for piece in ["<th", "ink>", THOUGHT, "</think", ">\n\n", *pieces(ANSWER)]),
            chunk({"content": ""}, "eos", **USAGE), DONE,
        ],
    ),
    "vllm": Recorded(
        _completion(
            {"content": f"{THOUGHT}\n</think>\n\n{ANSWER}", "reasoning_content": None}, stop_reason=None
        ),
        [
            ROLE, chunk({"reasoning_content": THOUGHT}), *_said(), chunk({"content": ""}, "stop", stop_reason=None),
            USAGE_CHUNK, DONE,
        ],
        {"system": (400, {"object": "error", "message": "System role not supported", "type": "BadRequestError",
                          "param": None, "code": 400})},
    ),
    "ollama": Recorded(
        _completion({"content": f"<think>\n\n</think>\n\n{ANSWER}"}, system_fingerprint="fp_ollama"),
        [
            *(chunk({"role": "assistant", "content": piece})
              for piece in pieces(f"<think> {THOUGHT} </think> {ANSWER}")),
            chunk({"role": "assistant", "content": ""}, "stop"), DONE,
        ],
    ),
    "lm-studio": Recorded(
        _completion({"content": ANSWER, "tool_calls": []}, stats={}, usage=None),
        [*_said(), STOP, DONE],
        {"stream_options": (400, {"error": "'stream_options' is an unknown field"})},
    ),
    "llama.cpp": Recorded(
        _completion({"content": ANSWER}, timings={"prompt_n": 120}, usage={"prompt_tokens": None}),
        ["data: " + chunk({"role": "assistant", "content": None})[6:].replace("\n\n", "\r\n\r\n"), *_said(),
         chunk({}, "stop", timings={"prompt_n": 120}), DONE],
        {"max_tokens": (500, {"error": {"code": 500, "message": "once", "type": "server_error"}})},
    ),
    "no-finish-reason": Recorded(_completion({"content": ANSWER}, None), [*_said(), DONE]),
    "stream-answered-whole": Recorded(_completion({"content": ANSWER}), []),
    "bare-refusal": Recorded(
        _completion({"content": ANSWER}), [*_said(), STOP, DONE], {"stream_options": (400, {})},
    ),
    "fastapi": Recorded(
        _completion({"content": ANSWER}), [*_said(), STOP, DONE],
        {"stream_options": (422, {"detail": [{"loc": ["body", "stream_options"], "msg": "extra fields"}]})},
    ),
}  # fmt: skip
"""Each must give ANSWER without its markers, and both citations."""

ODD: dict[str, tuple[Json, list[str]]] = {
    "content-filter": (
        _completion({"content": None}, "content_filter"),
        [ROLE, chunk({}, "content_filter"), DONE],
    ),
    "refusal": (
        _completion({"content": None, "refusal": "I'm sorry, I can't help with that."}),
        [ROLE, chunk({"refusal": "I can't help."}), STOP, DONE],
    ),
}
"""Each must give a polite refusal of ours."""

FAILING: dict[str, tuple[Json, list[str]]] = {
    "error-in-a-200": (
        {"error": {"message": "Provider returned error", "code": 502}},
        ['data: {"error":{"message":"Provider returned error","code":502}}\n\n'],
    ),
    "empty": (_completion({"content": ""}), [ROLE, STOP, DONE]),
    "no-choice": ({**_completion({}), "choices": []}, [DONE]),
    "tool-call": (
        _completion({"content": None, "tool_calls": [{"id": "t", "type": "function"}]}, "tool_calls"),
        [ROLE, chunk({"tool_calls": [{"index": 0}]}), chunk({}, "tool_calls"), DONE],
    ),
    "only-thoughts": (
        _completion({"content": f"<think>{THOUGHT}"}),
        [chunk({"content": f"<think>{THOUGHT}"}), STOP, DONE],
    ),
}
"""Each must be a problem, or leave the answer to the fallback; never an empty reply."""


@dataclass
class DialectServer:
    """Replays one dialect, and remembers what it was asked. `answer` may replace the recorded answers."""

    recorded: Recorded
    requests: list[Json] = field(default_factory=list)
    answer: Callable[[Json], Json | None] | None = None

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answer a chat completion."""
        body: Json = await request.json()
        self.requests.append(body)
        if refusal := self._refusal(body):
            return web.json_response(refusal[1], status=refusal[0])
        if self.answer and (given := self.answer(body)) is not None:
            return web.json_response(given)
        if not body.get("stream") or not self.recorded.stream:
            return web.json_response(self.recorded.whole)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        for event in self.recorded.stream:
            await response.write(event.encode())
        return response

    def _refusal(self, body: Json) -> tuple[int, Json] | None:
        messages = body["messages"]
        assert isinstance(messages, list)
        sent = {*body, *(message["role"] for message in messages)}
        name = next((name for name in self.recorded.refuses if name in sent), None)
        if name is None:
            return None
        refusal = self.recorded.refuses[name]
        if refusal[0] >= 500:  # such a server recovers
            self.recorded.refuses.pop(name)
        return refusal


@asynccontextmanager
async def dialect_server(recorded: Recorded) -> AsyncIterator[tuple[DialectServer, str]]:
    """Serve on a free loopback port; yield the server and its base URL."""
    server = DialectServer(Recorded(recorded.whole, recorded.stream, dict(recorded.refuses)))
    app = web.Application(client_max_size=8 * 1024 * 1024)
    app.router.add_post("/v1/chat/completions", server.chat)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield server, f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()
