"""The views of the console: what each shows of the service behind it, whatever customers wrote into it."""

import html
import re
import shlex
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.servers import serving
from tests.services.gateway.conftest import Gateway, StartGateway

OWN = {"X-SalamBot-Console": "1"}
HOSTILE = '<img src=x onerror="alert(1)">'
TRACE = "0123456789abcdef0123456789abcdef"
WHEN = "2026-11-30T22:00:00.000Z"


def span(name: str, number: int, parent: int | None, service: str, **attributes: object) -> dict[str, object]:
    """Build a span as it is kept: it ends with the one below it."""
    return {
        "trace_id": TRACE,
        "span_id": f"{number:016x}",
        "parent_id": None if parent is None else f"{parent:016x}",
        "service": service,
        "name": name,
        "started_ns": 1_000_000 * number,
        "ended_ns": 1_000_000 * (20 - number),
        "failed": number == 3,
        "attributes": attributes,
    }


SPANS = [
    span("deeper", 3, 2, "rag", **{"salambot.hits": 4}),
    span("POST /v1/generate/reply", 1, None, "gateway", **{"http.route": "/v1/generate/reply"}),
    span(HOSTILE, 2, 1, "orchestrateur"),
]
OWN_SPAN = {**span("GET /console/logs", 1, None, "gateway", **{"http.route": "/console/{name}"}), "trace_id": "e" * 32}
LOGS = [
    {"trace_id": "0" * 32, "service": "rag", "time_ns": 2, "level": "error", "event": HOSTILE, "attributes": {}},
    {"trace_id": TRACE, "service": "nlu", "time_ns": 1, "level": "info", "event": "said", "attributes": {"n": 1}},
]
ANSWERS: dict[str, dict[str, object]] = {
    "/internal/telemetry/traces": {"entries": [*SPANS, OWN_SPAN]},
    "/internal/telemetry/logs": {"entries": LOGS},
    "/internal/conversations": {
        "conversations": [
            {
                "id": "0123456789ab", "channel": "whatsapp", "party": "hash", "language": "ary", "turns": 2,
                "started_at": WHEN, "last_at": WHEN, "latest": HOSTILE, "answered": False,
            }
        ]
    },
    "/internal/conversations/unanswered": {"questions": [{"content": HOSTILE, "times": 3, "last_at": WHEN}]},
    "/internal/conversations/0123456789ab": {
        "channel": "whatsapp", "party": "hash",
        "turns": [
            {"at": WHEN, "role": "user", "content": HOSTILE, "message_id": "m1", "answered": True},
            {"at": WHEN, "role": "assistant", "content": "Je ne sais pas.", "message_id": "m1", "answered": False},
        ],
    },
    "/internal/documents": {
        "documents": [
            {"path": HOSTILE, "source": "sample", "passages": 3, "languages": ["fr"], "updated_at": WHEN}
        ],
        "next": None,
    },
    "/internal/documents/passages": {
        "passages": [{"number": 0, "heading": None, "text": HOSTILE, "language": "fr"}], "next": None,
    },
    "/internal/webhooks": {
        "webhooks": [{"id": "0123456789ab", "time": WHEN, "channel": "whatsapp", "text": HOSTILE, "trace_id": TRACE}]
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def behind() -> Iterator[str]:
    """Serve what orchestrateur would answer; return its URL."""

    async def answer(request: Request) -> Response:
        return JSONResponse(ANSWERS[request.url.path]) if request.url.path in ANSWERS else Response(status_code=503)

    with serving(Starlette(routes=[Route("/{path:path}", answer)])) as url:
        yield url


@pytest.fixture
def console(start_gateway: StartGateway, behind: str) -> Gateway:
    """Return a gateway of a developer whose telemetry is kept."""
    placements = {"telemetry": "local"}
    return start_gateway(allow_dev_token=True, console_placements=placements, orchestrateur_url=behind)


@pytest.mark.parametrize(
    "path",
    [
        f"requests/{TRACE}",
        "logs",
        "conversations",
        "conversations/0123456789ab",
        "knowledge",
        f"knowledge?path={HOSTILE}",
        "webhooks",
        "webhooks/0123456789ab",
    ],
)
def test_a_view_is_a_whole_page_in_three_languages_and_escapes_what_others_wrote(console: Gateway, path: str) -> None:
    view, separator = path.partition("?")[0].partition("/")[0], "&" if "?" in path else "?"
    for language in ("en", "fr", "ar"):
        page = console.client.get(f"/console/{path}{separator}lang={language}")
        assert page.status_code == 200
        assert f'href="/console/{view}" aria-current=page' in page.text
        assert "&lt;img" in page.text
        assert "<img" not in page.text
        assert 'class="stale' not in page.text
    part = console.client.get(f"/console/{path}", headers=OWN).text
    assert "<html" not in part
    assert part in page.text or view == "logs"


@pytest.mark.parametrize("path", ["a b.md", "x; rm -rf ~", "$(id)`id`.md", "it's.md", "--help"])
def test_the_command_for_a_document_is_one_word_to_a_shell(console: Gateway, path: str) -> None:
    shown = console.client.get("/console/knowledge", params={"path": path}, headers=OWN).text
    found = re.search(r'data-copy="(salambot kb show [^"]*)"', shown)
    assert found is not None
    assert shlex.split(html.unescape(found[1]))[3:] == [path]


def test_a_trace_is_drawn_with_each_step_after_its_caller(console: Gateway) -> None:
    listed = console.client.get("/console/requests", headers=OWN).text
    assert f'href="/console/requests/{TRACE}"' in listed
    assert "POST /v1/generate/reply" in listed
    assert "/console/logs" not in listed
    shown = console.client.get(f"/console/requests/{TRACE[:8]}", headers=OWN).text
    assert shown.index("POST /v1/generate/reply") < shown.index("&lt;img") < shown.index("deeper")
    assert 'class="depth-2 bad">deeper' in shown
    assert "hits=4" in shown
    assert f"salambot trace {TRACE}" in shown
    assert "not kept here" in console.client.get("/console/requests/ffffffff", headers=OWN).text


@pytest.mark.parametrize(
    ("query", "lines"),
    [
        ("", 2),
        ("level=error", 1),
        ("level=debug", 2),
        ("service=nlu", 1),
        ("q=SAID", 1),
        ("q=nowhere", 0),
        ("level=x", 2),
    ],
)
def test_logs_are_sought_by_words_level_and_service(console: Gateway, query: str, lines: int) -> None:
    shown = console.client.get(f"/console/logs?{query}", headers=OWN).text
    assert shown.count("<time") == lines
    assert shown.count(f"/console/requests/{TRACE}") == ("said" in shown)


def test_what_customers_asked_in_vain_is_counted(console: Gateway) -> None:
    shown = console.client.get("/console/conversations", headers=OWN).text
    assert "Unanswered questions of the last 7 days" in shown
    assert "<td>3</td>" in shown
    detail = console.client.get("/console/conversations/0123456789ab", headers=OWN).text
    assert detail.count("not answered") == 1


def test_a_view_of_a_service_that_does_not_answer_says_so(start_gateway: StartGateway) -> None:
    gateway = start_gateway(
        allow_dev_token=True, console_placements={"telemetry": "local"}, orchestrateur_url="http://127.0.0.1:9"
    )
    for view in ("requests", "logs", "conversations", "knowledge", "webhooks"):
        shown = gateway.client.get(f"/console/{view}", headers=OWN)
        assert shown.status_code == 200
        assert shown.text.startswith('<p class="stale error">orchestrateur does not answer')
    assert gateway.client.get("/console/nothing", headers=OWN).status_code == 404
    assert gateway.client.get("/console/logs/1", headers=OWN).status_code == 404
    for identity in ("unanswered", "0123456789ab%3Ftenant=other", "0123", "0123456789AB"):
        assert gateway.client.get(f"/console/conversations/{identity}", headers=OWN).status_code == 404


def test_without_telemetry_the_view_says_what_turns_it_on(start_gateway: StartGateway) -> None:
    gateway = start_gateway(allow_dev_token=True, console_placements={"telemetry": "off"})
    for view in ("requests", "logs", f"requests/{TRACE}"):
        assert "telemetry = &quot;local&quot;" in gateway.client.get(f"/console/{view}", headers=OWN).text
