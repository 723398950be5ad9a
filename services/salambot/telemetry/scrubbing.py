"""Spans as they may leave: of an error its type stays and its text goes; a value that may be free text is redacted."""

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Status, StatusCode
from opentelemetry.util.types import AttributeValue

from salambot.core.privacy import redact

_KNOWN = (
    "http.", "db.", "server.", "network.", "gen_ai.", "error.", "messaging.", "salambot.", "net.", "url.scheme", "rpc.",
)  # fmt: skip
"""Attributes whose values come from us, from a closed list, or from a driver that writes no values into them."""


def scrubbed(span: ReadableSpan) -> ReadableSpan:
    """Return the span itself when there is nothing to take out of it."""
    failed = span.status.status_code is StatusCode.ERROR
    attributes = span.attributes or {}
    suspects = {
        name: value for name, value in attributes.items() if isinstance(value, str) and not name.startswith(_KNOWN)
    }
    cleaned = {name: redact(value) for name, value in suspects.items()}
    if cleaned == suspects and not (failed and span.status.description):
        return span
    changed: dict[str, AttributeValue] = {**attributes, **cleaned}
    if failed and "error.type" not in changed and span.status.description:
        kind = span.status.description.partition(":")[0]
        changed["error.type"] = kind if kind.isidentifier() else "error"
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=changed,
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
