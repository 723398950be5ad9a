"""Telegram's Bot API as far as text messages go: its paths, token, limits and errors, with faults to order."""

import threading
from collections import deque
from typing import Any, Literal

import orjson
from fastapi import FastAPI, Request
from starlette.responses import Response

Json = dict[str, Any]
Fault = Literal["busy", "fails", "blocked", "nonsense"]
TOKEN = "123456:telegram-token"
_ERRORS: dict[str, tuple[int, Json]] = {
    "busy": (429, {"description": "Too Many Requests: retry after 1", "parameters": {"retry_after": 1}}),
    "fails": (500, {"description": "Internal Server Error"}),
    "blocked": (403, {"description": "Forbidden: bot was blocked by the user"}),
    "token": (401, {"description": "Unauthorized"}),
    "method": (404, {"description": "Not Found"}),
    "chat": (400, {"description": "Bad Request: chat not found"}),
    "empty": (400, {"description": "Bad Request: message text is empty"}),
    "long": (400, {"description": "Bad Request: message is too long"}),
}


class Telegram:
    """`sent` holds accepted messages in order, `actions` what was shown; `faults` are met one after the other."""

    def __init__(self) -> None:
        self.reset()
        self.app = FastAPI()
        self.app.post("/bot{token}/{method}")(self._call)

    def reset(self) -> None:
        """Forget all that was, and be well."""
        self.sent: list[Json] = []
        self.actions: list[Json] = []
        self.faults: deque[Fault] = deque()
        self.changed = threading.Condition()

    async def _call(self, token: str, method: str, request: Request) -> Response:
        body: Json = orjson.loads(await request.body())
        if token != TOKEN:
            return _error("token")
        if not str(body.get("chat_id", "")).lstrip("-").isdigit():
            return _error("chat")
        if method == "sendChatAction":
            self.actions.append(body)
            return _json({"ok": True, "result": True})
        if method != "sendMessage":
            return _error("method")
        return self._send(body)

    def _send(self, body: Json) -> Response:
        units = len(body["text"].strip().encode("utf-16-le")) // 2
        if not 0 < units <= 4_096:
            return _error("long" if units else "empty")
        if fault := self.faults.popleft() if self.faults else None:
            return Response(b"<html>", 502) if fault == "nonsense" else _error(fault)
        with self.changed:
            self.sent.append(body)
            self.changed.notify_all()
        chat = {"id": int(body["chat_id"]), "type": "private"}
        return _json({"ok": True, "result": {"message_id": len(self.sent), "chat": chat, "text": body["text"]}})


def _json(document: Json, status: int = 200) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")


def _error(fault: str) -> Response:
    status, error = _ERRORS[fault]
    return _json({"ok": False, "error_code": status, **error}, status)
