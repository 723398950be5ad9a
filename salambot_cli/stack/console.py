"""The console of a running environment: where it is, and what the doctor and a seed tell it."""

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import cast

from salambot_cli.api.console_reports import page_status, send_report
from salambot_cli.host.state_file import read_state, settled_port
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import SalamBotError
from salambot_cli.stack.component_health import service_url
from salambot_cli.stack.orchestrateur import own_value
from salambot_cli.terminal.i18n import LANGUAGES, translated_lines

Document = dict[str, object]
Hear = Callable[[Document], None]


def console_url(environment: Environment) -> str:
    """Return where the console is."""
    return f"{_gateway(environment)}/console"


def _gateway(environment: Environment) -> str:
    return service_url(settled_port(environment, "gateway")) or ""


async def require_console(environment: Environment) -> None:
    """Raise SalamBotError unless the gateway serves its console."""
    url = console_url(environment)
    status = await page_status(url)
    if status != 200:
        why = f"it answered {status}" if status else "nothing answers"
        raise SalamBotError(f"there is no console at {url}", why, "salambot up")


def publish_doctor_report(environment: Environment, document: Document, *, complete: bool = True) -> bool:
    """Show the doctor's report in the console, in every language that is spoken; False where no console took it.

    A report that is not complete replaces only what its own checks found.
    """
    findings = [_in_words(finding) for finding in cast("list[Document]", document["findings"])]
    known = {name: document[name] for name in ("status", "root_causes")}
    report = {**known, "findings": findings, "complete": complete}
    return _tell(environment, "doctor", report)


def _in_words(finding: Document) -> Document:
    remedy = cast("Mapping[str, str]", finding.get("remedy") or {})
    said = {
        f"{name}.{language}": translated_lines(text, language)
        for language in LANGUAGES[1:]
        for name, text in (("title", str(finding["title"])), ("remedy", remedy.get("text", "")))
        if text
    }
    shown = ("id", "check", "status", "title", "severity", "remedy", "caused_by")
    return {**{name: finding.get(name) for name in shown}, "said": said}


def _tell(environment: Environment, topic: str, report: Document) -> bool:
    if not read_state(environment.root).ports:
        return False
    return send_report(_gateway(environment), own_value(environment, "INTERNAL_TOKEN"), topic, report)


@contextmanager
def forward_seed_events(environment: Environment, show: Hear) -> Iterator[Hear]:
    """Yield what hears a seed's events: they are shown, and the console hears how far it is, at its own pace."""
    latest: queue.SimpleQueue[Document | None] = queue.SimpleQueue()
    progress: Document = {"state": "running", "done": 0, "total": 0}

    def hear(event: Document) -> None:
        show(event)
        counts = {"done": event.get("done"), "total": event.get("total", event.get("to_read"))}
        if event["event"] in {"compared", "indexed"}:
            progress.update({name: count for name, count in counts.items() if count is not None})
            latest.put({**progress})

    telling = threading.Thread(target=_tell_latest, args=(environment, latest), daemon=True)
    telling.start()
    try:
        yield hear
        latest.put({**progress, "state": "done"})
    except BaseException:
        latest.put({**progress, "state": "failed"})
        raise
    finally:
        latest.put(None)
        telling.join(timeout=3)


def _tell_latest(environment: Environment, reports: "queue.SimpleQueue[Document | None]") -> None:
    while (report := reports.get()) is not None:
        ended = False
        while not reports.empty():  # only the newest matters
            newer = reports.get()
            ended = ended or newer is None
            report = newer or report
        if not _tell(environment, "seed", report) or ended:
            return
