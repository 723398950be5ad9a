"""A reply as server-sent events: the order of events, pings, faults in the middle, and a client that leaves."""

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.fakes.peers import REPLY, Fault
from tests.services.gateway.conftest import Gateway, Message, StartGateway

EVENTS = {"Accept": "text/event-stream"}
Event = tuple[str, dict[str, object]]


def _read(lines: Iterator[str]) -> Iterator[Event | str]:
    """Yield events as (name, data), and comments as text."""
    name = ""
    for line in lines:
        if line.startswith(":"):
            yield line
        elif line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def events_of(response: httpx.Response) -> list[Event]:
    """Return the events of a response that is over."""
    return [item for item in _read(iter(response.text.split("\n"))) if not isinstance(item, str)]


def test_the_events_are_those_of_the_contract(gateway: Gateway, message: Message) -> None:
    response = gateway.reply(message, **EVENTS)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-cache"
    events = events_of(response)
    assert [name for name, _ in events] == ["reply.started", "reply.delta", "reply.delta", "reply.completed"]
    assert events[1][1] == {"seq": 0, "text": "Vous avez "}
    assert events[2][1] == {"seq": 1, "text": "14 jours"}
    completed = events[3][1]
    assert completed["data"] == REPLY
    assert completed["correlation_id"] == response.headers["x-correlation-id"] == "corr_smoke"
    assert completed["trace_id"] == events[0][1]["trace_id"] == response.headers["traceparent"].split("-")[1]


@pytest.mark.parametrize(
    ("fault", "status", "code", "deltas"),
    [
        ("problem", 503, "postgres_unavailable", 0),
        ("crash", 502, "upstream_failed", 0),
        ("nonsense", 502, "upstream_invalid", 0),
        ("cut", 502, "upstream_broken", 2),
        ("failed", 503, "llm_unavailable", 2),
    ],
)
def test_a_fault_is_the_last_event(
    gateway: Gateway, message: Message, fault: Fault, status: int, code: str, deltas: int
) -> None:
    gateway.peers.fault = fault
    response = gateway.reply(message, **EVENTS)
    names = [name for name, _ in events_of(response)]
    assert names == ["reply.started", *["reply.delta"] * deltas, "reply.error"]
    problem = events_of(response)[-1][1]
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["correlation_id"] == "corr_smoke"
    assert "canary" not in response.text


def test_a_stream_that_takes_too_long_ends_with_a_problem(start_gateway: StartGateway, message: Message) -> None:
    gateway = start_gateway(generate_timeout_s=0.3)
    gateway.peers.fault = "silent"
    name, problem = events_of(gateway.reply(message, **EVENTS))[-1]
    assert (name, problem["code"]) == ("reply.error", "upstream_timeout")


def test_pings_fill_the_silence(start_gateway: StartGateway, message: Message) -> None:
    gateway = start_gateway(sse_ping_s=0.05)
    gateway.peers.fault = "silent"
    with gateway.client.stream("POST", "/v1/generate/reply", json=message, headers=EVENTS) as response:
        found: list[Event | str] = []
        for item in _read(response.iter_lines()):
            found.append(item)
            if found.count(": ping") == 3:
                gateway.peers.go_on.set()
    events = [item[0] for item in found if not isinstance(item, str)]
    assert events == ["reply.started", "reply.delta", "reply.delta", "reply.completed"]


def test_a_client_that_leaves_ends_the_work_below(gateway: Gateway, message: Message) -> None:
    gateway.peers.fault = "silent"
    with gateway.client.stream("POST", "/v1/generate/reply", json=message, headers=EVENTS) as response:
        for item in _read(response.iter_lines()):
            if item[0] == "reply.delta":
                break
    assert gateway.peers.left.wait(60)


def test_what_is_refused_is_refused_before_the_stream(gateway: Gateway, message: Message) -> None:
    response = gateway.reply({**message, "tenant": "other"}, **EVENTS)
    assert response.status_code == 403
    assert response.headers["content-type"] == "application/problem+json"
