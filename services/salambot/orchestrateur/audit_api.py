"""`/internal/audit` and `/internal/privacy`: the audit trail, and export and erasure of one user's data."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import orjson
from fastapi import FastAPI, Query, Request
from pydantic import Field
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.responses import Response

from salambot.core import tracing
from salambot.core.database import Connection, Pool, tenant_transaction
from salambot.core.problems import Problem
from salambot.core.schemas import Message, TenantName, utc_text
from salambot.orchestrateur.audit_chain import HashChain
from salambot.webhooks.channels import CHANNELS
from salambot.webhooks.channels.base import SOLE_ACCOUNT
from salambot.webhooks.inbox_writer import hash_user

_MAX_ITEMS = 1000
_AUDIT = """
SELECT at, tenant, actor, action, outcome, trace_id, correlation_id FROM audit
WHERE tenant = $1 AND ($2::text IS NULL OR correlation_id = $2) ORDER BY at DESC LIMIT $3"""
_RECORD = "SELECT record_audit($1, $2, $3, $4, $5, $6)"
_TURNS = """
SELECT channel, at, role, content, message_id FROM turns WHERE tenant = $1 AND party = ANY ($2)
ORDER BY channel, number"""
_INBOX = """
SELECT channel, message_id, received_at, preview, state FROM inbox WHERE tenant = $1 AND party = ANY ($2)
ORDER BY number"""
_LINKED = """
SELECT other.party FROM identities AS one JOIN identities AS other USING (tenant, channel, person)
WHERE one.tenant = $1 AND (one.party = ANY ($2) OR one.person = ANY ($2))"""
_ERASED = ("turns", "conversations", "inbox")
Word = Annotated[str, Field(min_length=1, max_length=128)]


class AuditRecord(Message):
    """An event outside the services: a seed run, a secret read."""

    tenant: TenantName
    actor: Word
    action: Word
    outcome: Word
    correlation_id: Word


class DataSubject(Message):
    """A data subject, by channel id, by hash, or by correlation id."""

    tenant: TenantName
    user: Annotated[str, Field(min_length=1, max_length=256)]
    accounts: Annotated[list[Word], Field(default_factory=list, max_length=200)]
    """Pages and phone numbers in addition to those in the inbox."""


class AuditLog:
    """The audit and privacy endpoints of one tenant."""

    def __init__(self, pool: Pool, redis: Redis, key: bytes) -> None:
        self._pool = pool
        self._redis = redis
        self._key = key

    async def audit(self, tenant: str, correlation_id: str | None, most: int) -> list[dict[str, object]]:
        """Return audit records, the newest first."""
        async with tenant_transaction(self._pool, tenant) as rows:
            return [_plain(dict(row)) for row in await rows.fetch(_AUDIT, tenant, correlation_id, most)]

    async def record(self, record: AuditRecord) -> None:
        """Append a record."""
        async with tenant_transaction(self._pool, record.tenant) as rows:
            given = (record.tenant, record.actor, record.action, record.outcome)
            await rows.execute(_RECORD, *given, tracing.trace_id(), record.correlation_id)

    async def export(self, person: DataSubject) -> dict[str, object]:
        """Return all data stored about a person."""
        async with tenant_transaction(self._pool, person.tenant) as rows:
            parties = await self._parties(rows, person)
            turns = await rows.fetch(_TURNS, person.tenant, parties)
            inbox = await rows.fetch(_INBOX, person.tenant, parties)
            await self._note(rows, person, parties, "export")
        return {"turns": [_plain(dict(row)) for row in turns], "messages": [_plain(dict(row)) for row in inbox]}

    async def erase(self, person: DataSubject) -> dict[str, object]:
        """Delete all data of a person; return the row count by table. The audit trail keeps a hash."""
        async with tenant_transaction(self._pool, person.tenant) as rows:
            parties = await self._parties(rows, person)
            erased = {table: await self._delete(rows, table, person.tenant, parties) for table in _ERASED}
            for table in ("identities", "writing_reminders"):
                await self._delete(rows, table, person.tenant, parties)
            await self._note(rows, person, parties, "erase")
        hot = [f"salambot:{person.tenant}:turns:{channel}:{party}" for channel in _HOT for party in parties]
        try:
            await self._redis.delete(*hot)
        except RedisError as error:
            detail = "Redis does not answer: what it holds of the last 24 hours is not erased yet. Do it again."
            raise Problem(503, "erased_in_part", detail) from error
        return {"erased": erased}

    async def _parties(self, rows: Connection, person: DataSubject) -> list[str]:
        found = await rows.fetch("SELECT DISTINCT account FROM inbox WHERE tenant = $1", person.tenant)
        accounts = {*(row["account"] for row in found), *person.accounts, person.tenant, SOLE_ACCOUNT}
        hashes = [hash_user(self._key, channel, account, person.user) for channel in CHANNELS for account in accounts]
        linked = await rows.fetch(_LINKED, person.tenant, [person.user, *hashes])
        return [person.user, *(row["party"] for row in linked), *hashes]

    async def _delete(self, rows: Connection, table: str, tenant: str, parties: list[str]) -> int:
        query = f"DELETE FROM {table} WHERE tenant = $1 AND party = ANY ($2)"  # noqa: S608 - a constant
        return int((await rows.execute(query, tenant, parties)).rpartition(" ")[2])

    async def _note(self, rows: Connection, person: DataSubject, parties: list[str], action: str) -> None:
        ids = tracing.trace_id(), tracing.correlation_id() or "-"
        await rows.execute(_RECORD, person.tenant, parties[-1], action, "done", *ids)


_HOT = ("webchat", "api", *CHANNELS)


def _plain(row: dict[str, object]) -> dict[str, object]:
    return {name: utc_text(value) if isinstance(value, datetime) else value for name, value in row.items()}


def add_records(app: FastAPI, redis: Redis, key: bytes) -> None:
    """Add the routes; the pool is `app.state.pool`."""

    def records(request: Request) -> AuditLog:
        return AuditLog(request.app.state.pool, redis, key)

    @app.get("/internal/audit")
    async def show(
        request: Request,
        tenant: TenantName,
        correlation_id: str | None = None,
        limit: Annotated[int, Query(ge=1, le=_MAX_ITEMS)] = 100,
    ) -> Response:
        """Return audit records."""
        return _json({"records": await records(request).audit(tenant, correlation_id, limit)})

    @app.get("/internal/audit/check")
    async def check(request: Request, tenant: TenantName, after: Annotated[int, Query(ge=0)] = 0) -> Response:
        """Verify a part of the hash chain."""
        seals = HashChain(request.app.state.pool, key)
        if after == 0:
            await seals.append(tenant)
        return _json(asdict(await seals.verify(tenant, after)))

    @app.post("/internal/audit")
    async def record(request: Request, wanted: AuditRecord) -> Response:
        """Append an audit record."""
        await records(request).record(wanted)
        return _json({"status": "done"})

    @app.post("/internal/privacy/export")
    async def export(request: Request, person: DataSubject) -> Response:
        """Return one person's data."""
        return _json(await records(request).export(person))

    @app.post("/internal/privacy/erase")
    async def erase(request: Request, person: DataSubject) -> Response:
        """Delete one person's data."""
        return _json(await records(request).erase(person))


def _json(document: dict[str, object]) -> Response:
    return Response(orjson.dumps(document), media_type="application/json")
