"""The maintained instrumentations of the libraries that a service calls others with.

Two things have thin spans of our own instead, measured on this project's path: the request itself
(`asgi.RequestContext`; OpenTelemetry's ASGI layer costs 76 to 127 µs a request where ours costs 30, knows no links at a
public edge, and FastAPI's sees no route that is served beneath it), and the hop between two services (`hops.Hop`;
aiohttp's costs 110 to 190 µs a call, ours 30). Where a call leaves for another provider, aiohttp's is used. No service
calls AWS by botocore: documents are read by obstore, and each has its own step, `seed.document`.
"""

import os
from functools import cache

from yarl import URL

_CALLS_OUT = frozenset({"rag", "worker", "seed", "seed-worker"})
"""Pinecone, Qdrant and the channels' APIs are called with aiohttp; between services `hops` makes the span."""
_TELL_TOO_MUCH = ("OTEL_INSTRUMENTATION_GENAI_", "OTEL_INSTRUMENTATION_HTTP_CAPTURE_")
"""Variables by which the instrumentations would record prompts, replies and headers: nobody's to set here."""


def instrument(service: str) -> None:
    """Instrument what this service uses, once a process; what it does not use is not imported."""
    for name in [name for name in os.environ if name.startswith(_TELL_TOO_MUCH)]:
        del os.environ[name]
    if service != "nlu":
        _stores()
    if service in _CALLS_OUT:
        _calls()
    if "openai" in {os.environ.get("LLM"), os.environ.get("EMBEDDER")}:  # its SDK costs a second to import
        _models()


@cache
def _stores() -> None:
    from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
    from opentelemetry.instrumentation.redis import RedisInstrumentor

    AsyncPGInstrumentor().instrument()  # type: ignore[no-untyped-call]
    RedisInstrumentor().instrument()


@cache
def _calls() -> None:
    from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor

    AioHttpClientInstrumentor().instrument(url_filter=_without_query)


@cache
def _models() -> None:
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()


def _without_query(url: URL) -> str:
    """A query may hold a token, a path an account of a channel: the host says enough."""
    return str(url.origin())
