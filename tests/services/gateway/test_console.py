"""The console is for this machine's own pages, in development, and for nobody else."""

import pytest

from salambot.console.charts import Series, draw_chart
from salambot.console.diagram import diagram
from salambot.console.health_snapshot import Snapshot
from salambot.console.language import translator
from salambot.console.webhook_table import inbox
from tests.services.gateway.conftest import Gateway, StartGateway

OWN = {"X-SalamBot-Console": "1"}
INTERNAL = {"X-SalamBot-Internal": "internal-canary"}
REPORT = {
    "status": "fail",
    "root_causes": ["net.dns"],
    "findings": [
        {
            "id": "net.dns",
            "check": "postgres.name",
            "status": "fail",
            "title": "The name <b>db</b> is not known",
            "severity": "high",
            "remedy": {"text": "Correct it.", "commands": ["getent hosts 'db' && echo \"<i>\""]},
            "said": {"title.fr": "Le nom <b>db</b> est inconnu"},
        }
    ],
}


@pytest.fixture
def developing(start_gateway: StartGateway) -> Gateway:
    """Return a gateway as `salambot up` starts it."""
    placements = {"postgres": "cloud", "redis": "local", "vector": "pinecone", "telemetry": "off", "tunnel": "none"}
    return start_gateway(allow_dev_token=True, console_placements=placements)


def test_the_page_is_whole_and_may_load_nothing_from_elsewhere(developing: Gateway) -> None:
    page = developing.client.get("/console")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers.get_list("content-security-policy")
    assert len(policy) == 1
    assert "default-src 'none'" in policy[0]
    assert "unsafe" not in policy[0]
    assert "//" not in policy[0]
    assert page.headers["cache-control"] == "no-store"
    assert 'data-part="rag"' in page.text
    for name, kind in (("console.js", "text/javascript"), ("chat.js", "text/javascript"), ("console.css", "text/css")):
        assert developing.client.get(f"/console/static/{name}").headers["content-type"].startswith(kind)
    assert developing.client.get("/console/static/page.html").status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"CF-Ray": "1"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"Host": "rebound.example"},
        {"Host": "rebound.example:8080"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize(
    "path", ["/console", "/console/doctor", "/console/requests/00000000", "/console/static/console.js"]
)
def test_it_does_not_exist_for_proxies_other_hosts_and_other_pages(
    developing: Gateway, path: str, headers: dict[str, str]
) -> None:
    assert developing.client.get(path, headers={**OWN, **headers}).status_code == 404


@pytest.mark.parametrize(
    "settings", [{"allow_dev_token": False}, {"env": "production"}, {"env": "staging", "allow_dev_token": False}]
)
def test_it_does_not_exist_outside_development(start_gateway: StartGateway, settings: dict[str, object]) -> None:
    gateway = start_gateway(**settings)
    assert gateway.client.get("/console").status_code == 404
    assert gateway.client.post("/internal/console/doctor", json=REPORT, headers=INTERNAL).status_code == 404


def test_only_its_own_script_may_change_something(developing: Gateway) -> None:
    path = "/console/webhooks/0123456789ab/replay"
    refused = developing.client.post(path)
    assert (refused.status_code, refused.json()["code"]) == (403, "console_only")
    assert developing.client.post(path, headers={**OWN, "Sec-Fetch-Site": "cross-site"}).status_code == 404
    preflight = developing.client.options(path, headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in preflight.headers


def test_reports_come_from_the_command_alone_and_are_shown_escaped_in_the_language_of_the_page(
    developing: Gateway,
) -> None:
    assert developing.client.post("/internal/console/doctor", json=REPORT).status_code == 401
    assert developing.client.post("/internal/console/doctor", json=REPORT, headers=INTERNAL).status_code == 204
    english = developing.client.get("/console/doctor", headers=OWN).text
    assert "The name &lt;b&gt;db&lt;/b&gt; is not known" in english
    assert "<i>" not in english
    french = developing.client.get("/console/doctor?lang=fr", headers=OWN).text
    assert "Le nom &lt;b&gt;db&lt;/b&gt; est inconnu" in french
    assert "cause première" in french
    fixed = {
        "status": "ok", "complete": False, "root_causes": [],
        "findings": [{"id": "postgres.name", "check": "postgres.name", "status": "ok", "title": "fine"}],
    }  # fmt: skip
    assert developing.client.post("/internal/console/doctor", json=fixed, headers=INTERNAL).status_code == 204
    assert "All is well" in developing.client.get("/console/doctor?lang=en", headers=OWN).text


def test_the_diagram_tells_where_each_part_is_and_how_it_is(developing: Gateway) -> None:
    shown = developing.client.get("/console/environment", headers=OWN).text
    assert 'class="part cloud' in shown
    assert "pinecone" in shown
    assert 'data-part="orchestrateur" data-health="ok"' in shown


def test_no_line_of_the_diagram_is_drawn_over_a_latency() -> None:
    look = Snapshot({"redis": "ok"}, {("gateway", "orchestrateur"): 27.1, ("gateway", "redis"): 9})
    picture, _ = diagram(look, {}, str).split("</svg>")
    assert picture.rindex('class="edge') < picture.index('class="took">27.1 ms<') < picture.index(">9 ms<")


def test_a_seed_that_found_nothing_to_do_is_not_0_of_0(developing: Gateway) -> None:
    report = {"state": "done", "done": 0, "total": 0}
    assert developing.client.post("/internal/console/seed", json=report, headers=INTERNAL).status_code == 204
    assert "0 / 0" not in developing.client.get("/console/seed", headers=OWN).text


def test_a_seed_shows_how_far_it_is(developing: Gateway) -> None:
    report = {"state": "running", "done": 3, "total": 9}
    assert developing.client.post("/internal/console/seed", json=report, headers=INTERNAL).status_code == 204
    assert '<progress max="9" value="3"' in developing.client.get("/console/seed", headers=OWN).text


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [("", "fr-MA,fr;q=0.9,en;q=0.8", "fr"), ("?lang=en", "fr", "en"), ("", "ar-MA", "ar"), ("", "ja", "en")],
)
def test_the_language_is_the_addresss_else_the_browsers(
    developing: Gateway, asked: str, accepted: str, language: str
) -> None:
    page = developing.client.get(f"/console{asked}", headers={"Accept-Language": accepted}).text
    assert f'<html lang="{language}" dir="{"rtl" if language == "ar" else "ltr"}">' in page


def test_a_language_that_was_chosen_stays(developing: Gateway) -> None:
    developing.client.get("/console?lang=ar")
    assert '<html lang="ar"' in developing.client.get("/console/doctor", headers={"Accept-Language": "fr"}).text
    assert '<html lang="fr"' in developing.client.get("/console/doctor?lang=fr").text


def test_the_root_leads_a_developer_to_the_console_and_nobody_else(
    developing: Gateway, start_gateway: StartGateway
) -> None:
    led = developing.client.get("/")
    assert (led.status_code, led.headers["location"]) == (307, "/console")
    assert developing.client.get("/", headers={"CF-Ray": "1"}).status_code == 404
    assert start_gateway(env="production").client.get("/").status_code == 404


@pytest.mark.parametrize(
    ("state", "english", "french"), [("done", "Answered", "Répondu"), ("rejected", "Refused", "Refusé")]
)
def test_the_state_of_a_webhook_reads_as_a_word_of_the_page(state: str, english: str, french: str) -> None:
    entry: dict[str, object] = {"id": "0123456789ab", "state": state, "channel": "whatsapp"}
    for language, word, replay in (("en", english, "Replay"), ("fr", french, "Rejouer")):
        table = inbox([entry], "", translator(language))
        assert f">{word}<" in table
        assert f'<th scope="col">{replay}</th>' in table
        assert f'data-state="{state}"' in table


def test_a_chart_shows_a_time_without_data_as_a_gap() -> None:
    series: Series = [(-60.0, 1.0), (-58.0, 2.0), (-30.0, None), (-10.0, 3.0), (-8.0, None), (-4.0, 2.0), (-2.0, 1.0)]
    chart = draw_chart("Requests", series, "", 60, str)
    assert chart.count("<polyline") == 2
    assert chart.count("<circle") == 2  # the value that stands alone, and the last one
    assert "<polyline" not in draw_chart("Requests", [(-2.0, None)], "", 60, str)
