"""Services of one process ask one another directly: what comes back, and what becomes of the work, is as on a lane."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from yarl import URL

from salambot.core import process_services, tracing
from salambot.core.metrics import ServiceRegistry, exposition
from salambot.core.problems import Problem
from salambot.core.schemas import Message
from salambot.core.settings import ServiceSettings
from salambot.http.application import add_exchange, service_app
from salambot.rpc.client import MAX_AT_ONCE
from salambot.rpc.in_process import register_local
from salambot.rpc.server import EndpointRegistry
from salambot.rpc.service_client import ServiceClient
from tests.servers import free_port
from tests.serving import serving

TOKEN = SecretStr("right")


class Asked(Message):
    do: str


class Told(Message):
    done: str


class Behind:
    """An endpoint that does as it is told, and says who works for whom."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.seen: list[tuple[str, str, str]] = []

    async def work(self, asked: Asked) -> Told:
        self.seen.append((process_services.current_service("nobody"), tracing.correlation_id(), tracing.trace_id()))
        if asked.do == "slow":
            self.begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        if asked.do == "crash":
            raise RuntimeError("customer-canary")
        if asked.do == "refuse":
            raise Problem(503, "not_now", "Not now.", headers={"Retry-After": "7"})
        return Told(done=asked.do)

    async def call(self, body: bytes, /) -> bytes:
        return (await self.work(Asked.model_validate_json(body))).model_dump_json().encode()

    async def stream(self, body: bytes, /) -> AsyncGenerator[bytes, None]:
        yield await self.call(body)


class Directly(Behind):
    """One that takes and gives messages: it has no JSON to speak of."""

    request_type = Asked

    async def reply(self, message: Asked, /) -> Told:
        return await self.work(message)

    async def call(self, body: bytes, /) -> bytes:
        raise AssertionError(body)


@pytest.fixture(params=[Behind, Directly])
def behind(request: pytest.FixtureRequest) -> Behind:
    """Return the endpoint."""
    made: Behind = request.param()
    return made


@pytest.fixture
def address(behind: Behind) -> Iterator[str]:
    """Return where a neighbour would listen: nobody does, so that whoever uses a wire is refused."""
    exchanges = EndpointRegistry("rag", TOKEN)
    exchanges.register("/internal/do", behind)
    port = free_port()
    with register_local(("127.0.0.1", port), exchanges):
        yield f"http://127.0.0.1:{port}"


async def ask(hop: ServiceClient, do: str, seconds: float = 30) -> str:
    return (await hop.post("/internal/do", Asked(do=do), Told, seconds)).done


@pytest.fixture
async def hop(address: str) -> AsyncIterator[ServiceClient]:
    """Return a hop to it."""
    async with ServiceClient("rag", address, TOKEN) as made:
        yield made


async def test_the_answer_comes_without_a_wire_and_in_the_trace_of_the_question(
    hop: ServiceClient, behind: Behind
) -> None:
    process_services.set_current_service("gateway")
    with tracing.request_trace({"x-correlation-id": "corr-1"}, public=True):
        assert await ask(hop, "it") == "it"
        assert behind.seen == [("rag", "corr-1", tracing.trace_id())]
        assert process_services.current_service("nobody") == "gateway"
        assert tracing.correlation_id() == "corr-1"


@pytest.mark.parametrize(
    ("do", "status", "code", "retry_after"),
    [("refuse", 503, "not_now", "7"), ("crash", 502, "upstream_failed", None)],
)
async def test_what_fails_is_the_problem_that_it_is_on_a_lane(
    hop: ServiceClient, do: str, status: int, code: str, retry_after: str | None
) -> None:
    with pytest.raises(Problem) as caught:
        await ask(hop, do)
    assert (caught.value.status, caught.value.code) == (status, code)
    assert (caught.value.headers or {}).get("Retry-After") == retry_after
    assert "canary" not in str(caught.value)


async def test_a_path_that_is_not_offered_is_a_failure_of_the_other(hop: ServiceClient) -> None:
    with pytest.raises(Problem) as caught:
        await hop.post("/internal/undo", Asked(do="it"), Told, 5)
    assert (caught.value.status, caught.value.code) == (502, "upstream_failed")


async def test_who_leaves_or_waits_too_long_cancels_the_work(hop: ServiceClient, behind: Behind) -> None:
    asking = asyncio.create_task(ask(hop, "slow", 20))
    await behind.begun.wait()
    asking.cancel()
    await asyncio.wait_for(behind.cancelled.wait(), 10)
    behind.cancelled.clear()
    with pytest.raises(Problem) as caught:
        await ask(hop, "slow", 0.05)
    assert caught.value.code == "upstream_timeout"
    assert behind.cancelled.is_set()


async def test_past_a_bound_they_wait_for_their_turn(hop: ServiceClient, behind: Behind) -> None:
    asking = [asyncio.create_task(ask(hop, "slow", 60)) for _ in range(MAX_AT_ONCE)]
    await behind.begun.wait()
    await asyncio.sleep(0)  # all were made in one turn of the loop, and begin in the next
    assert len(behind.seen) == MAX_AT_ONCE
    waiting = asyncio.create_task(ask(hop, "it", 60))
    with pytest.raises(Problem) as caught:
        await ask(hop, "it", 0.05)
    assert caught.value.code == "upstream_timeout"
    assert len(behind.seen) == MAX_AT_ONCE
    for task in asking:
        task.cancel()
    assert await waiting == "it"
    await asyncio.gather(*asking, return_exceptions=True)


@pytest.mark.parametrize("behind", [Behind], indirect=True)
async def test_once_the_neighbour_is_gone_there_is_the_wire(behind: Behind) -> None:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    app = service_app("rag", ServiceSettings(internal_token=TOKEN), lifespan=lifespan)
    add_exchange(app, "/internal/do", behind)
    async with serving(app) as url, ServiceClient("rag", url, TOKEN) as hop:
        with (
            register_local((URL(url).host or "", URL(url).port or 0), EndpointRegistry("rag", TOKEN)),
            pytest.raises(Problem),
        ):
            await ask(hop, "it")
        assert await ask(hop, "it") == "it"


async def test_an_answer_of_another_shape_is_nonsense(hop: ServiceClient) -> None:
    with pytest.raises(Problem) as caught:
        await hop.post("/internal/do", Asked(do="it"), Asked, 5)
    assert caught.value.code == "upstream_invalid"


def test_a_service_alone_shows_all_metrics_of_its_process() -> None:
    text = exposition(ServiceRegistry("rag"), None)[0].decode()
    assert "salambot_http_requests" in text
    assert "python_info" in text
