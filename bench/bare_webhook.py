"""The peer of the webhook path: a route that only verifies the HMAC and does one XADD, on the same server.

`python -m bench.bare_webhook --port 9000`, with META_APP_SECRET and REDIS_URL in the environment.
"""

import argparse
import hashlib
import hmac
import os

import redis.asyncio
from fastapi import FastAPI, Request
from starlette.responses import Response

from salambot.http.server import serve

app = FastAPI()
client = redis.asyncio.Redis.from_url(os.environ["REDIS_URL"])
secret = os.environ["META_APP_SECRET"].encode()


@app.get("/health")
async def health() -> dict[str, str]:
    """Report that it answers."""
    return {"status": "ok"}


@app.post("/v1/webhooks/messenger")
async def receive(request: Request) -> Response:
    """Verify and queue."""
    body = await request.body()
    expected = f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}"
    if not hmac.compare_digest(expected, request.headers.get("X-Hub-Signature-256", "")):
        return Response(status_code=401)
    await client.xadd("bench:webhooks", {"body": body}, maxlen=10_000, approximate=True)
    return Response(b'{"status":"accepted"}', media_type="application/json")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    serve(app, "127.0.0.1", parser.parse_args().port)
