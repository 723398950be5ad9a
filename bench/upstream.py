"""A model that answers at once, OpenAI's protocol, for both sides of a comparison: `python -m bench.upstream PORT`."""

import json
import sys
import time

from aiohttp import web

ANSWER = "Vous êtes remboursé sous 14 jours [1]."


async def complete(request: web.Request) -> web.StreamResponse:
    """Answer a chat completion."""
    asked = await request.json()
    if asked.get("stream"):
        return await stream(request, asked["model"])
    return web.json_response(completion(asked["model"]))


def completion(model: str) -> dict[str, object]:
    """Return a whole answer."""
    return {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 400, "completion_tokens": 12, "total_tokens": 412},
    }


async def stream(request: web.Request, model: str) -> web.StreamResponse:
    """Answer in pieces."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    pieces = [{"index": 0, "delta": {"content": f"{word} "}, "finish_reason": None} for word in ANSWER.split()]
    for choice in (*pieces, {"index": 0, "delta": {}, "finish_reason": "stop"}):
        chunk = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": int(time.time())}
        await response.write(f"data: {json.dumps({**chunk, 'model': model, 'choices': [choice]})}\n\n".encode())
    await response.write(b"data: [DONE]\n\n")
    return response


if __name__ == "__main__":
    app = web.Application()
    app.router.add_post("/v1/chat/completions", complete)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
