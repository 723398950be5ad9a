"""The OpenAPI document is true: what schemathesis makes of it is answered as it says."""

import re

import pytest
from hypothesis import HealthCheck, given, settings, strategies

from salambot.gateway.app import create_app
from salambot.gateway.settings import GatewaySettings
from tests.services.gateway.conftest import Gateway

DOCUMENT = create_app(
    GatewaySettings.model_validate({"internal_token": "t", "redis_url": "redis://127.0.0.1"})
).openapi()
OPERATIONS = [
    ("/v1/generate/reply", "POST"),
    ("/v1/search/query", "POST"),
    ("/health", "GET"),
    ("/health/ready", "GET"),
]


def test_the_document_names_every_public_operation() -> None:
    named = [(path, method.upper()) for path, operations in DOCUMENT["paths"].items() for method in operations]
    assert sorted(named) == sorted([*OPERATIONS, ("/metrics", "GET")])


def test_the_gateway_serves_its_document(gateway: Gateway) -> None:
    assert gateway.client.get("/openapi.json").json() == DOCUMENT


CASES = [(*operation, mode) for operation in OPERATIONS for mode in ("positive", "negative")]
CASES = [case for case in CASES if case[1] == "POST" or case[2] == "positive"]  # a GET without parameters has no other


@pytest.mark.parametrize(("path", "method", "mode"), CASES)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=strategies.data())
def test_each_operation_answers_as_documented(
    gateway: Gateway, data: strategies.DataObject, path: str, method: str, mode: str
) -> None:
    import schemathesis  # late: every worker collects this file

    operation = schemathesis.openapi.from_dict(DOCUMENT)[path][method]
    case = data.draw(operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode)))
    headers = {"Authorization": gateway.client.headers["Authorization"]}
    response = case.call(base_url=str(gateway.client.base_url), headers=headers)
    if response.status_code != 413:  # documented; schemathesis does not count it as a refusal of invalid data
        case.validate_response(response)


def test_the_docs_page_needs_no_network(gateway: Gateway) -> None:
    page = gateway.client.get("/docs").text
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(addresses) == 3
    for address in addresses:
        if not address.startswith("data:"):
            answer = gateway.client.get(address)
            assert (answer.status_code, len(answer.content) > 100_000) == (200, True), address
    assert not re.search(r"https?://", page), "nothing of it comes from elsewhere"
    assert gateway.client.get("/docs/nothing").status_code == 404
    hidden = gateway.client.get("/docs/swagger-ui.css", headers={"X-Forwarded-For": "1.2.3.4"})
    assert hidden.status_code == 404
