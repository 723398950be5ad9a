"""Bad input: each kind has its status, and nothing of what was sent comes back."""

from collections.abc import Iterator

import pytest

from tests.services.gateway.conftest import Gateway, Message

JSON = {"Content-Type": "application/json"}
CANARY = "CANARY"


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"tenant": CANARY}', b"\xff\xfe", b"[" * 5000, b'"\\ud800', b"NaN", b"{} {}"]
)
def test_what_is_no_json_is_a_400(gateway: Gateway, body: bytes) -> None:
    response = gateway.client.post("/v1/generate/reply", content=body, headers=JSON)
    assert (response.status_code, response.json()["code"]) in {(400, "bad_json"), (422, "invalid_request")}
    assert response.status_code == 400 or body == b"NaN"
    assert CANARY not in response.text


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"schema_version": "2.0"}, "#/schema_version"),
        ({"schema_version": "1"}, "#/schema_version"),
        ({"schema_version": 1.0}, "#/schema_version"),
        ({"timestamp": "2025-08-14T10:00:00"}, "#/timestamp"),
        ({"timestamp": "CANARY"}, "#/timestamp"),
        ({"timestamp": 1755165600}, "#/timestamp"),
        ({"timestamp": "1755165600"}, "#/timestamp"),
        ({"channel": "CANARY"}, "#/channel"),
        ({"message_id": "CANARY with spaces"}, "#/message_id"),
        ({"message_id": ""}, "#/message_id"),
        ({"message_id": 5}, "#/message_id"),
        ({"tenant": "../CANARY"}, "#/tenant"),
        ({"locale": "CANARY!"}, "#/locale"),
        ({"data": "CANARY"}, "#/data"),
        ({"data": {"prompt": 5}}, "#/data/prompt"),
        ({"data": {"prompt": ""}}, "#/data/prompt"),
        ({"data": {"prompt": " \n\t"}}, "#/data/prompt"),
        ({"data": {"prompt": "CANARY\u0000"}}, "#/data/prompt"),
        ({"data": {"prompt": "x" * 32_001}}, "#/data/prompt"),
        ({"data": {"prompt": "x", "context": [{"role": "CANARY", "content": ""}]}}, "#/data/context/0/role"),
        ({"data": {"prompt": "x", "context": [{"role": "user", "content": "x"}] * 101}}, "#/data/context"),
        ({"CANARY": 1}, "#"),
        ({"data": {"prompt": "x", "CANARY": 1}}, "#/data"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_member_is_pointed_at(
    gateway: Gateway, message: Message, change: dict[str, object], pointer: str
) -> None:
    response = gateway.reply({**message, **change})
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
    assert CANARY not in response.text
    assert gateway.peers.received == []


@pytest.mark.parametrize("missing", ["schema_version", "tenant", "channel", "message_id", "timestamp", "data"])
def test_a_missing_member_is_pointed_at(gateway: Gateway, message: Message, missing: str) -> None:
    del message[missing]
    response = gateway.reply(message)
    assert response.status_code == 422
    assert response.json()["errors"] == [{"pointer": f"#/{missing}", "detail": "Field required"}]


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"top_k": 0}, "#/top_k"),
        ({"top_k": 21}, "#/top_k"),
        ({"top_k": "3"}, "#/top_k"),
        ({"top_k": 2.5}, "#/top_k"),
        ({"query": ""}, "#/query"),
        ({"query": None}, "#/query"),
        ({"filter": {"CANARY": 1}}, "#/filter"),
    ],
    ids=str,
)
def test_a_wrong_search_is_pointed_at(gateway: Gateway, wrong: dict[str, object], pointer: str) -> None:
    response = gateway.search({"query": "x", "tenant": "demo", **wrong})
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
    assert CANARY not in response.text


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "a"]
)
def test_another_content_type_is_a_415(gateway: Gateway, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = gateway.client.post("/v1/generate/reply", content=b"{}", headers=headers)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("path", ["/v1/generate/reply", "/v1/search/query"])
@pytest.mark.parametrize("coding", ["gzip", "br", "deflate, gzip", "x-nothing"])
def test_a_compressed_body_is_a_415(gateway: Gateway, path: str, coding: str) -> None:
    response = gateway.client.post(path, content=b"{}", headers={**JSON, "Content-Encoding": coding})
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_encoding")


@pytest.mark.parametrize("content_type", ["application/json; charset=UTF-8", "Application/JSON"])
def test_json_in_other_letters_is_json(gateway: Gateway, content_type: str) -> None:
    response = gateway.client.post("/v1/generate/reply", content=b"{}", headers={"Content-Type": content_type})
    assert response.status_code == 422


def _chunks(size: int) -> Iterator[bytes]:
    yield b'{"prompt":"'
    for _ in range(size // 1024):
        yield b"x" * 1024
    yield b'"}'


@pytest.mark.parametrize("path", ["/v1/generate/reply", "/v1/search/query"])
def test_a_body_past_the_limit_is_a_413(gateway: Gateway, path: str) -> None:
    announced = gateway.client.post(path, content=b"".join(_chunks(300 * 1024)), headers=JSON)
    streamed = gateway.client.post(path, content=_chunks(300 * 1024), headers=JSON)
    for response in (announced, streamed):
        assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
        assert response.headers["content-type"] == "application/problem+json"


def test_a_body_under_the_limit_is_read(gateway: Gateway) -> None:
    response = gateway.client.post("/v1/generate/reply", content=_chunks(200 * 1024), headers=JSON)
    assert response.status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/generate/reply", 405),
        ("DELETE", "/v1/search/query", 405),
        ("POST", "/health", 405),
        ("GET", "/", 404),
        ("POST", "/v1/generate/reply/", 404),
        ("GET", "/CANARY", 404),
    ],
)
def test_other_methods_and_paths_are_problems(gateway: Gateway, method: str, path: str, status: int) -> None:
    response = gateway.client.request(method, path)
    assert response.status_code == response.json()["status"] == status
    assert response.headers["content-type"] == "application/problem+json"
    assert CANARY not in response.text
    assert ("allow" in response.headers) is (status == 405)
