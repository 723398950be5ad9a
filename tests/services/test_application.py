"""What every service has: health, readiness, the guard of its internal API, problems for whatever breaks."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from salambot.core.schemas import SearchRequest
from salambot.core.settings import ServiceSettings
from salambot.http.application import Check, service_app
from tests.servers import serving


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield


async def _fine() -> None:
    pass


async def _broken() -> None:
    raise ConnectionError("password-canary")


async def _stuck() -> None:
    await asyncio.Event().wait()


def _service(*checks: Check) -> FastAPI:
    settings = ServiceSettings.model_validate({"internal_token": "right"})
    app = service_app("rag", settings, lifespan=_lifespan, checks=checks)

    @app.post("/internal/search")
    async def search(_: SearchRequest) -> dict[str, str]:
        return {}

    @app.get("/crash")
    async def crash() -> None:
        raise RuntimeError("customer-canary")

    return app


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    """Return a client of a small service."""
    with serving(_service()) as url, httpx.Client(base_url=url) as made:
        yield made


@pytest.mark.parametrize("token", [None, "", "wrong", "righ", "right2", "é"])
def test_the_internal_api_needs_the_token(client: httpx.Client, token: str | None) -> None:
    headers = {} if token is None else {"X-SalamBot-Internal": token.encode()}
    response = client.post("/internal/search", json={"query": "x", "tenant": "demo"}, headers=headers)
    assert (response.status_code, response.json()["code"]) == (401, "internal_only")
    assert "www-authenticate" in response.headers


def test_the_token_opens_the_internal_api(client: httpx.Client) -> None:
    headers = {"X-SalamBot-Internal": "right"}
    assert client.post("/internal/search", json={"query": "x", "tenant": "demo"}, headers=headers).status_code == 200
    refused = client.post("/internal/search", json={"query": "", "CANARY": 1}, headers=headers)
    assert refused.status_code == 422
    assert {error["pointer"] for error in refused.json()["errors"]} == {"#/query", "#/tenant", "#"}
    assert "CANARY" not in refused.text
    broken = client.post("/internal/search", content=b"{", headers={**headers, "Content-Type": "application/json"})
    assert (broken.status_code, broken.json()["code"]) == (400, "bad_json")


def test_a_crash_is_a_500_without_its_text(client: httpx.Client, capsys: pytest.CaptureFixture[str]) -> None:
    response = client.get("/crash")
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    logged = capsys.readouterr().out
    assert response.json()["trace_id"] in logged
    assert "RuntimeError" in logged
    assert "canary" not in response.text + logged


def test_an_inner_service_continues_the_trace_and_serves_no_pages(client: httpx.Client) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    response = client.get("/health", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    assert response.headers["traceparent"].split("-")[1] == trace
    assert client.get("/docs").status_code == client.get("/openapi.json").status_code == 404


@pytest.mark.parametrize(
    ("checks", "status", "states"),
    [
        ([Check("a", _fine)], (200, "ok"), ["ok"]),
        ([Check("a", _fine), Check("b", _broken)], (503, "down"), ["ok", "down"]),
        ([Check("a", _fine), Check("b", _broken, matters=False)], (200, "degraded"), ["ok", "down"]),
        ([Check("a", _stuck, timeout=0.05)], (503, "down"), ["down"]),
    ],
)
def test_readiness_follows_its_checks(checks: list[Check], status: tuple[int, str], states: list[str]) -> None:
    with serving(_service(*checks)) as url:
        response = httpx.get(f"{url}/health/ready")
        assert httpx.get(f"{url}/health").status_code == 200
    assert (response.status_code, response.json()["status"]) == status
    assert [item["status"] for item in response.json()["dependencies"]] == states
    assert "canary" not in response.text
