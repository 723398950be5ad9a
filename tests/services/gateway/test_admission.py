"""A gateway admits so much at once and refuses the rest at once; what it admitted is answered."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
from redis import Redis

from tests.services.gateway.conftest import Gateway, Message, StartGateway
from tests.services.gateway.test_stream import EVENTS, events_of

UNDER_WAY = "salambot_requests_under_way"


def under_way(gateway: Gateway) -> float:
    lines = gateway.client.get("/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{UNDER_WAY} "))


def test_past_its_places_a_gateway_refuses_early_and_answers_those_it_admitted(
    start_gateway: StartGateway, message: Message
) -> None:
    gateway = start_gateway(requests_at_once=2)
    gateway.peers.fault = "hangs"
    with ThreadPoolExecutor(2) as threads:
        admitted = [threads.submit(gateway.reply, message), threads.submit(gateway.reply, message)]
        deadline = time.monotonic() + 60
        while len(gateway.peers.received) < 2:
            assert time.monotonic() < deadline
        with Redis.from_url(gateway.redis_url) as redis:
            counted = redis.info("commandstats")
            refused = [gateway.reply(message), gateway.search({"query": "x", "tenant": "demo"})]
            asked = {name for name, stats in redis.info("commandstats").items() if stats != counted.get(name)}
        gateway.peers.go_on.set()
        assert [one.result(timeout=60).status_code for one in admitted] == [200, 200]
    assert [(one.status_code, one.json()["code"]) for one in refused] == [(503, "overloaded")] * 2
    assert all(1 <= int(one.headers["retry-after"]) <= 3 for one in refused)
    assert "cmdstat_evalsha" not in asked  # nobody counted what was refused
    gateway.peers.fault = "none"
    assert gateway.reply(message).status_code == 200


def test_a_place_is_held_until_a_stream_ends_and_free_when_its_client_left(
    start_gateway: StartGateway, message: Message
) -> None:
    gateway = start_gateway(requests_at_once=1)
    gateway.peers.fault = "silent"
    with gateway.client.stream("POST", "/v1/generate/reply", json=message, headers=EVENTS) as stream:
        lines = stream.iter_lines()  # kept: without it the stream would be closed
        next(lines)
        assert gateway.peers.arrived.wait(60)
        assert gateway.reply(message).status_code == 503
    assert gateway.peers.left.wait(60)
    gateway.peers.fault = "none"
    answer = httpx.Response(503)
    while answer.status_code == 503:  # its end is a moment away
        answer = gateway.reply(message, **EVENTS)
    assert events_of(answer)[-1][0] == "reply.completed"
    deadline = time.monotonic() + 60
    while under_way(gateway):  # the place is given back once the answer has left
        assert time.monotonic() < deadline


def test_webhooks_and_health_need_no_place(start_gateway: StartGateway, message: Message) -> None:
    gateway = start_gateway(requests_at_once=1)
    gateway.peers.fault = "silent"
    with gateway.client.stream("POST", "/v1/generate/reply", json=message, headers=EVENTS) as stream:
        lines = stream.iter_lines()  # kept: without it the stream would be closed
        next(lines)
        assert gateway.client.get("/health").status_code == 200
        assert gateway.client.post("/v1/webhooks/messenger", content=b"{}").json()["code"] == "channel_not_configured"
        assert gateway.peers.arrived.wait(60)
