"""Servers that die while orchestrateur serves, and come back: clear problems, recovery, and no lost conversation."""

import asyncio

import aiohttp
import pytest
from pydantic import SecretStr

from salambot.core.problems import Problem
from salambot.core.schemas import Reply, ReplyCompleted, ReplyDelta, ReplyFailed
from salambot.rpc.service_client import ServiceClient
from tests.fakes.openai_server import openai_server
from tests.servers import PostgresServer, ValkeyServer
from tests.services.orchestrateur.conftest import TOKEN, Orchestra, request, running

KNOWN = {"user": "keyed-hash", "channel": "whatsapp"}
PATIENCE_S = 60


async def test_postgres_dies_and_comes_back(orchestra: Orchestra, postgres_server: PostgresServer) -> None:
    acknowledged = 0
    await orchestra.reply("Quels sont vos horaires ?", **KNOWN)
    acknowledged += 1
    postgres_server.kill()
    try:
        for prompt in ("Bonjour SalamBot", "Puis-je payer par carte ?"):
            with pytest.raises(Problem) as caught:
                await orchestra.reply(prompt, **KNOWN)
            assert (caught.value.status, caught.value.code) == (503, "postgres_unavailable")
        with pytest.raises(Problem) as caught:
            await orchestra.events("Puis-je payer par carte ?")
        assert caught.value.status == 503
    finally:
        postgres_server.start()
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await orchestra.reply("Puis-je payer par carte ?", **KNOWN)
            except Problem:
                continue
            break
    acknowledged += 1
    (kept,) = await orchestra.rows("SELECT count(*) FROM turns")
    assert kept["count"] == 2 * acknowledged


async def test_a_stream_whose_reply_cannot_be_kept_does_not_complete(
    seeded: str, redis_url: str, postgres_server: PostgresServer
) -> None:
    async with openai_server() as (_, model), running(seeded, redis_url, **_with_model(model)) as orchestra:
        events = orchestra.hop.stream("/internal/reply", request("Bonjour SalamBot"), PATIENCE_S)
        assert isinstance(await anext(events), ReplyDelta)
        postgres_server.kill()
        try:
            rest = [event async for event in events]
        finally:
            postgres_server.start()
        assert not any(isinstance(event, ReplyCompleted) for event in rest)
        assert isinstance(rest[-1], ReplyFailed)
        assert rest[-1].problem["code"] == "postgres_unavailable"


async def test_redis_dies_and_the_conversation_goes_on(orchestra: Orchestra, valkey_server: ValkeyServer) -> None:
    await orchestra.reply("واش كاين الضمان؟", **KNOWN)
    valkey_server.kill()
    try:
        without = await orchestra.reply("و شحال المدة؟", **KNOWN)
    finally:
        valkey_server.start()
    assert "garantie" in without.citations[0].uri
    assert (await orchestra.reply("و شحال المدة؟", **KNOWN)).citations == without.citations


@pytest.mark.parametrize("fault", ["error_500", "insufficient_quota", "rate_limit"])
async def test_a_model_that_fails_is_a_503_and_audited(seeded: str, redis_url: str, fault: str) -> None:
    async with openai_server() as (server, model), running(seeded, redis_url, **_with_model(model)) as orchestra:
        server.always = fault
        with pytest.raises(Problem) as caught:
            await orchestra.reply("Puis-je payer par carte ?")
        assert caught.value.status == 503
        assert "127.0.0.1" in str(caught.value.detail)
        assert [row["outcome"] for row in await orchestra.rows("SELECT outcome FROM audit")] == [caught.value.code]
        assert await orchestra.rows("SELECT * FROM turns") == []


async def test_a_model_cut_in_the_middle_is_the_last_event(seeded: str, redis_url: str) -> None:
    async with openai_server() as (server, model), running(seeded, redis_url, **_with_model(model)) as orchestra:
        await orchestra.reply("Puis-je payer par carte ?")  # the first answer of a server is held to its end
        kept = await orchestra.rows("SELECT * FROM turns")
        server.always = "cut"
        *pieces, last = await orchestra.events("Puis-je payer par carte ?")
        assert pieces
        assert isinstance(last, ReplyFailed)
        assert await orchestra.rows("SELECT * FROM turns") == kept
        assert await orchestra.rows("SELECT * FROM audit WHERE outcome = 'llm_unavailable'")


async def test_a_caller_that_leaves_cancels_the_model(seeded: str, redis_url: str) -> None:
    async with openai_server() as (server, model), running(seeded, redis_url, **_with_model(model)) as orchestra:
        await orchestra.reply("Puis-je payer par carte ?")  # as above
        server.always = "stall"
        events = orchestra.hop.stream("/internal/reply", request("Puis-je payer par carte ?"), PATIENCE_S)
        await anext(events)
        await events.aclose()
        async with asyncio.timeout(PATIENCE_S):
            await server.cancelled.wait()


async def test_a_service_that_is_not_there_is_named(seeded: str, redis_url: str) -> None:
    from salambot.orchestrateur.app import create_app
    from salambot.orchestrateur.settings import OrchestrateurSettings
    from tests.servers import free_port
    from tests.serving import serving

    settings = OrchestrateurSettings(
        internal_token=TOKEN,
        postgres_url=SecretStr(seeded),
        redis_url=SecretStr(redis_url),
        rag_url=f"http://127.0.0.1:{free_port()}",
    )
    async with serving(create_app(settings)) as url, ServiceClient("orchestrateur", url, TOKEN) as hop:
        with pytest.raises(Problem, match="rag"):
            await hop.post("/internal/reply", request("Puis-je payer par carte ?"), Reply, PATIENCE_S)
        async with aiohttp.ClientSession() as session, session.get(f"{url}/health/ready") as ready:
            assert ready.status == 503
            found = {item["name"]: item["status"] for item in (await ready.json())["dependencies"]}
    assert found["rag"] == "down"
    assert found["postgres"] == "ok"


def _with_model(base_url: str) -> dict[str, object]:
    return {
        "llm": "openai",
        "openai_api_key": SecretStr("sk-test"),
        "openai_base_url": base_url,
        "llm_attempts": 1,
    }
