"""nlu: from a prompt and passages to a reply, by the configured LLM."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from starlette.responses import Response

from salambot.application import service_app
from salambot.language import detect
from salambot.llms.local import LocalLlm
from salambot.messages import ComposeRequest
from salambot.nlu.settings import NluSettings
from salambot.replies import answer


def create_app(settings: NluSettings | None = None) -> FastAPI:
    """Build the service; without `settings` it reads its environment."""
    chosen = settings or NluSettings()
    llm = LocalLlm()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        detect("chargé avant la première question")
        yield
        await llm.aclose()

    app = service_app("nlu", chosen, lifespan=lifespan)

    @app.post("/internal/generate")
    async def generate(request: Request) -> Response:
        """Compose a Reply from a ComposeRequest; NDJSON events when asked for."""
        return await answer(request, ComposeRequest, llm)

    return app
