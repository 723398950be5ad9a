"""The spans of the `salambot` command, which starts traces and loads no SDK: it tells orchestrateur how it went."""

from typing import Annotated, Literal

import orjson
from fastapi import FastAPI
from opentelemetry.trace import SpanContext, TraceFlags
from pydantic import Field
from starlette.responses import Response

from salambot import telemetry
from salambot.core.schemas import Message


class CommandSpan(Message):
    """The root of a trace: which command, its ids (lowercase hex), from when to when (Unix, nanoseconds)."""

    command: Literal["chat", "smoke", "seed"]
    trace_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    span_id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    started_ns: Annotated[int, Field(ge=0, lt=2**63)]
    ended_ns: Annotated[int, Field(ge=0, lt=2**63)]
    failed: bool = False

    def context(self) -> SpanContext:
        """Return the ids as OpenTelemetry has them."""
        flags = TraceFlags(TraceFlags.SAMPLED)
        return SpanContext(int(self.trace_id, 16), int(self.span_id, 16), is_remote=False, trace_flags=flags)


def add_commands(app: FastAPI) -> None:
    """Add `POST /internal/spans`."""

    @app.post("/internal/spans")
    async def take(span: CommandSpan) -> Response:
        """Export the span of a command with those of the services, where anything is exported."""
        status = "taken" if telemetry.report(span) else "ignored"
        return Response(orjson.dumps({"status": status}), media_type="application/json")
