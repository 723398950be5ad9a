"""`/internal/webhooks`: what came, what became of it, and doing it once more; `salambot webhook` asks here."""

import hashlib
from datetime import datetime
from typing import Annotated

import orjson
from fastapi import FastAPI, Query, Request
from pydantic import Field
from redis.asyncio import Redis
from starlette.responses import Response

from salambot.core.database import Pool, tenant_transaction
from salambot.core.problems import Problem
from salambot.core.schemas import GivenTimestamp, Message, utc_text
from salambot.webhooks.encryption import decrypt
from salambot.webhooks.inbox import Inbox
from salambot.webhooks.previews import safe_preview
from salambot.webhooks.rejections import RejectionLog

_MAX_ITEMS = 500
_ID = "left(encode(sha256(convert_to(channel || ':' || message_id, 'UTF8')), 'hex'), 12)"
_ROWS = f"""
SELECT {_ID} AS id, channel, message_id, party, kind, preview, sent_at, received_at, finished_at, state, outcome,
       attempts, traceparent, correlation_id,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('content', content, 'state', state, 'language', language)
                                  ORDER BY part), '[]')
        FROM outbox WHERE outbox.tenant = inbox.tenant AND outbox.channel = inbox.channel
          AND outbox.message_id = inbox.message_id) AS parts
FROM inbox
WHERE tenant = $1 AND ($2::timestamptz IS NULL OR received_at >= $2) AND (NOT $3 OR state = 'failed')
ORDER BY received_at DESC, number DESC LIMIT $4"""  # noqa: S608 - constants
_WANTED = f"""
SELECT {_ID} AS id, channel, message_id, state, content, recipient, sealed
FROM inbox
WHERE tenant = $1 AND (cardinality($2::text[]) = 0 OR {_ID} = ANY ($2) OR message_id = ANY ($2))
  AND ($3::timestamptz IS NULL OR received_at >= $3) AND (NOT $4 OR state = 'failed')
ORDER BY number LIMIT {_MAX_ITEMS} FOR UPDATE"""  # noqa: S608 - constants


class ReplayRequest(Message):
    """Selects the messages to replay: these ids, those since a time, or the failed ones."""

    tenant: str
    ids: Annotated[list[str], Field(default_factory=list, max_length=_MAX_ITEMS)]
    since: GivenTimestamp | None = None
    failed: bool = False


def short_id(channel: str, message_id: str) -> str:
    """Return the id that people see: 12 hex digits."""
    return hashlib.sha256(f"{channel}:{message_id}".encode()).hexdigest()[:12]


class WebhookLog:
    """The inbox of one tenant, for its developer."""

    def __init__(self, pool: Pool, redis: Redis, key: bytes) -> None:
        self._pool = pool
        self._verdicts = RejectionLog(redis)
        self._key = key

    async def list(self, tenant: str, since: datetime | None, most: int, *, failed: bool) -> list[dict[str, object]]:
        """Return what came, the newest first: messages, and (unless only failures are asked for) verdicts."""
        async with tenant_transaction(self._pool, tenant) as rows:
            found = [_message(dict(row)) for row in await rows.fetch(_ROWS, tenant, since, failed, most)]
        if not failed:
            notes = [
                note for note in await self._verdicts.latest(most) if since is None or note.time >= utc_text(since)
            ]
            found += [
                {
                    "id": None,
                    "time": note.time,
                    "channel": note.channel,
                    "verdict": note.verdict,
                    "cause": note.cause,
                    "count": note.count,
                    "trace_id": note.trace_id,
                    "correlation_id": note.correlation_id,
                }
                for note in notes
            ]
        return sorted(found, key=lambda item: str(item["time"]), reverse=True)[:most]

    async def replay(self, wanted: ReplayRequest) -> dict[str, object]:
        """Set messages back to where they came in; return which, and why the others cannot be."""
        replayed: list[str] = []
        refused: list[dict[str, str]] = []
        async with tenant_transaction(self._pool, wanted.tenant) as rows:
            for row in await rows.fetch(_WANTED, wanted.tenant, wanted.ids, wanted.since, wanted.failed):
                plain = self._plain(row["recipient"], row["content"], row["sealed"])
                if row["state"] == "pending":
                    refused.append({"id": row["id"], "reason": "it is under way"})
                elif plain is None:
                    refused.append({"id": row["id"], "reason": "its body was not kept (WEBHOOK_KEEP_BODIES)"})
                else:
                    key = wanted.tenant, row["channel"], row["message_id"]
                    if row["state"] == "done":  # of a failed one, parts that were sent are not sent again
                        await rows.execute(
                            "DELETE FROM outbox WHERE (tenant, channel, message_id) = ($1, $2, $3)", *key
                        )
                    await rows.execute(_RESET, *key, *plain)
                    replayed.append(row["id"])
        return {"replayed": replayed, "refused": refused}

    def _plain(self, recipient: str | None, content: str | None, sealed: bytes | None) -> tuple[str, str] | None:
        if recipient is not None and content is not None:
            return recipient, content
        return decrypt(self._key, sealed) if sealed is not None else None


_RESET = """
UPDATE inbox SET state = 'pending', outcome = NULL, attempts = 0, due_at = now(), dispatched_at = '-infinity',
  claimed_by = NULL, claimed_until = NULL, finished_at = NULL, recipient = $4, content = $5
WHERE (tenant, channel, message_id) = ($1, $2, $3)"""


def _message(row: dict[str, object]) -> dict[str, object]:
    times = {name: _time(row[name]) for name in _TIMES}
    return {
        "id": row["id"],
        "time": times["received_at"],
        "channel": row["channel"],
        "verdict": "accepted",
        "message_id": row["message_id"],
        "user": str(row["party"])[:8],
        "kind": row["kind"],
        "text": row["preview"],
        "sent_at": times["sent_at"],
        "state": row["state"],
        "outcome": row["outcome"],
        "attempts": row["attempts"],
        "finished_at": times["finished_at"],
        "reply": _reply(orjson.loads(str(row["parts"]))),
        "trace_id": str(row["traceparent"]).split("-")[1],
        "correlation_id": row["correlation_id"],
    }


def _reply(parts: list[dict[str, str]]) -> dict[str, object] | None:
    if not parts:
        return None
    unsent = [part["state"] for part in parts if part["state"] != "sent"]
    return {
        "text": safe_preview(" ".join(part["content"] for part in parts)),
        "language": parts[0]["language"],
        "status": unsent[0] if unsent else "sent",
        "parts": len(parts),
    }


_TIMES = ("sent_at", "received_at", "finished_at")


def _time(value: object) -> str | None:
    return utc_text(value) if isinstance(value, datetime) else None


def add_console(app: FastAPI, redis: Redis, key: bytes) -> None:
    """Add the routes; the pool is `app.state.pool`."""

    def console(request: Request) -> WebhookLog:
        return WebhookLog(request.app.state.pool, redis, key)

    @app.get("/internal/webhooks")
    async def list_webhooks(
        request: Request,
        tenant: str,
        since: datetime | None = None,
        failed: bool = False,
        limit: Annotated[int, Query(ge=1, le=_MAX_ITEMS)] = 50,
    ) -> Response:
        """Report what came and what became of it."""
        try:
            found = await console(request).list(tenant, since, limit, failed=failed)
        except ValueError as error:
            raise Problem(422, "invalid_request", "That is not a tenant.") from error
        return Response(orjson.dumps({"webhooks": found}), media_type="application/json")

    @app.get("/internal/webhooks/load")
    async def load(request: Request) -> Response:
        """Report how many messages wait for their reply, and for how long the oldest has."""
        return Response(orjson.dumps(await Inbox(request.app.state.pool).load()), media_type="application/json")

    @app.post("/internal/webhooks/replay")
    async def replay(request: Request, wanted: ReplayRequest) -> Response:
        """Do messages once more."""
        done = await console(request).replay(wanted)
        return Response(orjson.dumps(done), media_type="application/json")
