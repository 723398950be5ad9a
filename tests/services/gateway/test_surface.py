"""What else the gateway shows, and to whom."""

import logging

import pytest

from tests.services.gateway.conftest import Gateway, Message


def test_health_tells_who_answers(gateway: Gateway) -> None:
    answer = gateway.client.get("/health", headers={"Authorization": ""}).json()
    assert set(answer) == {"status", "service", "version", "time"}
    assert (answer["status"], answer["service"]) == ("ok", "gateway")
    assert answer["time"].endswith("Z")


def test_readiness_names_each_dependency(gateway: Gateway) -> None:
    response = gateway.client.get("/health/ready")
    assert response.status_code == 200
    found = response.json()["dependencies"]
    assert [(item["name"], item["status"]) for item in found] == [
        ("redis", "ok"),
        ("orchestrateur", "ok"),
        ("rag", "ok"),
    ]
    assert all(item["latency_ms"] >= 0 for item in found)


def test_readiness_answers_503_when_one_is_down(gateway: Gateway) -> None:
    gateway.peers.fault = "problem"
    response = gateway.client.get("/health/ready")
    assert (response.status_code, response.json()["status"]) == (503, "down")


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/metrics"])
def test_pages_for_this_machine_do_not_exist_through_a_tunnel(gateway: Gateway, path: str) -> None:
    assert gateway.client.get(path).status_code == 200
    for headers in ({"CF-Ray": "1"}, {"X-Forwarded-For": "8.8.8.8"}, {"Forwarded": "for=8.8.8.8"}):
        assert gateway.client.get(path, headers=headers).status_code == 404


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
def test_the_apis_pages_are_not_for_other_hosts(gateway: Gateway, path: str) -> None:
    assert gateway.client.get(path, headers={"Host": "salam.example"}).status_code == 404


def test_there_is_no_internal_api_at_the_edge(gateway: Gateway) -> None:
    assert gateway.client.post("/internal/reply", json={}).status_code == 401
    headers = {"X-SalamBot-Internal": "internal-canary"}
    assert gateway.client.post("/internal/reply", json={}, headers=headers).status_code == 404


def test_logs_hold_no_text_and_no_secret(
    gateway: Gateway, message: Message, capsys: pytest.CaptureFixture[str]
) -> None:
    message["data"] = {"prompt": "prompt-canary 0612345678"}
    gateway.reply(message)
    gateway.peers.fault = "crash"
    gateway.reply(message)
    gateway.reply({**message, "channel": "channel-canary"})
    logging.getLogger("uvicorn.error").warning("a line of a library")
    gateway.client.close()
    logged = capsys.readouterr().out
    assert '"route":"/v1/generate/reply"' in logged
    assert "a line of a library" in logged
    assert "canary" not in logged
    assert "0612345678" not in logged
