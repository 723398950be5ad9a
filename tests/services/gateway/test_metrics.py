"""What the gateway measures: exemplars that lead to a trace, and labels that no caller can multiply."""

import asyncio
import re

import aiohttp
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.services.gateway.conftest import Gateway, Message, StartGateway

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
TENANTS = 10_000
AT_ONCE = 32


def test_plain_text_is_what_prometheus_reads_without_asking(gateway: Gateway) -> None:
    answer = gateway.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "# TYPE salambot_http_requests_total counter" in answer.text


def test_exemplars_lead_to_the_trace_of_a_request(start_gateway: StartGateway, message: Message) -> None:
    gateway = start_gateway()
    trace = gateway.reply(message).json()["trace_id"]
    answer = gateway.client.get("/metrics", headers={"Accept": OPEN_METRICS})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    found = {
        (family.name, sample.exemplar.labels["trace_id"])
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.exemplar
    }
    assert found
    assert all(re.fullmatch("[0-9a-f]{32}", identifier) for _, identifier in found)
    assert {"salambot_http_request_duration_seconds", "salambot_ttfb_seconds"} <= {name for name, _ in found}
    assert len(trace) == 32


def series() -> set[tuple[str, frozenset[tuple[str, str]]]]:
    return {
        (sample.name, frozenset(sample.labels.items()))
        for family in REGISTRY.collect()
        if family.name.startswith("salambot_")
        for sample in family.samples
    }


async def test_ten_thousand_tenants_add_no_series(start_gateway: StartGateway) -> None:
    gateway = start_gateway(rate_limit_client="1000000/minute")
    url = str(gateway.client.base_url.join("/v1/search/query"))

    async def search(session: aiohttp.ClientSession, number: int) -> int:
        tenant = f"tenant-{number}"
        headers = {"Authorization": f"Bearer {gateway.issuer.token(tenant=tenant)}", "X-SalamBot-Tenant": tenant}
        async with session.post(url, json={"query": "prix", "tenant": tenant}, headers=headers) as answer:
            return answer.status

    async with aiohttp.ClientSession() as session:
        assert await search(session, 0) == 200
        before = series()
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> int:
            async with slots:
                return await search(session, number)

        statuses = await asyncio.gather(*map(one, range(1, TENANTS)))
    assert set(statuses) == {200}
    assert series() == before


def test_a_path_or_a_status_of_a_callers_choice_is_no_label(gateway: Gateway) -> None:
    gateway.client.get("/nothing/0612345678")
    gateway.client.request("BREW", "/v1/webhooks/0612345678")
    labels = {value for _, pairs in series() for _, value in pairs}
    assert not any("0612345678" in value for value in labels)
    assert "BREW" not in labels
