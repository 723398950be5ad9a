"""The issuer's public keys from a JWKS file or URL: cached 5 minutes, refetched once for an unknown key id."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import aiohttp
import jwt
import structlog

from salambot.core.problems import Problem

ALGORITHMS = ("RS256", "ES256", "EdDSA")
TTL_SECONDS = 300.0
"""Seconds that fetched keys are valid."""
MIN_REFRESH_INTERVAL_SECONDS = 1.0
"""Seconds between fetches for unknown key ids, so that made-up ids cannot drive them."""

_MAX_BYTES = 256 * 1024
_log = structlog.get_logger(__name__)


class JwksCache:
    """The keys of one issuer. `generation` grows with each fetch; cached verifications are tied to it."""

    def __init__(self, source: str | None) -> None:
        self.generation = 0
        self._source = source
        self._keys: Mapping[str | None, jwt.PyJWK] = {}
        self._fetched = float("-inf")
        self._lock = asyncio.Lock()

    async def refresh(self) -> None:
        """Fetch the keys when they are older than LIFETIME; raises Problem 503 when they cannot be had."""
        if time.monotonic() - self._fetched > TTL_SECONDS:
            await self._fetch(TTL_SECONDS)

    async def find(self, key_id: str | None) -> jwt.PyJWK | None:
        """Return the key of this id (a token without id gets the only key there is), or None."""
        await self.refresh()
        if key_id not in self._keys:
            await self._fetch(MIN_REFRESH_INTERVAL_SECONDS)
        return self._keys.get(key_id)

    async def _fetch(self, older_than: float) -> None:
        async with self._lock:
            if time.monotonic() - self._fetched <= older_than:
                return
            try:
                found = jwt.PyJWKSet.from_json((await self._read()).decode())
            except (OSError, TimeoutError, ValueError, aiohttp.ClientError, jwt.PyJWTError) as error:
                _log.warning("signing keys cannot be had", exc_info=error)
                detail = "The identity provider's signing keys cannot be had."
                raise Problem(503, "identity_provider_unavailable", detail, headers={"Retry-After": "5"}) from error
            self._keys = _usable(found)
            self._fetched = time.monotonic()
            self.generation += 1

    async def _read(self) -> bytes:
        if self._source is None:
            raise ValueError("JWT_JWKS is not set")
        parts = urlsplit(self._source)
        if parts.scheme in {"http", "https"}:
            return await _download(self._source)
        path = Path(url2pathname(parts.path)) if parts.scheme == "file" else Path(self._source)
        return await asyncio.to_thread(path.read_bytes)


async def _download(url: str) -> bytes:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as session,
        session.get(url, allow_redirects=False) as response,
    ):
        if response.status != 200:
            raise ValueError(f"the JWKS answered {response.status}")
        content = await response.content.read(_MAX_BYTES)
        if not response.content.at_eof():
            raise ValueError("the JWKS is too large")
        return content


def _usable(found: jwt.PyJWKSet) -> dict[str | None, jwt.PyJWK]:
    """Keep public keys of the allowed algorithms: a symmetric key in a JWKS never verifies anything."""
    keys = [key for key in found.keys if key.algorithm_name in ALGORITHMS and key.public_key_use in {"sig", None}]
    usable: dict[str | None, jwt.PyJWK] = {key.key_id: key for key in keys if key.key_id}
    if len(keys) == 1:
        usable[None] = keys[0]
    return usable
