"""A lane: one connection on which a service asks another many things at once.

Between the services HTTP/1.1 costs more than the work: a head to write and to read, a connection and its system calls
for each request and each answer. A lane begins as an HTTP/1.1 upgrade at the same port (`GET /internal/lane`, guarded
as everything below `/internal/`), then carries frames; those of different requests travel together. The same endpoints
stay reachable over plain HTTP, which a Hop falls back to where the other does not speak this.
"""

from dataclasses import dataclass

PATH = "/internal/lane"
PROTOCOL = "salambot-lane-1"
"""The token of the `Upgrade` header; another framing gets another number."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status as over HTTP, `Retry-After` where there was one, and the body."""

    status: int
    retry_after: str | None
    content: bytes
