"""The chain of seals: it holds over what is added and what retention removes, and over nothing else."""

from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from salambot.core.database import Pool, connect, tenant_transaction
from salambot.core.schemas import utc_now
from salambot.orchestrateur import audit_chain as module
from salambot.orchestrateur.audit_chain import HashChain, Verification

ADD = "SELECT record_audit($1, 'salambot', 'secret.read', 'done', '-', $2)"
SLIP_IN = """
INSERT INTO audit (tenant, at, actor, action, outcome, trace_id, correlation_id, number) OVERRIDING SYSTEM VALUE
VALUES ('demo', now() - interval '1 day', 'x', 'reply', 'stop', '-', '-', -5)"""
KEY = b"key-of-the-environment"


class Trail:
    """The audit trail of the tenant `demo`, and a superuser's way around every rule."""

    def __init__(self, pool: Pool, url: str) -> None:
        self.pool = pool
        self.url = url
        self.seals = HashChain(pool, KEY)

    async def add(self, count: int, tenant: str = "demo") -> None:
        for number in range(count):
            await self.pool.execute(ADD, tenant, f"corr-{number}")

    async def tamper(self, *statements: str) -> None:
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute("SET session_replication_role = replica")  # no trigger fires
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def checked(self) -> Verification:
        return await self.seals.verify("demo")


@pytest.fixture
async def trail(database_url: str) -> AsyncIterator[Trail]:
    async with await connect(database_url) as pool:
        yield Trail(pool, database_url)


async def test_what_is_sealed_holds_and_is_sealed_once(trail: Trail) -> None:
    for count in (3, 2):
        await trail.add(count)
        await trail.add(1, "atlas")
        assert await trail.seals.append("demo") == count
        assert await trail.seals.append("demo") == 0
    await trail.add(1)
    found = await trail.checked()
    assert (found.seals, found.records, found.unsealed, found.faults) == (2, 5, 1, [])
    assert found.heads[-1] == found.head
    assert (await trail.seals.verify("atlas")).unsealed == 2


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE audit SET outcome = 'failed' WHERE number = 2", "records of seal 1 were changed"),
        ("UPDATE audit SET at = at - interval '1 s' WHERE number = 5", "records of seal 2 were changed"),
        ("DELETE FROM audit WHERE number = 4", "1 records of seal 2 are missing"),
        ("DELETE FROM audit_seals WHERE number = 1", "seal 1 is missing"),
        ("UPDATE audit_seals SET records = records[1:1] WHERE number = 1", "records of seal 1 were changed"),
        (
            "UPDATE audit_seals SET digest = sha256('x') WHERE number = 2",
            "seal 2 does not follow from the one before",
        ),
        (
            "INSERT INTO audit_checkpoints (tenant, seal, mac) VALUES ('demo', 1, sha256('x'))",
            "the checkpoint of the retention is forged",
        ),
        (
            SLIP_IN,
            "1 records are old and in no seal",
        ),
    ],
)
async def test_whatever_a_superuser_does_to_it_shows(trail: Trail, statement: str, fault: str) -> None:
    for _ in range(2):
        await trail.add(3)
        await trail.seals.append("demo")
    assert (await trail.checked()).faults == []
    await trail.tamper(statement)
    assert fault in (await trail.checked()).faults


async def test_a_chain_made_anew_with_another_key_does_not_hold(trail: Trail) -> None:
    await trail.add(3)
    await HashChain(trail.pool, b"another key").append("demo")
    assert (await trail.checked()).faults == ["seal 1 does not follow from the one before"]


async def test_retention_removes_old_records_and_the_chain_still_holds(trail: Trail) -> None:
    await trail.add(3)
    await trail.seals.append("demo")
    middle = utc_now()
    await trail.add(2)
    await trail.seals.append("demo")
    assert await trail.seals.purge("demo", middle) == 3
    assert await trail.seals.purge("demo", middle) == 0
    found = await trail.checked()
    assert (found.seals, found.retired, found.records, found.faults) == (2, 1, 2, [])
    assert await trail.seals.purge("demo", utc_now() + timedelta(days=1)) == 2
    await trail.add(1)
    await trail.seals.append("demo")
    found = await trail.checked()
    assert (found.seals, found.retired, found.records, found.faults) == (3, 2, 1, [])


async def test_the_services_themselves_can_neither_change_nor_delete(trail: Trail) -> None:
    await trail.add(1)
    await trail.seals.append("demo")
    for table in ("audit", "audit_seals", "audit_checkpoints"):
        for statement in ("DELETE FROM {}", "UPDATE {} SET tenant = 'x'", "TRUNCATE {}"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with tenant_transaction(trail.pool, "demo") as rows:
                    await rows.execute(statement.format(table))


async def test_a_long_chain_is_checked_in_parts(trail: Trail) -> None:
    for _ in range(module.CHECKED_AT_ONCE + 1):
        await trail.add(1)
        await trail.seals.append("demo")
    first = await trail.checked()
    assert (first.seals, first.next) == (module.CHECKED_AT_ONCE, module.CHECKED_AT_ONCE)
    rest = await trail.seals.verify("demo", module.CHECKED_AT_ONCE)
    assert (rest.seals, rest.next, rest.faults) == (1, None, [])
