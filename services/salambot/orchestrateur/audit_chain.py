"""The audit trail made tamper-evident: a chain of keyed seals over its records, checked record by record.

A seal covers records that no seal covered before, at most SEAL_RECORDS of them. Its MAC spans its number, the digest of
its records and the MAC before it; the key is not in the database. Sealing happens beside the requests, every
SEAL_EVERY_S seconds, so that no reply waits for the one before it. Records that retention removes leave their seal, and
a keyed checkpoint that says so: the chain still holds.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile
from operator import itemgetter

import asyncpg
import orjson
import structlog

from salambot.core.database import Connection, DatabaseUnavailableError, Pool, tenant_transaction, translate_errors
from salambot.core.schemas import utc_now

SEAL_EVERY_SECONDS = 10.0
SEAL_RECORDS = 1_000
CHECKED_AT_ONCE = 100
"""Seals that one call of `verify` checks."""
_LATE = 2_000
"""How far a late commit may lag behind in record numbers: seconds, at any supported rate."""
_UNSEALED_FOR = timedelta(minutes=10)
"""A record that is unsealed for longer is a fault: the sealing loop is not running."""
_FORGET_EVERY = 360
_MAX_FAULTS = 20
_PURPOSE = b"salambot audit seals"
_LOCK = 0x5A1A_B08
_log = structlog.get_logger(__name__)

_COLUMNS = "number, tenant, at, actor, action, outcome, trace_id, correlation_id"
_LATEST = "SELECT number, mac FROM audit_seals WHERE tenant = $1 ORDER BY number DESC LIMIT 1"
_UNSEALED = f"""
WITH last AS (SELECT coalesce(max(last_record), 0) - {_LATE} AS record FROM audit_seals WHERE tenant = $1),
covered AS (SELECT unnest(records) AS number FROM audit_seals, last WHERE tenant = $1 AND last_record > last.record)
SELECT {_COLUMNS} FROM audit
WHERE tenant = $1 AND number > (SELECT record FROM last) AND number NOT IN (SELECT number FROM covered)
ORDER BY number LIMIT $2"""  # noqa: S608 - constants
_SEAL = """
INSERT INTO audit_seals (tenant, number, records, last_record, last_at, digest, mac)
VALUES ($1, $2, $3, $4, $5, $6, $7)"""
_SEALS = """
SELECT number, records, digest, mac FROM audit_seals WHERE tenant = $1 AND number > $2 ORDER BY number LIMIT $3"""
_MAC_OF = "SELECT mac FROM audit_seals WHERE tenant = $1 AND number = $2"
_RECORDS = f"SELECT {_COLUMNS} FROM audit WHERE tenant = $1 AND number = ANY ($2) ORDER BY number"  # noqa: S608 - constants
_WAITING = """
WITH sealed AS MATERIALIZED (SELECT unnest(records) AS number FROM audit_seals WHERE tenant = $1)
SELECT count(*) FILTER (WHERE at < $2) AS late, count(*) AS waiting
FROM audit LEFT JOIN sealed USING (number) WHERE tenant = $1 AND sealed.number IS NULL"""
_RETIRED = "SELECT seal, mac FROM audit_checkpoints WHERE tenant = $1 ORDER BY seal DESC LIMIT 1"
_RETIRE = "INSERT INTO audit_checkpoints (tenant, seal, mac) VALUES ($1, $2, $3)"
_OLD = """
SELECT records, last_at < $3 AS is_old FROM audit_seals WHERE tenant = $1 AND number > $2 ORDER BY number LIMIT 100"""


@dataclass(slots=True)
class Verification:
    """The result of verifying a part of one tenant's hash chain."""

    seals: int = 0
    records: int = 0
    retired: int = 0
    """Seals whose records were removed by retention."""
    next: int | None = None
    """The seal to continue after; None at the end of the chain."""
    head: str = ""
    """The MAC of the last seal: noted elsewhere, it reveals a truncated chain."""
    heads: list[str] = field(default_factory=list)
    """The MACs of the checked seals; a noted MAC must be among them."""
    unsealed: int = 0
    faults: list[str] = field(default_factory=list)


class HashChain:
    """Appends to and verifies the chain of each tenant under one key."""

    def __init__(self, pool: Pool, key: bytes) -> None:
        self._pool = pool
        self._key = hmac.digest(key, _PURPOSE, "sha256")
        self._high = 0

    async def append(self, tenant: str) -> int:
        """Seal the unsealed records; return how many. Concurrent calls wait for one another."""
        async with tenant_transaction(self._pool, tenant) as rows:
            await rows.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", _LOCK, tenant)
            found = await rows.fetch(_UNSEALED, tenant, SEAL_RECORDS)
            if found:
                last = await rows.fetchrow(_LATEST, tenant)
                number, before = (last["number"] + 1, last["mac"]) if last else (1, b"")
                digest, numbers = _digest(found), [row["number"] for row in found]
                mac = self._mac(tenant, number, before, digest)
                latest = max(row["at"] for row in found)
                await rows.execute(_SEAL, tenant, number, numbers, numbers[-1], latest, digest, mac)
                self._high = max(self._high, numbers[-1])
        return len(found)

    async def verify(self, tenant: str, after: int = 0) -> Verification:
        """Verify the seals after `after`, at most CHECKED_AT_ONCE, and their records."""
        checked = Verification()
        async with tenant_transaction(self._pool, tenant) as rows:
            retired = await self._retired(rows, tenant, checked)
            number, before = after, await rows.fetchval(_MAC_OF, tenant, after) or b""
            seals = await rows.fetch(_SEALS, tenant, after, CHECKED_AT_ONCE)
            for seal in seals:
                if seal["number"] != number + 1:
                    checked.faults.append(f"seal {number + 1} is missing")
                elif not hmac.compare_digest(seal["mac"], self._mac(tenant, number + 1, before, seal["digest"])):
                    checked.faults.append(f"seal {number + 1} does not follow from the one before")
                number, before = seal["number"], seal["mac"]
                await self._check_records(rows, tenant, seal, checked, is_retired=number <= retired)
            checked.seals, checked.head = len(seals), before.hex()
            checked.heads = [seal["mac"].hex() for seal in seals]
            if len(seals) == CHECKED_AT_ONCE:
                checked.next = seals[-1]["number"]
            else:
                await self._check_waiting(rows, tenant, checked)
        del checked.faults[_MAX_FAULTS:]
        return checked

    async def purge(self, tenant: str, moment: datetime) -> int:
        """Remove the records of the oldest seals if all are older than `moment`; a checkpoint marks the position."""
        async with tenant_transaction(self._pool, tenant) as rows:
            retired = await self._retired(rows, tenant, Verification())
            seals = [*takewhile(itemgetter("is_old"), await rows.fetch(_OLD, tenant, retired, moment))]
            if not seals:
                return 0
            last = retired + len(seals)
            await rows.execute(_RETIRE, tenant, last, self._mac(tenant, last, b"checkpoint", b""))
            gone = [number for seal in seals for number in seal["records"]]
            return int(await rows.fetchval("SELECT forget_audit($1, $2)", tenant, gone))

    async def run(self, older_than: timedelta) -> None:
        """Seal every few seconds and purge every hour until cancelled; wait while Postgres is down."""
        turn = 0
        while True:
            with suppress(DatabaseUnavailableError):
                if turn % _FORGET_EVERY == 0:
                    await self._forget_all(utc_now() - older_than)
                for tenant in await self._tenants_after(self._high - _LATE):
                    await self._seal_all(tenant)
                turn += 1
            await asyncio.sleep(SEAL_EVERY_SECONDS)

    async def _tenants_after(self, record: int) -> list[str]:
        with translate_errors():
            found = await self._pool.fetch("SELECT audit_tenants_after($1)", record, timeout=300)
        return [row[0] for row in found]

    async def _seal_all(self, tenant: str) -> None:
        while await self.append(tenant) == SEAL_RECORDS:
            pass

    async def _forget_all(self, moment: datetime) -> None:
        for tenant in await self._tenants_after(0):
            await self._seal_all(tenant)
            while gone := await self.purge(tenant, moment):
                _log.info("old audit records are forgotten", records=gone)

    async def _retired(self, rows: Connection, tenant: str, checked: Verification) -> int:
        """Return the last seal whose records may be gone."""
        found = await rows.fetchrow(_RETIRED, tenant)
        if found is None:
            return 0
        if not hmac.compare_digest(found["mac"], self._mac(tenant, found["seal"], b"checkpoint", b"")):
            checked.faults.append("the checkpoint of the retention is forged")
            return 0
        return int(found["seal"])

    async def _check_records(
        self, rows: Connection, tenant: str, seal: asyncpg.Record, checked: Verification, *, is_retired: bool
    ) -> None:
        if is_retired:
            checked.retired += 1
            return
        number, covered = seal["number"], seal["records"]
        records = await rows.fetch(_RECORDS, tenant, covered)
        checked.records += len(records)
        if len(records) < len(covered):
            checked.faults.append(f"{len(covered) - len(records)} records of seal {number} are missing")
        elif not hmac.compare_digest(_digest(records), seal["digest"]):
            checked.faults.append(f"records of seal {number} were changed")

    async def _check_waiting(self, rows: Connection, tenant: str, checked: Verification) -> None:
        found = await rows.fetchrow(_WAITING, tenant, utc_now() - _UNSEALED_FOR, timeout=300)
        if found is not None:
            checked.unsealed = found["waiting"]
            if found["late"]:
                checked.faults.append(f"{found['late']} records are old and in no seal")

    def _mac(self, tenant: str, number: int, before: bytes, digest: bytes) -> bytes:
        return hmac.digest(self._key, orjson.dumps([tenant, number, before.hex(), digest.hex()]), "sha256")


def _digest(records: Sequence[asyncpg.Record]) -> bytes:
    """Return the SHA-256 of records, each as one line of JSON."""
    lines = b"\n".join(orjson.dumps([*record.values()]) for record in records)
    return hashlib.sha256(lines).digest()
