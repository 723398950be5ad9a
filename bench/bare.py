"""The peer of the gateway path: the same four hops, server and HTTP client, and none of our logic.

`python -m bench.bare gateway --port 9000` starts one hop; ORCHESTRATEUR_URL, RAG_URL and NLU_URL name the others.
"""

import argparse
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from fastapi import FastAPI, Request

from salambot.serve import SERVICES, serve

Json = dict[str, object]

PASSAGES = [
    {
        "id": f"doc-{n}",
        "title": "Politique de remboursement",
        "text": "Vous disposez de quatorze jours. " * 8,
        "score": 0.5,
    }
    for n in range(3)
]


@asynccontextmanager
async def one_client(app: FastAPI) -> AsyncIterator[None]:
    """Hold one shared client, as the services do."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256)) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=one_client)


async def call(request: Request, service: str, body: Json) -> Json:
    """Send a body to the next hop and return its answer."""
    url = f"{os.environ[f'{service.upper()}_URL']}/{service}"
    async with request.app.state.client.post(url, json=body) as response:
        response.raise_for_status()
        answer: Json = await response.json()
        return answer


@app.post("/gateway")
async def gateway(request: Request, body: Json) -> Json:
    """Hand the message on."""
    return await call(request, "orchestrateur", body)


@app.post("/orchestrateur")
async def orchestrateur(request: Request, body: Json) -> Json:
    """Fetch passages, then have a reply made of them."""
    passages = await call(request, "rag", body)
    return await call(request, "nlu", {**body, **passages})


@app.post("/rag")
async def rag() -> Json:
    """Return three passages."""
    return {"results": PASSAGES}


@app.post("/nlu")
async def nlu(body: Json) -> Json:
    """Return a reply."""
    return {"reply": "Vous disposez de quatorze jours.", "citations": body["results"]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="bench.bare", description=__doc__)
    parser.add_argument("service", choices=SERVICES)
    parser.add_argument("--port", type=int, required=True)
    serve(app, "127.0.0.1", parser.parse_args().port)
