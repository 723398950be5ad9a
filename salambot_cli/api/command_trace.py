"""The trace that a command starts: W3C ids, which travel with its requests."""

import secrets
import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CommandTrace:
    """The root span of a trace. Ids are lowercase hexadecimal (W3C Trace Context)."""

    command: str
    trace_id: str = field(default_factory=lambda: secrets.token_hex(16))
    span_id: str = field(default_factory=lambda: secrets.token_hex(8))
    started_ns: int = field(default_factory=time.time_ns)

    @property
    def traceparent(self) -> str:
        """The header that makes a request a part of this trace, and asks to record it."""
        return f"00-{self.trace_id}-{self.span_id}-01"

    def ended(self, *, failed: bool) -> dict[str, object]:
        """Return the span, over now, as orchestrateur takes it."""
        ids: dict[str, object] = {"command": self.command, "trace_id": self.trace_id, "span_id": self.span_id}
        return ids | {"started_ns": self.started_ns, "ended_ns": time.time_ns(), "failed": failed}
