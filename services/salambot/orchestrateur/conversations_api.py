"""`/internal/conversations`: the conversations of a tenant, for its operator: sought, filtered, and one in full."""

from datetime import datetime
from typing import Annotated

import orjson
from asyncpg import Record
from fastapi import FastAPI, Query, Request
from starlette.responses import Response

from salambot.core.database import Pool, tenant_transaction
from salambot.core.problems import Problem
from salambot.core.schemas import TenantName, utc_text
from salambot.webhooks.previews import safe_preview

_MAX_ITEMS = 200
_MAX_TURNS = 500
_ID = "left(encode(sha256(convert_to(channel || ':' || party, 'UTF8')), 'hex'), 12)"
_LATEST = """
SELECT content FROM turns WHERE turns.tenant = known.tenant AND turns.channel = known.channel
  AND turns.party = known.party AND role = 'user' ORDER BY number DESC LIMIT 1"""
_ANSWERED = """
SELECT answered FROM turns WHERE turns.tenant = known.tenant AND turns.channel = known.channel
  AND turns.party = known.party AND role = 'assistant' ORDER BY number DESC LIMIT 1"""
_LIST = f"""
SELECT * FROM (
  SELECT {_ID} AS id, channel, party, language, turns, started_at, last_at,
    ({_LATEST}) AS latest, coalesce(({_ANSWERED}), false) AS answered
  FROM conversations AS known
  WHERE tenant = $1 AND ($2 = '' OR channel = $2) AND ($3 = '' OR language = $3)
    AND ($4 = '' OR EXISTS (
      SELECT FROM turns WHERE turns.tenant = known.tenant AND turns.channel = known.channel
        AND turns.party = known.party AND strpos(lower(content), lower($4)) > 0))) AS listed
WHERE $5 = '' OR answered = ($5 = 'yes')
ORDER BY last_at DESC LIMIT $6"""  # noqa: S608 - constants
_TURNS = f"""
SELECT at, role, content, message_id, answered, channel, party FROM turns
WHERE tenant = $1 AND (channel, party) IN (
  SELECT channel, party FROM conversations WHERE tenant = $1 AND {_ID} = $2)
ORDER BY number DESC LIMIT {_MAX_TURNS}"""  # noqa: S608 - constants
_UNANSWERED = """
SELECT lower(btrim(asked.content, E' \\t\\n?؟!.')) AS question, count(*) AS times, max(asked.at) AS last_at,
  min(asked.content) AS content
FROM turns AS reply JOIN turns AS asked USING (tenant, channel, party, message_id)
WHERE tenant = $1 AND NOT reply.answered AND asked.role = 'user' AND reply.at > now() - interval '7 days'
GROUP BY question ORDER BY times DESC, last_at DESC LIMIT $2"""
Filter = Annotated[str, Query(max_length=200)]


def add_conversations(app: FastAPI) -> None:
    """Add the routes; the pool is `app.state.pool`."""

    @app.get("/internal/conversations")
    async def show(
        request: Request,
        tenant: TenantName,
        channel: Filter = "",
        language: Filter = "",
        q: Filter = "",
        answered: Annotated[str, Query(pattern="^(|yes|no)$")] = "",
        limit: Annotated[int, Query(ge=1, le=_MAX_ITEMS)] = 100,
    ) -> Response:
        """Return conversations, the latest first; what was said last is redacted."""
        found = await _fetch(request.app.state.pool, tenant, _LIST, channel, language, q, answered, limit)
        listed = [{**_plain(row), "latest": safe_preview(row["latest"] or "")} for row in found]
        return _json({"conversations": listed})

    @app.get("/internal/conversations/unanswered")
    async def unanswered(
        request: Request, tenant: TenantName, limit: Annotated[int, Query(ge=1, le=_MAX_ITEMS)] = 20
    ) -> Response:
        """Return the questions of the last 7 days that the documents do not answer, the most frequent first."""
        found = await _fetch(request.app.state.pool, tenant, _UNANSWERED, limit)
        return _json({"questions": [{**_plain(row), "content": safe_preview(row["content"])} for row in found]})

    @app.get("/internal/conversations/{identity}")
    async def turns(request: Request, tenant: TenantName, identity: str) -> Response:
        """Return what was said, oldest first, in full."""
        found = await _fetch(request.app.state.pool, tenant, _TURNS, identity)
        if not found:
            raise Problem(404, "conversation_unknown", "There is no such conversation.")
        head = {"id": identity, "channel": found[0]["channel"], "party": found[0]["party"]}
        return _json({**head, "turns": [_plain(row) for row in reversed(found)]})


async def _fetch(pool: Pool, tenant: str, query: str, *arguments: object) -> list[Record]:
    async with tenant_transaction(pool, tenant) as rows:
        return list(await rows.fetch(query, tenant, *arguments))


def _plain(row: Record) -> dict[str, object]:
    return {name: utc_text(value) if isinstance(value, datetime) else value for name, value in row.items()}


def _json(document: dict[str, object]) -> Response:
    return Response(orjson.dumps(document), media_type="application/json")
