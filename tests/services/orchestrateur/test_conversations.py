"""Conversations in a real Postgres and a real Valkey: durable, isolated, bounded, and without Redis too."""

from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from salambot.core.database import Pool, connect, tenant_transaction
from salambot.core.redis_client import connect as connect_redis
from salambot.core.schemas import Reply, ReplyRequest, Turn
from salambot.orchestrateur.conversations import REMEMBERED_TURNS, Conversations
from tests.servers import ValkeyServer

REPLY = Reply(reply="Sous 14 jours.", language="fr", model="extractive-1", provider="local")


def asked(prompt: str = "Quel délai ?", tenant: str = "demo", user: str | None = "user-hash") -> ReplyRequest:
    return ReplyRequest(
        tenant=tenant, channel="whatsapp", message_id="m1", correlation_id="c1", prompt=prompt, user=user
    )


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with await connect(database_url) as pool:
        yield pool


@pytest.fixture
async def conversations(pool: Pool, valkey_server: ValkeyServer) -> AsyncIterator[Conversations]:
    redis = connect_redis(valkey_server.url())
    await redis.flushall()
    yield Conversations(pool, redis)
    await redis.aclose()


async def rows(pool: Pool, query: str, tenant: str = "demo") -> list[asyncpg.Record]:
    async with tenant_transaction(pool, tenant) as connection:
        return await connection.fetch(query)


async def test_both_turns_and_the_audit_record_are_stored(pool: Pool, conversations: Conversations) -> None:
    await conversations.record(asked("Quel d\0élai ?"), REPLY)
    turns = await rows(pool, "SELECT role, content FROM turns ORDER BY number")
    assert [tuple(turn) for turn in turns] == [("user", "Quel délai ?"), ("assistant", "Sous 14 jours.")]
    (audit,) = await rows(pool, "SELECT actor, action, outcome, correlation_id FROM audit")
    assert tuple(audit) == ("user-hash", "reply", "stop", "c1")
    (conversation,) = await rows(pool, "SELECT party, language, turns FROM conversations")
    assert tuple(conversation) == ("user-hash", "fr", 2)


async def test_an_exchange_that_is_made_again_stands_there_once(pool: Pool, conversations: Conversations) -> None:
    await conversations.record(asked("question 1"), REPLY)
    again = asked("question 2").model_copy(update={"message_id": "m2"})
    await conversations.record(again, REPLY)  # and its worker dies before it hears of it: the next one asks again
    await conversations.record(again, REPLY.model_copy(update={"reply": "Deux semaines."}))
    said = [turn.content for turn in await conversations.recent_turns(asked())]
    assert said == ["question 1", "Sous 14 jours.", "question 2", "Deux semaines."]
    assert [turn["content"] for turn in await rows(pool, "SELECT content FROM turns ORDER BY number")] == said
    assert [turns["turns"] for turns in await rows(pool, "SELECT turns FROM conversations")] == [4]


async def test_the_latest_turns_are_bounded_and_in_order(conversations: Conversations) -> None:
    for number in range(10):
        await conversations.record(asked(f"question {number}"), REPLY)
    latest = await conversations.recent_turns(asked())
    assert len(latest) == REMEMBERED_TURNS
    assert latest[-2:] == [Turn(role="user", content="question 9"), Turn(role="assistant", content="Sous 14 jours.")]
    assert latest[0].content == "question 4"


async def test_what_is_hot_is_what_is_durable(
    pool: Pool, conversations: Conversations, valkey_server: ValkeyServer
) -> None:
    await conversations.record(asked(), REPLY)
    hot = await conversations.recent_turns(asked())
    await pool.execute("SELECT forget_before(now() + interval '1 hour')")
    assert await conversations.recent_turns(asked()) == hot
    redis = connect_redis(valkey_server.url())
    await redis.flushall()
    await redis.aclose()
    assert await conversations.recent_turns(asked()) == []


async def test_nobody_without_a_name_is_remembered(conversations: Conversations) -> None:
    await conversations.record(asked(user=None), REPLY)
    assert await conversations.recent_turns(asked(user=None)) == []


async def test_a_tenant_never_sees_the_turns_of_another(pool: Pool, conversations: Conversations) -> None:
    await conversations.record(asked(tenant="one"), REPLY)
    assert await conversations.recent_turns(asked(tenant="two")) == []
    for table in ("turns", "conversations", "audit"):
        assert await rows(pool, f"SELECT * FROM {table}", tenant="two") == []  # noqa: S608 - our own names


async def test_the_audit_trail_is_append_only(pool: Pool, conversations: Conversations) -> None:
    await conversations.record_refusal(asked(), "llm_unavailable")
    for change in ("DELETE FROM audit", "UPDATE audit SET outcome = 'stop'"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await rows(pool, change)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(change)
    assert [row["outcome"] for row in await rows(pool, "SELECT outcome FROM audit")] == ["llm_unavailable"]


async def test_old_turns_of_all_tenants_are_forgotten_and_recent_ones_kept(
    pool: Pool, conversations: Conversations
) -> None:
    for tenant in ("one", "two"):
        await conversations.record(asked(tenant=tenant), REPLY)
    assert await conversations.purge(timedelta(hours=1)) == 0
    assert await conversations.purge(timedelta(seconds=-1)) == 4
    assert await rows(pool, "SELECT * FROM conversations", tenant="one") == []
    assert len(await rows(pool, "SELECT * FROM audit", tenant="one")) == 1


async def test_without_redis_postgres_serves_and_stale_hot_state_is_not_trusted(
    conversations: Conversations, valkey_server: ValkeyServer
) -> None:
    await conversations.record(asked("avant"), REPLY)
    valkey_server.kill()
    try:
        await conversations.record(asked("pendant"), REPLY)
        during = await conversations.recent_turns(asked())
    finally:
        valkey_server.start()
    after = await conversations.recent_turns(asked())
    assert [turn.content for turn in during if turn.role == "user"] == ["avant", "pendant"]
    assert after == during
