"""The console in a real browser: what a developer sees, clicks and types, with a mouse or without."""

import contextlib
import os
import shutil
import signal
import textwrap
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from tests.servers import serving
from tests.stack import Project, make_project

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("console")]

FRENCH = "C'est quoi votre politique de remboursement ?"
ARABIC = "ما هي مدة التوصيل؟"
DESKTOP = {"width": 1400, "height": 1000}
PHONE = {"width": 390, "height": 844}
PATIENCE_MS = 60_000
OFFSET = "e => e.getBoundingClientRect().left"


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    """Serve the page of a shop that loads the widget, at an origin of its own; return that."""

    async def page(request: Request) -> HTMLResponse:
        gateway, language = request.query_params["gateway"], request.query_params["lang"]
        policy = f"default-src 'none'; script-src {gateway}; connect-src {gateway}; img-src data:"
        widget = f'<script src="{gateway}/widget.js" data-site="shop" data-title="Boutique" async></script>'
        html = (
            f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>Boutique</title>'
            '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,"></head>'
            f"<body><main><h1>Boutique</h1></main>{widget}</body></html>"
        )
        return HTMLResponse(html, headers={"Content-Security-Policy": policy})

    with serving(Starlette(routes=[Route("/", page)])) as url:
        yield url


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, shop: str) -> Iterator[Project]:
    tables = f"""
        [placement]
        telemetry = "local"

        [env]
        WEBHOOK_KEEP_BODIES = "true"

        [[widget.site]]
        key = "shop"
        origins = ["{shop}"]
        """
    project = make_project(tmp_path_factory.mktemp("console"), textwrap.dedent(tables))
    assert project.json("up")["status"] == "ready"
    yield project
    project.run("down")
    assert project.processes() == []


@pytest.fixture(scope="module")
def address(project: Project) -> str:
    url = str(project.json("open")["url"])
    assert url.endswith("/console?lang=en")
    return url.partition("?")[0]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Return Debian's chromium: the tests bring none of their own."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    folder = str(tmp_path_factory.mktemp("chromium"))  # it writes files of its own at any time, which no test leaves
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found,
            args=["--no-sandbox", "--disable-dev-shm-usage"],
            env={**os.environ, "TMPDIR": folder},
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with opened(browser, address) as page:
        yield page


@contextlib.contextmanager
def opened(browser: Browser, address: str, **wishes: object) -> Iterator[Page]:
    """Open the console as somebody with these wishes; nothing may go wrong in the browser meanwhile."""
    context = browser.new_context(**{"viewport": DESKTOP, "locale": "en-GB", **wishes})  # type: ignore[arg-type]
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(f"{said.text} {said.location}") if said.type == "error" else None)
    page.on("request", lambda asked: wrong.append(asked.url) if not asked.url.startswith(address[:17]) else None)
    page.goto(address)
    yield page
    context.close()
    assert [one for one in wrong if not one.startswith("data:")] == []


@pytest.fixture(scope="session")
def artefacts(checkout: Path) -> Path:
    """Return the folder where screenshots are kept; git ignores it."""
    folder = checkout / ".artifacts" / "console"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def keep(page: Page, artefacts: Path, name: str) -> None:
    """Keep a picture of the whole page."""
    (artefacts / f"{name}.png").write_bytes(page.screenshot(full_page=True))


def ask(page: Page, prompt: str) -> None:
    """Ask with the keyboard alone, and wait for the whole reply."""
    before = page.locator(".message.bot .language").count()
    page.get_by_label("Votre message" if page.locator("html[lang=fr]").count() else "Your message").fill(prompt)
    page.keyboard.press("Enter")
    expect(page.locator(".message.bot .language")).to_have_count(before + 1)


def violations(page: Page) -> list[str]:
    """Let axe-core look (WCAG 2.1 A and AA, best practices); return what it objects to."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html'][:200]} {node['failureSummary']}" for one in found for node in one["nodes"]]


def test_a_conversation_streams_names_its_language_and_opens_its_sources(page: Page) -> None:
    ask(page, FRENCH)
    reply = page.locator(".message.bot").last
    expect(reply.locator(".text")).to_contain_text("14 jours")
    expect(reply.locator(".language")).to_have_text("Language: fr")
    reply.locator(".sources button").first.click()
    expect(page.locator("#passage-text")).to_contain_text("jours")
    assert page.locator("#passage-uri").inner_text()
    page.keyboard.press("Escape")
    expect(page.locator("#passage")).to_be_hidden()
    reply.get_by_role("link", name="Trace").click()
    expect(page.locator(".requests td", has_text="POST /v1/generate/reply").first).to_be_visible()
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("status")).to_contain_text("salambot trace")
    assert page.evaluate("navigator.clipboard.readText()").startswith("salambot trace ")
    page.go_back()
    expect(page.locator(".message.bot .text").last).to_contain_text("14 jours")


def test_a_conversation_survives_a_change_of_language_and_a_message_leaves(page: Page) -> None:
    ask(page, FRENCH)
    said = page.locator(".message.bot .text").inner_text()
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("status")).to_contain_text("salambot")
    expect(page.locator("#status")).to_be_empty()
    page.get_by_role("link", name="Français").click()
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    expect(page.locator(".message.bot .text")).to_have_text(said)
    page.get_by_role("button", name="Nouvelle conversation").click()
    page.reload()
    expect(page.locator(".message")).to_have_count(0)


def test_arabic_runs_from_right_to_left_and_latin_darija_does_not(page: Page) -> None:
    ask(page, ARABIC)
    arabic = page.locator(".message.bot .text").last
    assert arabic.evaluate("e => getComputedStyle(e).direction") == "rtl"
    assert arabic.get_attribute("lang") == "ar"
    ask(page, "bghit nrje3 lcommande, kifach?")
    assert page.locator(".message.user .text").last.evaluate("e => getComputedStyle(e).direction") == "ltr"
    page.get_by_label("Your message").fill(ARABIC)
    assert page.get_by_label("Your message").evaluate("e => getComputedStyle(e).direction") == "rtl"


def test_a_webhook_is_seen_and_replayed(project: Project, page: Page) -> None:
    project.run("webhook", "trigger", "whatsapp", "--text", "Bonjour, quels sont vos horaires ?")
    row = page.locator("tr[data-webhook]", has_text="horaires").first
    expect(row).to_have_attribute("data-state", "done")
    row.get_by_role("button", name="Replay").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Replayed")
    expect(page.locator("tr[data-webhook]", has_text="horaires").first).to_have_attribute("data-state", "done")


def test_times_are_those_of_the_wall_clock(project: Project, browser: Browser, address: str) -> None:
    project.run("webhook", "trigger", "whatsapp", "--text", "Bonjour")
    with opened(browser, address, timezone_id="Asia/Tokyo") as page:
        shown = page.locator("tr[data-webhook] time").first
        came = datetime.fromisoformat(str(shown.get_attribute("datetime")))
        expect(shown).to_have_text(f"{came.astimezone(ZoneInfo('Asia/Tokyo')):%H:%M:%S}")


def test_a_killed_service_is_seen_down_and_seen_healed(project: Project, page: Page, artefacts: Path) -> None:
    nlu = page.locator("#environment [data-part=nlu]")
    expect(nlu).to_have_attribute("data-health", "ok")
    down = page.locator("#environment [data-part=nlu][data-health=down]")
    for _ in range(30):  # the supervisor heals quickly: kill until the page has seen it
        with contextlib.suppress(ProcessLookupError, TypeError):
            os.kill(project.json("status", status=None)["services"]["nlu"]["pid"], signal.SIGKILL)
        with contextlib.suppress(AssertionError):
            expect(down).to_be_visible(timeout=2500)
            keep(page, artefacts, "desktop-light-killed")
            break
    else:
        pytest.fail("the page never showed nlu down")
    expect(nlu).to_have_attribute("data-health", "ok")


def test_the_doctors_findings_come_with_commands_to_copy(project: Project, page: Page, artefacts: Path) -> None:
    (project.folder / ".env").write_text("META_APP_SECRET='a secret '\n")
    try:
        project.run("doctor", "--offline", status=None)
        finding = page.locator(".finding").first
        expect(finding).to_be_visible()
        keep(page, artefacts, "desktop-light-findings")
        finding.get_by_role("button", name="Copy").first.click()
        assert page.evaluate("navigator.clipboard.readText()") == finding.locator("code").nth(1).inner_text()
    finally:
        (project.folder / ".env").unlink()
    project.run("doctor", "--offline", status=None)
    expect(page.locator(".finding.fail")).to_have_count(0)


def test_a_seed_and_the_charts_are_shown(project: Project, page: Page) -> None:
    project.run("seed")
    expect(page.locator("[data-seed=done]")).to_be_visible()
    ask(page, FRENCH)
    expect(page.locator("#charts svg")).to_have_count(2)
    expect(page.locator("#charts circle").first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_axe_finds_nothing_and_screenshots_are_kept(
    browser: Browser, address: str, artefacts: Path, size: str, scheme: str
) -> None:
    viewport = PHONE if size == "phone" else DESKTOP
    with opened(browser, address, locale="fr-MA", color_scheme=scheme, viewport=viewport) as page:
        assert page.locator("html").get_attribute("lang") == "fr"
        ask(page, FRENCH)
        keep(page, artefacts, f"{size}-{scheme}-french")
        ask(page, ARABIC)
        keep(page, artefacts, f"{size}-{scheme}-arabic")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
        assert violations(page) == []
        page.locator(".sources button").first.click()
        expect(page.locator("#passage-text")).not_to_have_text("…")
        keep(page, artefacts, f"{size}-{scheme}-passage")
        assert violations(page) == []


def test_the_keyboard_reaches_everything_and_one_sees_where_it_is(page: Page) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"
    seen: set[str] = set()
    wanted = {"chat", "environment", "doctor", "webhooks", "seed"}
    for _ in range(200):  # two buttons for each webhook
        if wanted <= seen:
            break
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.closest('section')?.id ?? ''"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none" or page.evaluate("document.activeElement === document.body")
    assert wanted <= seen


VIEWS = ("conversations", "requests", "logs", "knowledge", "webhooks", "environment", "doctor")


@pytest.mark.parametrize("language", ["en", "fr", "ar"])
def test_every_view_has_an_address_fits_and_axe_finds_nothing(
    project: Project, browser: Browser, address: str, artefacts: Path, language: str
) -> None:
    project.run("webhook", "trigger", "whatsapp", "--text", "Quels sont vos horaires ?")
    with opened(browser, address, locale=language, viewport=PHONE) as page:
        for view in VIEWS:
            page.locator(f"nav a[href='/console/{view}']").click()
            expect(page.locator("nav a[aria-current]")).to_have_attribute("href", f"/console/{view}")
            expect(page.locator("html")).to_have_attribute("lang", language)
            for width in (1440, 1024, 390):
                page.set_viewport_size({"width": width, "height": 900})
                keep(page, artefacts, f"{view}-{language}-{width}")
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{view} scrolls sideways"
            assert violations(page) == []
        page.go_back()
        expect(page).to_have_url(f"{address}/environment")


def test_items_are_found_sought_and_opened(project: Project, page: Page, address: str, artefacts: Path) -> None:
    ask(page, FRENCH)
    project.run("webhook", "trigger", "whatsapp", "--text", "Quelle est la capitale du Japon ?")
    page.goto(f"{address}/conversations?q=capitale&answered=no")
    page.locator(".conversations tbody a").first.click()
    expect(page.locator(".message.user .text").last).to_contain_text("capitale")
    expect(page.locator(".message.bot").last).to_contain_text("not answered")
    assert violations(page) == []
    keep(page, artefacts, "conversation")
    page.goto(address)
    page.get_by_role("link", name="Why this answer").click()
    expect(page.locator(".knowledge")).to_contain_text("It is answered")
    assert violations(page) == []
    keep(page, artefacts, "explanation")
    page.goto(f"{address}/knowledge")
    page.locator(".knowledge tbody a").first.click()
    expect(page.locator(".knowledge .text").first).to_be_visible()
    page.goto(f"{address}/webhooks")
    page.locator("tr[data-webhook] a").first.click()
    expect(page.locator(".webhooks dl")).to_contain_text("trace_id")
    trace = project.json("trace", "--list")["traces"][0]["trace_id"]
    assert project.json("open", "trace", trace, "--no-doctor")["url"] == f"{address}/requests/{trace}?lang=en"
    page.goto(f"{address}/requests/{trace}")
    expect(page.locator(".requests svg.bar").first).to_be_visible()
    assert violations(page) == []
    keep(page, artefacts, "trace")


def test_light_and_dark_can_be_chosen_and_stay_chosen(page: Page) -> None:
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Dark or light").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before


def test_a_gateway_that_is_gone_is_told_once(browser: Browser, address: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(address)
    page.route("**/console/*", lambda route: route.abort())
    expect(page.get_by_role("status")).to_have_text("The gateway does not answer")
    page.unroute_all()
    expect(page.locator("body.away")).to_have_count(0)
    context.close()


@contextlib.contextmanager
def visiting(browser: Browser, origin: str, address: str, language: str, **wishes: object) -> Iterator[Page]:
    """Open the shop's page as a visitor does; nothing may go wrong in the browser meanwhile."""
    context = browser.new_context(**{"viewport": DESKTOP, **wishes})  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
    page.goto(f"{origin}/?gateway={address.removesuffix('/console')}&lang={language}")
    yield page
    context.close()
    assert wrong == []


def test_a_visitor_of_another_origin_is_answered_in_arabic(
    browser: Browser, address: str, shop: str, artefacts: Path
) -> None:
    with visiting(browser, shop, address, "ar") as page:
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_label("رسالتك")).to_be_focused()
        assert page.get_by_role("dialog", name="Boutique").evaluate("e => getComputedStyle(e).direction") == "rtl"
        page.keyboard.type(ARABIC)
        page.keyboard.press("Enter")
        reply = page.locator(".message.bot").last
        expect(reply).to_have_attribute("lang", "ar")
        expect(reply).to_contain_text("أيام")
        assert reply.evaluate("e => getComputedStyle(e).direction") == "rtl"
        keep(page, artefacts, "widget-arabic")
        assert violations(page) == []
        said = reply.inner_text()
        page.reload()
        page.get_by_role("button", name="فتح المحادثة").click()
        expect(page.locator(".message.bot").last).to_have_text(said)
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        expect(page.get_by_role("button", name="فتح المحادثة")).to_be_focused()


def test_a_page_of_an_origin_that_is_not_listed_is_refused(browser: Browser, address: str, shop: str) -> None:
    with visiting(browser, shop.replace("127.0.0.1", "localhost"), address, "fr", viewport=PHONE) as page:
        page.get_by_role("button", name="Ouvrir la discussion").click()
        page.get_by_label("Votre message").fill(FRENCH)
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_be_visible()
        expect(page.locator(".message.bot")).to_have_count(1)
        assert page.get_by_role("dialog").bounding_box() == {"x": 0, "y": 0, **PHONE}
        assert violations(page) == []


def test_the_console_shows_a_preview_of_the_widget(page: Page) -> None:
    page.get_by_role("link", name="Widget").click()
    page.get_by_role("button", name="Open the chat").click()
    page.get_by_label("Your message").fill(FRENCH)
    page.keyboard.press("Enter")
    expect(page.locator(".message.bot").last).to_contain_text("14 jours")
