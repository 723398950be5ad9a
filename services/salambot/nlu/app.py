"""nlu: from a prompt and passages to a reply, by the configured LLM."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from salambot.core.schemas import ComposeRequest
from salambot.http.application import add_exchange, service_app
from salambot.language.detection import detect
from salambot.llms.base import Llm
from salambot.llms.local import LocalLlm
from salambot.nlu.instrumented_llm import InstrumentedLlm
from salambot.nlu.settings import NluSettings
from salambot.rpc.reply_endpoint import ReplyEndpoint
from salambot_contracts.http_url import parse_openai_url


def create_app(settings: NluSettings | None = None) -> FastAPI:
    """Build the service; without `settings` it reads its environment."""
    chosen = settings or NluSettings()
    llm = InstrumentedLlm(open_llm(chosen))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        detect("chargé avant la première question")
        yield
        await llm.aclose()

    app = service_app("nlu", chosen, lifespan=lifespan)

    add_exchange(app, "/internal/generate", ReplyEndpoint(ComposeRequest, llm))
    return app


def open_llm(settings: NluSettings) -> Llm:
    """Return the configured provider. An SDK is imported only when it is the one: it costs 25 MB and a second."""
    if settings.llm == "local":
        return LocalLlm(settings.businesses)
    if settings.openai_api_key is None:
        raise ValueError("LLM=openai needs OPENAI_API_KEY")
    from salambot.llms.fallback import FallbackLlm
    from salambot.llms.openai import OpenAiConfig, OpenAiLlm

    config = OpenAiConfig(
        api_key=settings.openai_api_key,
        base_url=parse_openai_url(settings.openai_base_url).text() if settings.openai_base_url else None,
        model=settings.openai_model,
        timeout=settings.llm_timeout_s,
        attempts=settings.llm_attempts,
        circuit_failures=settings.llm_circuit_failures,
        circuit_seconds=settings.llm_circuit_s,
        businesses=settings.businesses,
    )
    llm = OpenAiLlm(config)
    return FallbackLlm(llm, LocalLlm(settings.businesses)) if settings.llm_fallback == "local" else llm
