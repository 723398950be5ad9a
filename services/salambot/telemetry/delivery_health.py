"""A receiver that does not take what it is sent: said once, with what to change, and once when it is over."""

import threading
from collections.abc import MutableMapping
from urllib.parse import urlsplit

import requests
import structlog

from salambot.telemetry.self_metrics import Signal

_log = structlog.get_logger("salambot.telemetry")


class RedirectedError(requests.RequestException):
    """The receiver redirects. The exporter would call that a success, and what it sent would be lost."""


class ExporterSession(requests.Session):
    """The session of one exporter: remembers how its last request ended, and takes a redirect for what it is."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble = ""
        self._settings: MutableMapping[str, object] | None = None

    def merge_environment_settings(self, *given: object, **named: object) -> MutableMapping[str, object]:  # type: ignore[override] # passed on as it came
        """Look for proxies and certificates in the environment once: it costs more than the request."""
        if self._settings is None:
            self._settings = super().merge_environment_settings(*given, **named)  # type: ignore[arg-type]
        return self._settings

    def request(self, method: str, url: str, **given: object) -> requests.Response:  # type: ignore[override] # the exporter calls it by keywords
        """Send one request. Raises RedirectedError, and what requests raises."""
        host = urlsplit(url).netloc
        try:
            response = super().request(method, url, **given)  # type: ignore[arg-type] # passed on as they came
        except (requests.RequestException, ValueError) as error:
            self.trouble = _of_the_wire(host, error)
            raise
        if response.is_redirect or 300 <= response.status_code < 400:
            target = response.headers.get("Location", "nowhere")
            self.trouble = f"{host} redirects to {_without_path(target)}, and nothing follows: give its final address"
            raise RedirectedError(self.trouble, response=response)
        self.trouble = _of_the_answer(host, response.status_code) if response.status_code >= 400 else ""
        return response


def _of_the_wire(host: str, error: Exception) -> str:
    if isinstance(error, requests.exceptions.InvalidHeader | UnicodeError):
        return "OTEL_EXPORTER_OTLP_HEADERS cannot be sent as it is: name=value, percent-encoded, comma-separated"
    if isinstance(error, requests.Timeout):
        return f"{host} takes too long to answer"
    if isinstance(error, requests.exceptions.SSLError):
        return f"the certificate of {host} is not trusted"
    text = str(error)
    if any(sign in text for sign in ("BadStatusLine", "RemoteDisconnected", "Connection reset", "IncompleteRead")):
        return f"{host} speaks no HTTP/1.1; is it a gRPC port? http/protobuf has its own, mostly 4318"
    return f"{host} does not answer"


def _of_the_answer(host: str, status: int) -> str:
    match status:
        case 401 | 403:
            return f"{host} does not accept OTEL_EXPORTER_OTLP_HEADERS ({status})"
        case 404 | 405:
            return f"{host} takes nothing at this path ({status}): OTEL_EXPORTER_OTLP_ENDPOINT is a base, as …/otlp"
        case 415:
            return f"{host} does not take http/protobuf (415)"
        case 429:
            return f"{host} takes less than it is sent (429)"
    return f"{host} answers {status}"


def _without_path(url: str) -> str:
    """Return scheme and host: the path of a redirect to a login page may hold anything."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else "another path"


class DeliveryMonitor:
    """Says that deliveries fail when the first of the signals does, and that all is well when the last one is."""

    def __init__(self, service: str, every_ms: float) -> None:
        self._say = _log.bind(service=service)
        self.every_ms = every_ms
        """How often what waits is delivered."""
        self._failing: set[Signal] = set()
        self._lock = threading.Lock()

    def check_protocol(self, wanted: str | None) -> None:
        """Say so when another protocol is asked for than the one that there is."""
        if wanted and wanted != "http/protobuf":
            self._say.warning(
                "telemetry goes by http/protobuf, whatever OTEL_EXPORTER_OTLP_PROTOCOL says", wanted=wanted
            )

    def record(self, signal: Signal, trouble: str) -> None:
        """Note how a delivery ended: no trouble is the empty string."""
        with self._lock:
            before = bool(self._failing)
            (self._failing.add if trouble else self._failing.discard)(signal)
            after = bool(self._failing)
        if after and not before:
            self._say.warning(
                "telemetry is not delivered", signal=signal, why=trouble, fix="salambot doctor otlp.export"
            )
        elif before and not after:
            self._say.info("telemetry is delivered again")
