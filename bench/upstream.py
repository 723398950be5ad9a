"""A model that answers at once, OpenAI's protocol, for both sides of a comparison: `python -m bench.upstream PORT`."""

import sys
import time

from aiohttp import web

ANSWER = "Vous êtes remboursé sous 14 jours [1]."


async def complete(request: web.Request) -> web.Response:
    """Answer a chat completion."""
    asked = await request.json()
    return web.json_response(
        {
            "id": "chatcmpl-bench",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": asked["model"],
            "choices": [{"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 400, "completion_tokens": 12, "total_tokens": 412},
        }
    )


if __name__ == "__main__":
    app = web.Application()
    app.router.add_post("/v1/chat/completions", complete)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
