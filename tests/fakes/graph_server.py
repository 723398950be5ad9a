"""Meta's Graph API as far as messages go: its paths, tokens, limits and error codes, with faults to order."""

import asyncio
import threading
import time
from collections import deque
from typing import Any, Literal

import orjson
from fastapi import FastAPI, Request
from starlette.responses import Response

Json = dict[str, Any]
Fault = Literal["busy", "pair", "fails", "token", "refuses", "window", "slow", "hangs", "hangs_after", "nonsense"]
"""`hangs_after`: the message is accepted, and the answer never comes; `hangs`: it is not accepted either; `slow`: it is
accepted, and the answer comes once it may `go_on`; `pair`: too many messages to this one user."""
TOKENS = {"messenger": "page-token", "whatsapp": "whatsapp-token"}
RETRY_AFTER_S = 3
LIMITS = {"messenger": 1_999, "whatsapp": 4_096}
_ERRORS: dict[str, tuple[int, Json]] = {
    "busy": (429, {"code": 130429, "message": "Rate limit hit"}),
    "pair": (400, {"code": 131056, "message": "(Business Account, Consumer Account) pair rate limit hit"}),
    "fails": (500, {"code": 2, "is_transient": True, "message": "Service temporarily unavailable"}),
    "token": (401, {"code": 190, "message": "Invalid OAuth access token"}),
    "refuses": (400, {"code": 100, "message": "Invalid parameter"}),
    "window": (400, {"code": 131047, "message": "Re-engagement message"}),
}


class Graph:
    """`sent` holds accepted messages in order, `marks` what was read or typed; `faults` are met one after the other."""

    def __init__(self) -> None:
        self.reset()
        self.app = FastAPI()
        self.app.post("/{version}/{account}/messages")(self._messages)

    def reset(self) -> None:
        """Forget all that was, and be well."""
        self.sent: list[Json] = []
        self.marks: list[Json] = []
        self.unanswered = 0
        """Accepted messages whose sender was never told."""
        self.asked: list[tuple[str, str, float]] = []
        """Who asked to send to whom, and when, whatever came of it."""
        self.faults: deque[Fault] = deque()
        self.changed = threading.Condition()
        self.go_on = threading.Event()

    def wait(self, count: int, seconds: float = 90) -> list[Json]:
        """Return what was sent, once there is so much of it."""
        with self.changed:
            arrived = self.changed.wait_for(lambda: len(self.sent) >= count, seconds)
        assert arrived, f"{len(self.sent)} of {count} messages were sent"
        return self.sent

    async def _messages(self, version: str, account: str, request: Request) -> Response:
        body: Json = orjson.loads(await request.body())
        channel = "whatsapp" if "messaging_product" in body else "messenger"
        if request.headers.get("authorization") != f"Bearer {TOKENS[channel]}":
            return _error("token")
        if _is_mark(channel, body):
            self.marks.append({"account": account, **body})
            return _json({"success": True})
        if refusal := _misshapen(channel, version, body):
            return _error("refuses", refusal)
        self.asked.append((account, _recipient(channel, body), time.monotonic()))
        fault = self.faults.popleft() if self.faults else None
        if fault in {"hangs", "hangs_after"}:
            if fault == "hangs_after":
                self.unanswered += 1
                self._accept(channel, account, body)
            await asyncio.to_thread(self.go_on.wait, 20)
            return Response(status_code=504)
        if fault == "slow":
            answer = self._accept(channel, account, body)
            await asyncio.to_thread(self.go_on.wait, 20)
            return _json(answer)
        if fault == "nonsense":
            return Response(b"<html>", 502)
        if fault:
            return _error(fault)
        return _json(self._accept(channel, account, body))

    def _accept(self, channel: str, account: str, body: Json) -> Json:
        with self.changed:
            number = len(self.sent) + 1
            text = body["message"]["text"] if channel == "messenger" else body["text"]["body"]
            to = _recipient(channel, body)
            self.sent.append({"channel": channel, "account": account, "to": to, "text": text, "body": body})
            self.changed.notify_all()
        if channel == "messenger":
            return {"recipient_id": to, "message_id": f"m_{number}"}
        return {"messaging_product": "whatsapp", "messages": [{"id": f"wamid.{number}"}]}


def _recipient(channel: str, body: Json) -> str:
    return str(body["recipient"]["id"] if channel == "messenger" else body.get("to", body.get("recipient")))


def _is_mark(channel: str, body: Json) -> bool:
    return "sender_action" in body if channel == "messenger" else body.get("status") == "read"


def _misshapen(channel: str, version: str, body: Json) -> str:
    if not version.startswith("v"):
        return "version"
    if channel == "messenger":
        text, fits = body["message"]["text"], body.get("messaging_type") == "RESPONSE"
    else:
        text, fits = body["text"]["body"], body.get("type") == "text"
    units = len(text.encode("utf-16-le")) // 2
    return "" if fits and 0 < units <= LIMITS[channel] else "message"


def _json(document: Json, status: int = 200) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")


def _error(fault: str, message: str = "") -> Response:
    status, error = _ERRORS[fault]
    answer = _json({"error": {"type": "OAuthException", "fbtrace_id": "x", **error, "message": message}}, status)
    if status == 429:
        answer.headers["Retry-After"] = str(RETRY_AFTER_S)
    return answer
