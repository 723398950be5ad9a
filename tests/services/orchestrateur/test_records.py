"""The audit trail by correlation id; one user's data exported and erased, and nobody else's."""

import json

import aiohttp
import pytest
from redis.asyncio import Redis

from salambot.webhooks.inbox_writer import hash_user
from tests.services.orchestrateur.conftest import TOKEN, Orchestra

KEY = TOKEN.get_secret_value().encode()
PAGE = "page-1"
HOSTILE = ["../x", "a b", "demo'; --", "x" * 300, "dеmo", "demo\u200b", "DEMO", "", "demo\n"]
"""The fifth has a Cyrillic e."""


async def ask(orchestra: Orchestra, method: str, path: str, **more: object) -> tuple[int, dict[str, object]]:
    headers = {"X-SalamBot-Internal": TOKEN.get_secret_value()}
    url = str(orchestra.hop._base).rstrip("/") + path
    async with aiohttp.ClientSession(headers=headers) as session, session.request(method, url, **more) as answer:  # type: ignore[arg-type] # params or json
        return answer.status, await answer.json()


async def test_audit_by_correlation_id(orchestra: Orchestra) -> None:
    await orchestra.reply("Bonjour", correlation_id="corr_a")
    await orchestra.reply("Bonjour", correlation_id="corr_b")
    body = {"tenant": "demo", "actor": "salambot", "action": "seed", "outcome": "done", "correlation_id": "corr_c"}
    assert (await ask(orchestra, "POST", "/internal/audit", json=body))[0] == 200
    _, one = await ask(orchestra, "GET", "/internal/audit", params={"tenant": "demo", "correlation_id": "corr_a"})
    [found] = one["records"]  # type: ignore[misc] # a list
    assert (found["action"], found["outcome"], found["correlation_id"]) == ("reply", "stop", "corr_a")
    assert found["at"].endswith("Z")
    _, every = await ask(orchestra, "GET", "/internal/audit", params={"tenant": "demo"})
    assert [entry["correlation_id"] for entry in every["records"]] == ["corr_c", "corr_b", "corr_a"]  # type: ignore[attr-defined] # a list
    _, other = await ask(orchestra, "GET", "/internal/audit", params={"tenant": "atlas"})
    assert other["records"] == []


async def test_export_and_erase_one_user(orchestra: Orchestra, redis_url: str) -> None:
    mine, other = (hash_user(KEY, "messenger", PAGE, user) for user in ("customer-1", "customer-2"))
    await orchestra.reply("Quels sont vos horaires ?", channel="messenger", user=mine)
    await orchestra.reply("Bonjour", channel="messenger", user=other)
    person = {"tenant": "demo", "user": "customer-1", "accounts": [PAGE]}
    _, exported = await ask(orchestra, "POST", "/internal/privacy/export", json=person)
    assert [turn["role"] for turn in exported["turns"]] == ["user", "assistant"]  # type: ignore[attr-defined] # a list
    async with Redis.from_url(redis_url) as redis:
        assert await redis.exists(f"salambot:demo:turns:messenger:{mine}")
        _, done = await ask(orchestra, "POST", "/internal/privacy/erase", json=person)
        assert not await redis.exists(f"salambot:demo:turns:messenger:{mine}")
        assert await redis.exists(f"salambot:demo:turns:messenger:{other}")
    assert done["erased"] == {"turns": 2, "conversations": 1, "inbox": 0}
    assert {row["party"] for row in await orchestra.rows("SELECT party FROM turns")} == {other}
    _, again = await ask(orchestra, "POST", "/internal/privacy/erase", json=person)
    assert again["erased"] == {"turns": 0, "conversations": 0, "inbox": 0}
    actions = [row["action"] for row in await orchestra.rows("SELECT action, actor FROM audit ORDER BY at")]
    assert actions == ["reply", "reply", "export", "erase", "erase"]
    assert not any("customer" in row["actor"] for row in await orchestra.rows("SELECT actor FROM audit"))


async def test_one_person_with_two_ids_is_exported_and_erased_by_either(orchestra: Orchestra) -> None:
    phone, scoped = (hash_user(KEY, "whatsapp", PAGE, user) for user in ("212611223344", "MA.1"))
    for user in (phone, scoped):  # before WhatsApp told that they are one
        await orchestra.reply("Quels sont vos horaires ?", channel="whatsapp", user=user)
    arrival = {"tenant": "demo", "channel": "whatsapp", "kind": "link", "party": scoped, "other_party": phone}
    await orchestra.rows(f"SELECT store_messages('{json.dumps([arrival])}')")
    for user in ("212611223344", "MA.1"):
        person = {"tenant": "demo", "user": user, "accounts": [PAGE]}
        _, exported = await ask(orchestra, "POST", "/internal/privacy/export", json=person)
        assert len(exported["turns"]) == 4  # type: ignore[arg-type] # a list
    _, done = await ask(orchestra, "POST", "/internal/privacy/erase", json=person)
    assert done["erased"] == {"turns": 4, "conversations": 1, "inbox": 0}
    assert await orchestra.rows("SELECT FROM identities") == []


async def test_another_tenant_reaches_nothing(orchestra: Orchestra) -> None:
    mine = hash_user(KEY, "messenger", PAGE, "customer-1")
    await orchestra.reply("Bonjour", channel="messenger", user=mine)
    person = {"tenant": "atlas", "user": mine}
    _, exported = await ask(orchestra, "POST", "/internal/privacy/export", json=person)
    assert exported == {"turns": [], "messages": []}
    _, done = await ask(orchestra, "POST", "/internal/privacy/erase", json=person)
    assert done["erased"] == {"turns": 0, "conversations": 0, "inbox": 0}
    assert len(await orchestra.rows("SELECT 1 FROM turns")) == 2


@pytest.mark.parametrize("tenant", HOSTILE)
async def test_hostile_tenants_are_refused(orchestra: Orchestra, tenant: str) -> None:
    status, problem = await ask(orchestra, "GET", "/internal/audit", params={"tenant": tenant})
    assert status == 422
    for path in ("/internal/privacy/export", "/internal/privacy/erase"):
        status, problem = await ask(orchestra, "POST", path, json={"tenant": tenant, "user": "x"})
        assert status == 422
        assert tenant == "" or tenant not in str(problem.get("detail"))
