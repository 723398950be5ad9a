"""orchestrateur, rag and nlu as who calls them sees them: the internal contract, with faults to order."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Literal

import orjson
from fastapi import FastAPI, Request
from starlette.responses import Response, StreamingResponse

REPLY = {
    "reply": "Vous avez 14 jours pour changer d'avis.",
    "language": "fr",
    "citations": [{"id": "faq-1", "title": "Retours", "uri": "file:///kb/retours.md", "score": 0.82}],
    "model": "extractive",
    "provider": "local",
    "finish_reason": "stop",
    "usage": {"input_tokens": 4, "output_tokens": 7},
}
PASSAGE = {
    "id": "faq-1",
    "score": 0.82,
    "title": "Retours",
    "text": "14 jours",
    "uri": "file:///kb/retours.md",
    "language": "fr",
    "chunk": 2,
    "metadata": {},
}
Fault = Literal["none", "problem", "crash", "nonsense", "cut", "failed", "hangs", "silent"]


class Peers:
    """One server that plays all. `received` holds what came, `left` is set when a caller left a stream."""

    def __init__(self) -> None:
        self.reset()
        self.app = FastAPI()
        self.app.post("/internal/reply")(self._reply)
        self.app.post("/internal/generate")(self._reply)
        self.app.post("/internal/search")(self._search)
        self.app.get("/health/ready")(self._ready)

    def reset(self) -> None:
        """Forget all that was, and be well."""
        self.fault: Fault = "none"
        self.reply: dict[str, object] = REPLY
        self.echo = False
        """True if a reply repeats its prompt, so that it can be told which is answered."""
        self.received: list[dict[str, object]] = []
        self.headers: list[dict[str, str]] = []
        self.arrived = threading.Event()
        self.go_on = threading.Event()
        self.left = threading.Event()

    async def _note(self, request: Request) -> None:
        self.received.append(orjson.loads(await request.body()))
        self.headers.append(dict(request.headers))
        self.arrived.set()

    async def _ready(self) -> Response:
        body = orjson.dumps({"status": "down" if self.fault == "problem" else "ok"})
        return Response(body, 503 if self.fault == "problem" else 200, media_type="application/json")

    async def _search(self, request: Request) -> Response:
        await self._note(request)
        return self._faulty() or Response(
            orjson.dumps({"results": [PASSAGE], "took_ms": 1.5}), media_type="application/json"
        )

    async def _reply(self, request: Request) -> Response:
        await self._note(request)
        if self.fault == "hangs":
            await asyncio.to_thread(self.go_on.wait, 30)
        if faulty := self._faulty():
            return faulty
        if "application/x-ndjson" in request.headers.get("accept", ""):
            return StreamingResponse(self._lines(), media_type="application/x-ndjson")
        said = {"reply": self.received[-1]["prompt"]} if self.echo else {}
        return Response(orjson.dumps(self.reply | said), media_type="application/json")

    def _faulty(self) -> Response | None:
        problem = {"code": "postgres_unavailable", "detail": "postgres does not answer.", "status": 503}
        if self.fault == "problem":
            headers = {"Retry-After": "2"}
            return Response(orjson.dumps(problem), 503, headers, media_type="application/problem+json")
        if self.fault == "crash":
            return Response(b"canary: Traceback", 500)
        if self.fault == "nonsense":
            return Response(b'{"canary": 1}', media_type="application/json")
        return None

    async def _lines(self) -> AsyncIterator[bytes]:
        try:
            for word in ("Vous avez ", "14 jours"):
                yield orjson.dumps({"event": "delta", "text": word}) + b"\n"
            if self.fault == "silent":
                await asyncio.to_thread(self.go_on.wait, 30)
            if self.fault == "failed":
                problem = {"code": "llm_unavailable", "detail": "the LLM does not answer.", "status": 503}
                yield orjson.dumps({"event": "failed", "problem": problem}) + b"\n"
            elif self.fault != "cut":
                yield orjson.dumps({"event": "completed", "reply": REPLY}) + b"\n"
        except asyncio.CancelledError:
            self.left.set()
            raise
