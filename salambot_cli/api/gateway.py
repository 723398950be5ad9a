"""The gateway as its API's clients see it: smoke, chat and status talk to it over HTTP like anybody."""

import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from salambot_cli.api.command_trace import CommandTrace
from salambot_cli.api.service_client import service_client
from salambot_cli.model.errors import SalamBotError
from salambot_cli.model.secret import Secret
from salambot_cli.model.untrusted import untrusted

if TYPE_CHECKING:
    import httpx

_SECONDS = 90.0
Document = dict[str, object]


@dataclass(frozen=True, slots=True)
class Gateway:
    """The gateway's URL, the tenant, and the token."""

    url: str
    tenant: str
    token: Secret
    trace: CommandTrace | None = None
    """The trace of the command; the gateway accepts it with the internal token."""
    internal: Secret | None = None

    def client(self) -> "httpx.AsyncClient":
        """Return a client with the headers of every call."""
        headers = {"Authorization": f"Bearer {self.token.reveal()}", "X-SalamBot-Tenant": self.tenant}
        if self.trace is not None and self.internal is not None:
            headers |= {"traceparent": self.trace.traceparent, "X-SalamBot-Internal": self.internal.reveal()}
        return service_client(self.url, headers=headers, seconds=_SECONDS)

    def generate_request(
        self, prompt: str, *, context: list[Document], conversation: str, locale: str | None
    ) -> Document:
        """Return the body of `POST /v1/generate/reply`."""
        body: Document = {
            "schema_version": "1.0",
            "tenant": self.tenant,
            "channel": "webchat",
            "message_id": f"msg_{uuid.uuid4().hex}",
            "correlation_id": conversation,
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "data": {"prompt": prompt, "context": context},
        }
        return body | ({"locale": locale} if locale else {})

    async def stream_reply(self, body: Document) -> AsyncIterator[tuple[str, Document]]:
        """Yield the server-sent events of a reply: name and data.

        Raises:
            SalamBotError: the gateway is not there, or refuses.
        """
        import httpx
        from httpx_sse import SSEError, aconnect_sse

        try:
            async with self.client() as client, aconnect_sse(client, "POST", "/v1/generate/reply", json=body) as source:
                if source.response.status_code != 200:
                    await source.response.aread()
                    raise refusal(self.url, source.response)
                async for event in source.aiter_sse():
                    yield event.event, untrusted(cast("Document", json.loads(event.data)))
        except (httpx.HTTPError, SSEError) as error:
            raise unreachable(self.url, error) from error


def unreachable(url: str, error: Exception) -> SalamBotError:
    """Say that nothing answers there."""
    return SalamBotError(f"the gateway at {url} does not answer", str(error) or type(error).__name__, "salambot up")


def refusal(url: str, response: "httpx.Response") -> SalamBotError:
    """Turn a problem document of the API into an error for people."""
    try:
        problem = cast("Document", response.json())
    except ValueError:
        problem = {}
    why = f"{response.status_code} {problem.get('code', '')}: {problem.get('detail') or problem.get('title') or ''}"
    return SalamBotError(f"the gateway at {url} refuses", why.strip(": "), "salambot doctor")
