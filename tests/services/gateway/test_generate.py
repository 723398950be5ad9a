"""A reply as JSON: the contract, the ids, and the services behind it failing in each way."""

import re
import time

import httpx
import pytest

from tests.fakes.peers import REPLY, Fault, Peers
from tests.servers import free_port
from tests.services.gateway.conftest import Gateway, Message, StartGateway


def test_a_reply_has_the_shape_of_the_contract(gateway: Gateway, message: Message) -> None:
    response = gateway.reply(message)
    answer = response.json()
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", answer.pop("timestamp"))
    assert re.fullmatch(r"[0-9a-f]{32}", answer.pop("trace_id"))
    assert answer == {
        "schema_version": "1.0",
        "tenant": "demo",
        "channel": "webchat",
        "message_id": "msg_smoke",
        "correlation_id": "corr_smoke",
        "locale": "fr-MA",
        "data": REPLY,
    }


def test_the_request_reaches_orchestrateur_with_the_ids_and_the_internal_token(
    gateway: Gateway, message: Message
) -> None:
    message["data"] = {"prompt": "et après ?", "context": [{"role": "user", "content": "bonjour"}]}
    response = gateway.reply(message)
    assert gateway.peers.received == [
        {
            "tenant": "demo",
            "channel": "webchat",
            "message_id": "msg_smoke",
            "correlation_id": "corr_smoke",
            "locale": "fr-MA",
            "prompt": "et après ?",
            "context": [{"role": "user", "content": "bonjour"}],
            "user": None,
        }
    ]
    sent = gateway.peers.headers[0]
    assert sent["x-salambot-internal"] == "internal-canary"
    assert sent["x-correlation-id"] == "corr_smoke"
    assert sent["traceparent"].split("-")[1] == response.json()["trace_id"]
    assert "authorization" not in sent


def test_a_new_trace_begins_at_the_edge(gateway: Gateway, message: Message) -> None:
    theirs = "0af7651916cd43dd8448eb211c80319c"
    response = gateway.reply(message, traceparent=f"00-{theirs}-b7ad6b7169203331-01")
    ours = response.json()["trace_id"]
    assert ours != theirs
    assert response.headers["traceparent"].split("-")[1] == ours


def test_the_correlation_id_comes_back_wherever_it_was_given(gateway: Gateway, message: Message) -> None:
    assert gateway.reply(message).headers["x-correlation-id"] == "corr_smoke"
    given = gateway.reply(message, X_Correlation_ID="corr_header")
    assert given.headers["x-correlation-id"] == given.json()["correlation_id"] == "corr_header"
    del message["correlation_id"]
    made = gateway.reply(message)
    assert made.json()["correlation_id"] == made.headers["x-correlation-id"]
    assert made.json()["correlation_id"] not in {"corr_smoke", "corr_header"}
    unfit = gateway.reply(message, X_Correlation_ID="with space " + "x" * 200)
    assert unfit.status_code == 200
    assert "space" not in unfit.headers["x-correlation-id"]


def test_a_problem_carries_the_ids(gateway: Gateway) -> None:
    response = gateway.client.post("/v1/generate/reply", content=b"{", headers={"X-Correlation-ID": "corr_p"})
    assert response.status_code == 415
    problem = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["correlation_id"] == "corr_p"
    assert problem["trace_id"] == response.headers["traceparent"].split("-")[1]
    members = {"type", "title", "status", "detail", "instance", "code", "trace_id", "correlation_id", "errors"}
    assert set(problem) == members


@pytest.mark.parametrize(
    "prompt",
    [
        "ا" * 20_000,
        "Salam, شحال ديال الوقت pour la livraison à Tanger? 3afak",
        "😀🎉👨‍👩‍👧",
        "a\u202eb\u200f\ufeff",
    ],
    ids=["20,000 characters", "mixed scripts", "only emoji", "direction marks"],
)
def test_any_text_is_passed_on_whole(gateway: Gateway, message: Message, prompt: str) -> None:
    message["data"] = {"prompt": prompt}
    assert gateway.reply(message).status_code == 200
    assert gateway.peers.received[0]["prompt"] == prompt


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("problem", 503, "postgres_unavailable"),
        ("crash", 502, "upstream_failed"),
        ("nonsense", 502, "upstream_invalid"),
    ],
)
def test_a_failing_orchestrateur_is_a_problem_of_ours(
    gateway: Gateway, message: Message, fault: Fault, status: int, code: str
) -> None:
    gateway.peers.fault = fault
    response = gateway.reply(message)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert "canary" not in response.text


def test_a_busy_upstream_says_when_to_come_again(gateway: Gateway, message: Message) -> None:
    gateway.peers.fault = "problem"
    assert gateway.reply(message).headers["retry-after"] == "2"


def test_an_absent_orchestrateur_is_named(start_gateway: StartGateway, message: Message) -> None:
    gateway = start_gateway(orchestrateur_url=f"http://127.0.0.1:{free_port()}")
    response = gateway.reply(message)
    assert response.status_code == 503
    assert "orchestrateur" in response.json()["detail"]
    ready = gateway.client.get("/health/ready")
    states = {item["name"]: item["status"] for item in ready.json()["dependencies"]}
    assert ready.status_code == 503
    assert states == {"redis": "ok", "orchestrateur": "down", "rag": "ok"}


def test_a_slow_orchestrateur_is_a_timeout(start_gateway: StartGateway, peers: Peers, message: Message) -> None:
    gateway = start_gateway(generate_timeout_s=0.2)
    peers.fault = "hangs"
    response = gateway.reply(message)
    assert (response.status_code, response.json()["code"]) == (504, "upstream_timeout")
    assert "orchestrateur" in response.json()["detail"]


def test_search_answers_with_the_passages_of_the_tenant(gateway: Gateway) -> None:
    response = gateway.search({"query": "politique remboursement", "tenant": "demo", "top_k": 3})
    answer = response.json()
    assert response.status_code == 200
    assert set(answer) == {"schema_version", "tenant", "query_id", "timestamp", "results", "took_ms"}
    assert answer["results"][0]["id"] == "faq-1"
    wanted = {"query": "politique remboursement", "tenant": "demo", "top_k": 3, "filter": {}}
    assert gateway.peers.received == [wanted]


def test_time_to_the_first_byte_and_duration_are_measured(gateway: Gateway, message: Message) -> None:
    gateway.reply(message)
    text = _metrics_after_last_request(gateway)
    labels = 'route="/v1/generate/reply",service="gateway"'
    assert f'salambot_http_requests_total{{{labels},status="200"}}' in text
    assert f'salambot_http_request_duration_seconds_bucket{{le="60.0",{labels},status="200"}}' in text
    assert f"salambot_ttfb_seconds_count{{{labels}}}" in text


def _metrics_after_last_request(gateway: Gateway) -> str:
    """Wait for the count: it is made when the request is over, which may be after its answer has arrived."""
    deadline = time.monotonic() + 60
    while True:
        text: str = gateway.client.get("/metrics").text
        if 'salambot_http_requests_total{route="/v1/generate/reply"' in text or time.monotonic() > deadline:
            return text


def test_a_client_without_a_token_is_sent_away(gateway: Gateway, message: Message) -> None:
    response = httpx.post(f"{gateway.client.base_url}/v1/generate/reply", json=message)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
