"""Authentication and tenancy: bearer tokens by the rules of the API reference, and the guarded `dev-token`."""

import hashlib
import re
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

import jwt
import structlog
from starlette.requests import Request

from salambot.core.problems import Problem
from salambot.core.schemas import TENANT_PATTERN
from salambot.gateway.client_address import TrustedProxies
from salambot.gateway.jwks import ALGORITHMS, JwksCache
from salambot.gateway.settings import GatewaySettings

Scope = Literal["generate", "search"]

TENANT_HEADER = "X-SalamBot-Tenant"
LEEWAY = 60
MAX_LIFETIME = 3600
_REQUIRED = ["exp", "iat", "iss", "aud", "sub", "tenant"]
_MAX_TOKEN = 8192
_REMEMBERED = 4096
_BEARER = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*)", re.IGNORECASE)  # RFC 6750
_MALFORMED = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Principal:
    """The authenticated caller and its tenant. `scopes` is None when the token carries no restriction."""

    tenant: str
    subject: str
    scopes: frozenset[str] | None = None


def read_bearer(values: list[str]) -> str:
    """Return the token of the one Authorization header; raises Problem 401."""
    if not values:
        raise Problem(401, "missing_token", "A bearer token is needed.", headers={"WWW-Authenticate": "Bearer"})
    match = _BEARER.fullmatch(values[0]) if len(values) == 1 else None
    if match is None or len(match[1]) > _MAX_TOKEN:
        raise _refused("The Authorization header does not hold a bearer token.")
    return match[1]


def require_same_tenant(principal: Principal, request: Request, named: str) -> None:
    """Raise Problem 403 unless the token, the header (where there is one) and the body name one tenant."""
    if {principal.tenant, named, *request.headers.getlist(TENANT_HEADER)} != {principal.tenant}:
        raise Problem(403, "tenant_mismatch", "The token, the header and the body do not name the same tenant.")


class Authenticator:
    """Verifies tokens; remembers verified ones until they expire or the keys are fetched again."""

    def __init__(self, settings: GatewaySettings, peers: TrustedProxies) -> None:
        self._settings = settings
        self._peers = peers
        self._keys = JwksCache(settings.jwt_jwks)
        self._verified: OrderedDict[bytes, tuple[float, Principal]] = OrderedDict()
        self._generation = 0

    async def authenticate(self, request: Request, scope: Scope) -> Principal:
        """Return who asks; raises Problem 401, 403, or 503 when the keys cannot be had."""
        token = read_bearer(request.headers.getlist("Authorization"))
        principal = self._developer(request) if token == "dev-token" else await self._holder(token)  # noqa: S105 - it is the literal that the API names
        if principal.scopes is not None and scope not in principal.scopes:
            challenge = {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'}
            raise Problem(403, "insufficient_scope", f"The token does not cover {scope}.", headers=challenge)
        return principal

    def _developer(self, request: Request) -> Principal:
        settings = self._settings
        if settings.allow_dev_token and settings.is_development and self._peers.is_local(request.scope):
            return Principal(settings.tenant, "dev")
        raise _refused("The token is not valid.")

    async def _holder(self, token: str) -> Principal:
        await self._keys.refresh()
        digest = hashlib.sha256(token.encode()).digest()
        if self._generation == self._keys.generation and (known := self._verified.get(digest)):
            expires, principal = known
            if time.time() < expires:
                return principal
        expires, principal = await self._verify(token)
        if self._generation != self._keys.generation:
            self._verified.clear()
            self._generation = self._keys.generation
        self._verified[digest] = (expires, principal)
        if len(self._verified) > _REMEMBERED:
            self._verified.popitem(last=False)
        return principal

    async def _verify(self, token: str) -> tuple[float, Principal]:
        try:
            header = jwt.get_unverified_header(token)
            key = await self._keys.find(header.get("kid")) if header.get("alg") in ALGORITHMS else None
            if key is None:
                raise jwt.InvalidTokenError
            claims = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self._settings.jwt_audience,
                issuer=self._settings.jwt_issuer,
                leeway=LEEWAY,
                options={"require": _REQUIRED},
            )
            return _principal(claims)
        except jwt.ExpiredSignatureError as error:
            raise _refused("The token has expired.") from error
        except _MALFORMED as error:
            raise _refused("The token is not valid.") from error


def _principal(claims: dict[str, object]) -> tuple[float, Principal]:
    expires, issued, tenant, subject = (claims[name] for name in ("exp", "iat", "tenant", "sub"))
    if not isinstance(expires, int | float) or not isinstance(issued, int | float) or expires - issued > MAX_LIFETIME:
        raise jwt.InvalidTokenError
    if not isinstance(tenant, str) or not re.fullmatch(TENANT_PATTERN, tenant) or not isinstance(subject, str):
        raise jwt.InvalidTokenError
    scopes = claims.get("scope")
    if scopes is not None and not isinstance(scopes, str):
        raise jwt.InvalidTokenError
    return expires + LEEWAY, Principal(tenant, subject, None if scopes is None else frozenset(scopes.split()))


def _refused(detail: str) -> Problem:
    return Problem(401, "invalid_token", detail, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
