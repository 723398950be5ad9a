"""Answers to what never became a request: problems like all others, though no application has seen it."""

from prometheus_client import Counter

from salambot.core import tracing
from salambot.core.problems import Problem

REFUSALS: dict[tuple[int, bool], tuple[int, str, str]] = {
    (400, True): (400, "bad_request", "This is not HTTP/1.1, or a request that could be read in two ways."),
    (400, False): (400, "bad_request", "The body is not framed as HTTP/1.1 says."),
    (408, True): (408, "head_too_slow", "The head of the request did not arrive in time."),
    (408, False): (408, "body_too_slow", "The body did not arrive in time."),
    (413, False): (413, "body_too_large", "The headers, extensions and trailers of the chunks are too large."),
    (431, True): (431, "headers_too_large", "The request line and the headers are too large or too many."),
    (501, True): (501, "transfer_encoding_unsupported", "The only transfer encoding here is chunked."),
}
"""By status, and whether the head was still being read."""
_REFUSED = Counter("salambot_http_refusals", "Requests that were refused before they were complete", ("code",))


def refusal(reason: tuple[int, str, str]) -> bytes:
    """Return a whole response; the connection is closed after it."""
    status, code, detail = reason
    _REFUSED.labels(code).inc()
    with tracing.request_trace({}, public=True, quiet=True):
        problem = Problem(status, code, detail)
        response = problem.response()
    headers = [*response.raw_headers, (b"connection", b"close"), (b"cache-control", b"no-store")]
    head = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (status, problem.title.encode(), head, bytes(response.body))
