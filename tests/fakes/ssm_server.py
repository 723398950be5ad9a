"""The two calls of AWS Systems Manager that a port forward makes: StartSession and TerminateSession."""

import json
import secrets
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class SsmServer:
    """Sessions that were asked for and that ended; `refuse` is an AWS error code to answer StartSession with."""

    started: list[dict[str, object]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    refuse: str | None = None

    def app(self) -> web.Application:
        """Build the application."""
        app = web.Application()
        app.router.add_post("/", self._call)
        return app

    async def _call(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        if request.headers["X-Amz-Target"] == "AmazonSSM.TerminateSession":
            self.ended.append(body["SessionId"])
            return web.json_response({"SessionId": body["SessionId"]})
        if self.refuse:
            return web.json_response({"__type": self.refuse, "message": f"{self.refuse} by the test"}, status=400)
        self.started.append(body)
        name = f"dev-{len(self.started)}"
        token = secrets.token_urlsafe(24)
        return web.json_response({"SessionId": name, "StreamUrl": "wss://ssm.invalid/", "TokenValue": token})
