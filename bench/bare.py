"""The peer of the gateway path: the same four hops, messages, server and HTTP client, and none of our logic.

`python -m bench.bare gateway --port 9000` starts one hop; ORCHESTRATEUR_URL, RAG_URL and NLU_URL name the others. With
MODEL_URL the last one asks a model, as few words as that takes.
"""

import argparse
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import aiohttp
from fastapi import FastAPI
from pydantic import BaseModel

from salambot.core.schemas import (
    Citation,
    ComposeRequest,
    GenerateRequest,
    GenerateResponse,
    Passage,
    Reply,
    ReplyRequest,
    RetrievedPassages,
    SearchRequest,
    utc_now,
)
from salambot.http.server import SERVICES, serve

Answer = TypeVar("Answer", bound=BaseModel)

TEXT = "Vous avez 14 jours après la réception pour nous rendre un article et être remboursé. "
PASSAGES = [
    Passage(
        id=f"doc-{n}", score=0.5, title="Remboursement", text=TEXT * 4, uri="kb://demo/x.md", language="fr", chunk=n
    )
    for n in range(5)
]


@asynccontextmanager
async def one_client(app: FastAPI) -> AsyncIterator[None]:
    """Hold one shared client, as the services do."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256)) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=one_client)


async def call(service: str, message: BaseModel, answer: type[Answer]) -> Answer:
    """Send a message to the next hop and return its answer."""
    url = f"{os.environ[f'{service.upper()}_URL']}/{service}"
    headers = {"Content-Type": "application/json"}
    async with app.state.client.post(url, data=message.model_dump_json().encode(), headers=headers) as response:
        response.raise_for_status()
        return answer.model_validate_json(await response.read())


@app.post("/gateway")
async def gateway(message: GenerateRequest) -> GenerateResponse:
    """Hand the message on, and the reply back."""
    request = ReplyRequest(
        tenant=message.tenant,
        channel=message.channel,
        message_id=message.message_id,
        correlation_id=message.correlation_id or "none",
        prompt=message.data.prompt,
    )
    return GenerateResponse(
        tenant=message.tenant,
        channel=message.channel,
        message_id=message.message_id,
        correlation_id=request.correlation_id,
        timestamp=utc_now(),
        locale=message.locale,
        data=await call("orchestrateur", request, Reply),
        trace_id="none",
    )


@app.post("/orchestrateur")
async def orchestrateur(request: ReplyRequest) -> Reply:
    """Fetch passages, then have a reply made of them."""
    found = await call("rag", SearchRequest(query=request.prompt, tenant=request.tenant, top_k=5), RetrievedPassages)
    question = ComposeRequest(tenant=request.tenant, prompt=request.prompt, passages=found.results)
    return await call("nlu", question, Reply)


@app.post("/rag")
async def rag(request: SearchRequest) -> RetrievedPassages:
    """Return the same passages to everybody."""
    return RetrievedPassages(results=PASSAGES[: request.top_k], took_ms=0)


@app.post("/nlu")
async def nlu(question: ComposeRequest) -> Reply:
    """Return the same reply to everybody, or what a model says."""
    first = question.passages[0]
    cited = Citation(id=first.id, title=first.title, uri=first.uri, score=first.score)
    model = os.environ.get("MODEL_URL")
    text = await completed(model, question) if model else TEXT
    return Reply(reply=text, language="fr", citations=[cited], model="none", provider="local")


async def completed(model: str, question: ComposeRequest) -> str:
    """Ask the model."""
    messages = [{"role": "user", "content": question.prompt}]
    async with app.state.client.post(
        f"{model}/chat/completions", json={"model": "bench", "messages": messages}
    ) as response:
        response.raise_for_status()
        text: str = (await response.json())["choices"][0]["message"]["content"]
    return text


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="bench.bare", description=__doc__)
    parser.add_argument("service", choices=SERVICES)
    parser.add_argument("--port", type=int, required=True)
    serve(app, "127.0.0.1", parser.parse_args().port)
