"""`smoke`: does the running stack answer, and does it refuse what it must refuse?"""

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from salambot_cli.api.gateway import Gateway
from salambot_cli.api.sample_webhooks import PAGE, signed_headers
from salambot_cli.model.secret import Secret

if TYPE_CHECKING:
    import httpx

_PROMPT = "Bonjour SalamBot"
_SILENCE_SECONDS = 5.0
_QUERY = "politique remboursement"


@dataclass(frozen=True, slots=True)
class SmokeResult:
    """One check: what was asked of the stack, and what came back."""

    id: str
    status: Literal["pass", "fail"]
    latency_ms: int
    detail: str = ""


Check = Callable[["httpx.AsyncClient", Gateway], Awaitable[str]]
"""Returns why it failed, or nothing."""


async def smoke(gateway: Gateway, *, app_secret: Secret | None = None) -> list[SmokeResult]:
    """Run every check, one after the other, against a gateway; that of webhooks where their secret is known."""
    import httpx

    results: list[SmokeResult] = []
    async with gateway.client() as client:
        checks = CHECKS if app_secret is None else {**CHECKS, "webhook": _webhook_check(app_secret)}
        for check_id, check in checks.items():
            began = time.monotonic()
            try:
                complaint = await check(client, gateway)
            except (httpx.HTTPError, ValueError, KeyError) as error:
                complaint = f"{type(error).__name__}: {error}"
            elapsed = round((time.monotonic() - began) * 1000)
            results.append(SmokeResult(check_id, "fail" if complaint else "pass", elapsed, complaint))
    return results


async def find_silence(gateway: Gateway) -> SmokeResult | None:
    """Return the failed check of a gateway that does not answer at all: every other would say the same."""
    import httpx

    began = time.monotonic()
    try:
        async with gateway.client() as client:
            await client.get("/health", timeout=_SILENCE_SECONDS)
    except httpx.TimeoutException:
        why = f"the gateway does not answer within {_SILENCE_SECONDS:.0f} s"
    except httpx.HTTPError as error:
        why = f"the gateway does not answer: {error}"
    else:
        return None
    return SmokeResult("health", "fail", round((time.monotonic() - began) * 1000), why)


def _body(gateway: Gateway) -> dict[str, object]:
    return gateway.generate_request(_PROMPT, context=[], conversation="corr_smoke", locale="fr-MA")


def _expected(response: "httpx.Response", status: int, code: str = "") -> str:
    if response.status_code != status:
        return f"{response.status_code} instead of {status}"
    if code and response.json().get("code") != code:
        return f"code {response.json().get('code')!r} instead of {code!r}"
    return ""


async def _health(client: "httpx.AsyncClient", _: Gateway) -> str:
    response = await client.get("/health")
    return _expected(response, 200) or ("" if response.json()["status"] == "ok" else "status is not ok")


async def _generate(client: "httpx.AsyncClient", gateway: Gateway) -> str:
    response = await client.post("/v1/generate/reply", json=_body(gateway))
    return _expected(response, 200) or ("" if response.json()["data"]["reply"].strip() else "the reply is empty")


async def _search(client: "httpx.AsyncClient", gateway: Gateway) -> str:
    response = await client.post("/v1/search/query", json={"query": _QUERY, "tenant": gateway.tenant, "top_k": 3})
    return _expected(response, 200) or ("" if isinstance(response.json()["results"], list) else "results is no list")


async def _refuses_anonymous(client: "httpx.AsyncClient", gateway: Gateway) -> str:
    request = client.build_request("POST", "/v1/generate/reply", json=_body(gateway))
    del request.headers["Authorization"]
    response = await client.send(request)
    return _expected(response, 401) or ("" if response.headers.get("WWW-Authenticate") else "no WWW-Authenticate")


async def _refuses_other_tenant(client: "httpx.AsyncClient", gateway: Gateway) -> str:
    other = f"not-{gateway.tenant}"[:63]
    body = {"query": _QUERY, "tenant": other, "top_k": 3}
    response = await client.post("/v1/search/query", json=body, headers={"X-SalamBot-Tenant": other})
    return _expected(response, 403, "tenant_mismatch")


async def _metrics(client: "httpx.AsyncClient", _: Gateway) -> str:
    response = await client.get("/metrics")
    return _expected(response, 200) or ("" if "# TYPE " in response.text else "not Prometheus text")


def _webhook_check(app_secret: Secret) -> Check:
    """Return a check that delivers an event that nobody answers, well signed and badly signed."""
    body = json.dumps({"object": "page", "entry": [{"id": PAGE, "messaging": [{"read": {"watermark": 0}}]}]}).encode()

    async def check(client: "httpx.AsyncClient", _: Gateway) -> str:
        for secret, status in ((app_secret.reveal(), 200), ("wrong", 401)):
            headers = signed_headers("messenger", secret, body)
            response = await client.post("/v1/webhooks/messenger", content=body, headers=headers)
            if complaint := _expected(response, status):
                return complaint
        return ""

    return check


CHECKS: dict[str, Check] = {
    "health": _health,
    "generate": _generate,
    "search": _search,
    "generate.refuses-anonymous": _refuses_anonymous,
    "search.refuses-other-tenant": _refuses_other_tenant,
    "metrics": _metrics,
}


def junit(results: list[SmokeResult]) -> str:
    """Return the results as a JUnit XML document."""
    from xml.etree import ElementTree as ET

    failures = sum(result.status == "fail" for result in results)
    suite = ET.Element("testsuite", name="salambot smoke", tests=str(len(results)), failures=str(failures))
    for result in results:
        case = ET.SubElement(
            suite, "testcase", classname="smoke", name=result.id, time=f"{result.latency_ms / 1000:.3f}"
        )
        if result.status == "fail":
            ET.SubElement(case, "failure", message=result.detail)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True)
