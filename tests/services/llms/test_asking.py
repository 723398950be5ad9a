"""Asking without the SDK: what it was told is sent, what comes back is bounded, and an error says what it is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import openai
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from salambot.llms.openai_http import ApiError, ConnectionFailedError, OpenAiHttp

MEBIBYTE = b" " * 1024 * 1024


async def echo(request: web.Request) -> web.Response:
    """Answer with what was sent."""
    return web.json_response({"headers": dict(request.headers), "body": await request.json()})


async def never_end(request: web.Request) -> web.StreamResponse:
    """Answer without an end."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(MEBIBYTE)


async def refuse(_: web.Request) -> web.Response:
    """Answer as OpenAI does to who asks too much."""
    error = {"error": {"message": "Slow down", "type": "requests", "code": "rate_limit_exceeded"}}
    return web.json_response(error, status=429, headers={"Retry-After": "7"})


async def fail(_: web.Request) -> web.Response:
    """Answer as a proxy does whose server is away."""
    return web.Response(text="<html>Bad Gateway</html>", status=502, content_type="text/html")


@asynccontextmanager
async def asking() -> AsyncIterator[OpenAiHttp]:
    app = web.Application()
    for handler in (echo, never_end, refuse, fail):
        app.router.add_post(f"/v1/{handler.__name__}", handler)
    async with TestServer(app) as server:
        url = str(server.make_url("/v1"))
        async with openai.AsyncOpenAI(api_key="sk-test", base_url=url, organization="org-test") as client:
            found = OpenAiHttp(client, 5.0)
            try:
                yield found
            finally:
                await found.close()


async def test_what_the_sdk_was_told_is_sent() -> None:
    async with asking() as found:
        sent = await found.post("/echo", {"prompt": "Bonjour, ça va ?"})
    assert b'"Authorization": "Bearer sk-test"' in sent
    assert b'"OpenAI-Organization": "org-test"' in sent
    assert b"OpenAI-Project" not in sent
    assert b"\\u00e7a va ?" in sent


async def test_a_proxy_of_the_environment_leads_there(monkeypatch: pytest.MonkeyPatch) -> None:
    app = web.Application()
    app.router.add_post("/v1/echo", echo)
    async with TestServer(app) as proxy:
        monkeypatch.setenv("http_proxy", str(proxy.make_url("/")))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        async with openai.AsyncOpenAI(api_key="sk-test", base_url="http://model.invalid/v1") as client:
            found = OpenAiHttp(client, 5.0)
            assert b'"Host": "model.invalid"' in await found.post("/echo", {})
            await found.close()


async def test_an_answer_without_an_end_is_left() -> None:
    async with asking() as found:
        with pytest.raises(ConnectionFailedError):
            await found.post("/never_end", {})


async def test_an_error_keeps_what_the_host_calls_it() -> None:
    async with asking() as found:
        with pytest.raises(ApiError) as refused:
            await found.post("/refuse", {})
        with pytest.raises(ApiError) as failed:
            await found.post("/fail", {})
    assert (refused.value.status, refused.value.retry_after) == (429, "7")
    assert "rate_limit_exceeded" in refused.value.codes
    assert (failed.value.status, [*failed.value.codes]) == (502, [])


async def test_a_server_that_is_away_is_broken() -> None:
    async with openai.AsyncOpenAI(api_key="sk-test", base_url="http://127.0.0.1:9/v1") as client:
        found = OpenAiHttp(client, 5.0)
        with pytest.raises(ConnectionFailedError):
            await found.post("/echo", {})
        await found.close()
