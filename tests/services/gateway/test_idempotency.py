"""`Idempotency-Key`: one answer for one key, given again; nothing kept of what failed."""

import threading
import time

import httpx
import pytest

from salambot.gateway.idempotency import LEASE_SECONDS
from tests.fakes.peers import Fault
from tests.services.gateway.conftest import Gateway, Message, StartGateway
from tests.services.gateway.test_stream import EVENTS, events_of

KEY = {"Idempotency-Key": "key_1-A"}


def test_the_answer_is_given_again(gateway: Gateway, message: Message) -> None:
    first = gateway.reply(message, **KEY)
    again = gateway.reply(message, **KEY)
    quoted = gateway.reply(message, Idempotency_Key='"key_1-A"')
    assert first.status_code == again.status_code == 200
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == quoted.headers["idempotency-replayed"] == "true"
    assert first.content == again.content == quoted.content
    assert len(gateway.peers.received) == 1


def test_another_body_is_a_422(gateway: Gateway, message: Message) -> None:
    gateway.reply(message, **KEY)
    response = gateway.reply({**message, "message_id": "another"}, **KEY)
    assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_reused")


def test_another_caller_has_keys_of_its_own(gateway: Gateway, message: Message) -> None:
    gateway.reply(message, **KEY)
    token = gateway.issuer.token(tenant="other")
    response = gateway.reply({**message, "tenant": "other"}, Authorization=f"Bearer {token}", **KEY)
    assert response.status_code == 200
    assert "idempotency-replayed" not in response.headers


def test_while_it_runs_the_key_is_taken(gateway: Gateway, message: Message) -> None:
    gateway.peers.fault = "hangs"
    answers: list[httpx.Response] = []
    first = threading.Thread(target=lambda: answers.append(gateway.reply(message, **KEY)))
    first.start()
    assert gateway.peers.arrived.wait(60)
    taken = gateway.reply(message, **KEY)
    other = gateway.reply({**message, "message_id": "another"}, **KEY)
    gateway.peers.go_on.set()
    first.join(timeout=60)
    assert (taken.status_code, taken.json()["code"]) == (409, "still_running")
    assert taken.headers["retry-after"] == "1"
    assert other.status_code == 422
    assert gateway.reply(message, **KEY).content == answers[0].content


@pytest.mark.parametrize("fault", ["problem", "crash", "nonsense"])
def test_what_failed_is_not_kept(gateway: Gateway, message: Message, fault: Fault) -> None:
    gateway.peers.fault = fault
    assert gateway.reply(message, **KEY).status_code >= 500
    gateway.peers.fault = "none"
    again = gateway.reply(message, **KEY)
    assert again.status_code == 200
    assert "idempotency-replayed" not in again.headers


def test_a_refusal_for_too_many_is_not_kept(start_gateway: StartGateway, message: Message) -> None:
    gateway = start_gateway(rate_limit_generate="1/second")
    gateway.reply(message)
    deadline = time.monotonic() + 60
    while (response := gateway.reply(message, **KEY)).status_code == 429:
        assert time.monotonic() < deadline
    assert response.status_code == 200


@pytest.mark.parametrize("fault", ["failed", "cut", "problem"])
def test_a_stream_that_failed_is_not_kept(gateway: Gateway, message: Message, fault: Fault) -> None:
    gateway.peers.fault = fault
    assert events_of(gateway.reply(message, **KEY, **EVENTS))[-1][0] == "reply.error"
    gateway.peers.fault = "none"
    assert "idempotency-replayed" not in gateway.reply(message, **KEY).headers


def test_a_stream_is_given_again_as_a_stream_or_as_json(gateway: Gateway, message: Message) -> None:
    first = events_of(gateway.reply(message, **KEY, **EVENTS))
    again = gateway.reply(message, **KEY, **EVENTS)
    assert again.headers["idempotency-replayed"] == "true"
    events = events_of(again)
    assert [name for name, _ in events] == ["reply.started", "reply.delta", "reply.completed"]
    assert events[-1] == first[-1]
    assert gateway.reply(message, **KEY).json() == first[-1][1]
    assert len(gateway.peers.received) == 1


def test_a_client_that_leaves_frees_its_key(gateway: Gateway, message: Message) -> None:
    gateway.peers.fault = "silent"
    headers = {**KEY, **EVENTS}
    with gateway.client.stream("POST", "/v1/generate/reply", json=message, headers=headers) as response:
        next(response.iter_lines())
        assert gateway.peers.arrived.wait(60)
    assert gateway.peers.left.wait(60)
    gateway.peers.fault = "none"
    deadline = time.monotonic() + 60
    while (again := gateway.reply(message, **KEY)).status_code == 409:
        assert time.monotonic() < deadline
    assert again.status_code == 200


def test_a_claim_is_renewed_while_its_holder_works_and_ends_soon_after_it_died(
    start_gateway: StartGateway, message: Message
) -> None:
    import redis

    gateway = start_gateway()
    gateway.peers.fault = "hangs"
    thread = threading.Thread(target=lambda: gateway.reply(message, **KEY))
    thread.start()
    assert gateway.peers.arrived.wait(60)
    with redis.Redis.from_url(gateway.redis_url) as client:
        (name,) = client.keys("salambot:idempotency:*")
        left = [client.pttl(name)]
        deadline = time.monotonic() + 60
        while left[-1] <= left[0] or len(left) == 1:  # it sinks, until it is renewed
            assert 0 < left[-1] <= LEASE_SECONDS * 1000
            assert time.monotonic() < deadline
            left = [min(left), client.pttl(name)]
    gateway.peers.go_on.set()
    thread.join(timeout=60)


@pytest.mark.parametrize("key", ["", "a b", "x" * 129, '"open', "clé", '""', "a,b", '"a";b'])
def test_another_key_is_a_422(gateway: Gateway, message: Message, key: str) -> None:
    headers = {"Idempotency-Key": key.encode()}
    response = gateway.client.post("/v1/generate/reply", json=message, headers=headers)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_idempotency_key")
