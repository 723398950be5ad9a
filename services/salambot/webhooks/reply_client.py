"""The client of orchestrateur for replies, without a web framework."""

import aiohttp
import orjson
from pydantic import SecretStr, ValidationError

from salambot.core import tracing
from salambot.core.schemas import Reply, ReplyRequest
from salambot.core.signatures import active_values
from salambot.webhooks.channel_client import SendError

_SECONDS = 90
_PASSING = frozenset({429, 500, 502, 503, 504})


class ReplyClient:
    """orchestrateur's `POST /internal/reply`."""

    def __init__(self, http: aiohttp.ClientSession, base_url: str, internal_token: SecretStr) -> None:
        self._http = http
        self._url = f"{base_url.rstrip('/')}/internal/reply"
        self._token = internal_token

    async def reply(self, request: ReplyRequest) -> Reply:
        """Return the reply. Raises SendError."""
        headers = {
            "Content-Type": "application/json",
            "X-SalamBot-Internal": active_values(self._token.get_secret_value())[0],
            **tracing.propagate(),
        }
        limits = aiohttp.ClientTimeout(_SECONDS, connect=2)
        try:
            async with self._http.post(
                self._url, data=request.model_dump_json().encode(), headers=headers, timeout=limits
            ) as response:
                if response.status != 200:
                    raise _refused(response.status, await response.content.read(64 * 1024))
                return Reply.model_validate_json(await response.read())
        except (TimeoutError, aiohttp.ClientError) as error:
            raise SendError("orchestrateur_unavailable", "again") from error
        except ValidationError as error:
            raise SendError("orchestrateur_invalid", "again") from error


def _refused(status: int, content: bytes) -> SendError:
    try:
        code = str(orjson.loads(content)["code"])[:64]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        code = f"orchestrateur_{status}"
    return SendError(code, "again" if status in _PASSING else "never")
