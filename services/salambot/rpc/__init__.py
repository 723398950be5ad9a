"""Internal RPC: one connection that multiplexes requests between two services."""

from dataclasses import dataclass

PATH = "/internal/lane"
PROTOCOL = "salambot-lane-1"
"""The token of the `Upgrade` header; another framing gets another number."""


@dataclass(frozen=True, slots=True)
class RpcResponse:
    """The response of a call: an HTTP status, `Retry-After` if present, and the body."""

    status: int
    retry_after: str | None
    content: bytes
