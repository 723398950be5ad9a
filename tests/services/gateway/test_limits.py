"""How often a tenant may ask, and what happens when Redis, which counts, dies."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis

from salambot_contracts.rate_limit import RateLimit
from tests.servers import ValkeyServer
from tests.services.gateway.conftest import Gateway, Message, StartGateway


def test_past_the_limit_is_a_429_that_says_when_to_come_again(start_gateway: StartGateway, message: Message) -> None:
    gateway = start_gateway(rate_limit_generate="3/hour")
    allowed = [gateway.reply(message) for _ in range(3)]
    refused = gateway.reply(message)
    assert [response.status_code for response in allowed] == [200, 200, 200]
    assert allowed[0].headers["ratelimit-policy"] == '"generate";q=3;w=3600'
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    wait = int(refused.headers["retry-after"])
    assert 1 <= wait <= 3600
    assert refused.headers["ratelimit"] == f'"generate";r=0;t={wait}'
    assert refused.headers["ratelimit-policy"] == '"generate";q=3;w=3600'


def test_a_clock_that_is_set_back_does_not_keep_a_limit_closed(
    start_gateway: StartGateway, message: Message, valkey_server: ValkeyServer
) -> None:
    gateway = start_gateway(rate_limit_generate="2/minute")
    assert [gateway.reply(message).status_code for _ in range(3)] == [200, 200, 429]
    with Redis.from_url(valkey_server.url()) as client:
        for key in client.scan_iter("salambot:rate:*"):
            client.hincrby(key, "part", 60)  # as of an hour later
    assert gateway.reply(message).status_code == 200


@pytest.mark.parametrize(
    ("limit", "previous", "allowed"), [("10/hour", 10, range(11)), ("10/hour", 0, [10]), ("1/day", 1, [0])]
)
def test_the_part_before_counts_for_what_is_left_of_its_weight(
    start_gateway: StartGateway,
    message: Message,
    valkey_server: ValkeyServer,
    limit: str,
    previous: int,
    allowed: Sequence[int],
) -> None:
    gateway = start_gateway(rate_limit_generate=limit)
    rate = RateLimit.parse(limit)
    with Redis.from_url(valkey_server.url()) as client:
        seconds, _ = client.time()  # type: ignore[misc] # synchronous
        part = {"part": seconds // rate.seconds - 1, "current": previous}
        client.hset("salambot:rate:{demo}:generate", mapping=part)
    passed = rate.seconds - seconds % rate.seconds
    answers = [gateway.reply(message) for _ in range(11)]
    codes = [answer.status_code for answer in answers]
    admitted = codes.count(200)
    assert codes == [200] * admitted + [429] * (11 - admitted)
    assert admitted in allowed
    weighted = previous * passed / rate.seconds + admitted
    assert weighted <= rate.amount < weighted + 1.1, "as many as the window has room for"
    assert 1 <= int(answers[-1].headers["retry-after"]) <= rate.seconds


def test_each_tenant_has_its_own_limit_and_search_and_health_have_none(
    start_gateway: StartGateway, message: Message
) -> None:
    gateway = start_gateway(rate_limit_generate="1/hour")
    assert [gateway.reply(message).status_code for _ in range(2)] == [200, 429]
    other = f"Bearer {gateway.issuer.token(tenant='other')}"
    assert gateway.reply({**message, "tenant": "other"}, Authorization=other).status_code == 200
    assert gateway.search({"query": "x", "tenant": "demo"}).status_code == 200
    assert gateway.client.get("/health").status_code == 200


def test_each_client_has_its_own_limit_and_costs_its_tenant_only_what_it_is_allowed(
    start_gateway: StartGateway, message: Message
) -> None:
    gateway = start_gateway(rate_limit_generate="5/hour", rate_limit_client="2/hour")
    mine = [gateway.reply(message) for _ in range(6)]
    assert [answer.status_code for answer in mine] == [200, 200, 429, 429, 429, 429]
    assert mine[0].headers["ratelimit-policy"] == '"generate";q=5;w=3600, "generate-client";q=2;w=3600'
    wait = int(mine[2].headers["retry-after"])
    assert 1 <= wait <= 3600
    assert mine[2].headers["ratelimit"] == f'"generate-client";r=0;t={wait}'
    assert "client" in mine[2].json()["detail"]
    others = [f"Bearer {gateway.issuer.token(sub=f'client-{number}')}" for number in (1, 1, 2, 2)]
    answers = [gateway.reply(message, Authorization=one) for one in others]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].headers["ratelimit"].startswith('"generate";r=0;')


def test_requests_that_share_a_round_trip_are_counted_one_by_one(start_gateway: StartGateway, message: Message) -> None:
    gateway = start_gateway(rate_limit_generate="40/hour", rate_limit_client="15/hour")
    tokens = [f"Bearer {gateway.issuer.token(sub=f'client-{number % 2}')}" for number in range(48)]
    with ThreadPoolExecutor(24) as pool:
        codes = list(pool.map(lambda token: gateway.reply(message, Authorization=token).status_code, tokens))
    assert Counter(codes) == {200: 30, 429: 18}


def test_no_limit_of_a_client_is_spelled_out_in_redis(start_gateway: StartGateway, message: Message) -> None:
    gateway = start_gateway(rate_limit_generate="5/hour", rate_limit_client="2/hour")
    token = f"Bearer {gateway.issuer.token(sub='0612345678')}"
    assert gateway.reply(message, Authorization=token).status_code == 200
    with Redis.from_url(gateway.redis_url) as redis:
        keys = [key.decode() for key in redis.scan_iter("salambot:rate:*")]
    assert len(keys) == 2
    assert not any("0612345678" in key for key in keys)


def test_sixty_a_minute_is_the_default(start_gateway: StartGateway, message: Message) -> None:
    from salambot.gateway.settings import GatewaySettings

    default = GatewaySettings.model_fields["rate_limit_generate"].default
    gateway = start_gateway(rate_limit_generate=default)
    assert gateway.reply(message).headers["ratelimit-policy"] == '"generate";q=60;w=60'


def test_what_is_refused_for_another_reason_does_not_count(start_gateway: StartGateway, message: Message) -> None:
    gateway = start_gateway(rate_limit_generate="1/hour")
    assert gateway.reply({**message, "channel": "fax"}).status_code == 422
    assert gateway.reply({**message, "tenant": "other"}).status_code == 403
    assert gateway.reply(message).status_code == 200


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[ValkeyServer]:
    """Return a Valkey that this test alone uses."""
    server = ValkeyServer(tmp_path)
    server.start()
    yield server
    server.kill()


def test_redis_dies_while_serving_and_comes_back(
    start_gateway: StartGateway, message: Message, mortal: ValkeyServer
) -> None:
    gateway = start_gateway(redis_url=mortal.url())
    key = {"Idempotency-Key": "kept"}
    assert gateway.reply(message, **key).status_code == 200
    mortal.kill()
    for headers in ({}, key, {"Accept": "text/event-stream"}):
        refused = gateway.reply(message, **headers)
        assert (refused.status_code, refused.json()["code"]) == (503, "redis_unavailable")
        assert "redis" in refused.json()["detail"]
        assert refused.headers["content-type"] == "application/problem+json"
    ready = gateway.client.get("/health/ready")
    assert ready.status_code == 503
    assert {item["name"]: item["status"] for item in ready.json()["dependencies"]}["redis"] == "down"
    assert gateway.search({"query": "x", "tenant": "demo"}).status_code == 200
    assert gateway.client.get("/health").status_code == 200
    mortal.start()
    _eventually(lambda: gateway.reply(message, **key).status_code == 200)
    assert gateway.client.get("/health/ready").status_code == 200


def test_redis_dies_while_a_reply_is_made_and_the_reply_still_arrives(
    start_gateway: StartGateway, message: Message, mortal: ValkeyServer
) -> None:
    gateway = start_gateway(redis_url=mortal.url())
    gateway.peers.fault = "silent"
    headers = {"Idempotency-Key": "k", "Accept": "text/event-stream"}
    with gateway.client.stream("POST", "/v1/generate/reply", json=message, headers=headers) as response:
        lines = response.iter_lines()
        next(lines)
        mortal.kill()
        gateway.peers.go_on.set()
        assert "event: reply.completed" in list(lines)


def _eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline


def test_a_redis_that_wants_another_password_is_down(start_gateway: StartGateway, message: Message) -> None:
    gateway: Gateway = start_gateway()
    wrong = gateway.redis_url.replace("redis://:", "redis://:wrong-canary")
    refused = start_gateway(redis_url=wrong).reply(message)
    assert (refused.status_code, refused.json()["code"]) == (503, "redis_unavailable")
    assert "canary" not in refused.text
