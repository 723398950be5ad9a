"""Tokens of the web chat's visitors: short-lived, and good for one site and one origin only."""

import hashlib
import hmac
import time
import uuid

import jwt
from pydantic import SecretStr

from salambot.core.problems import Problem
from salambot.core.signatures import active_values

LIFETIME_SECONDS = 900
_ALGORITHM = "HS256"
_AUDIENCE = "salambot-widget"
_LABEL = b"salambot visitor tokens"


class VisitorTokens:
    """Signs and verifies with keys derived from a secret of the gateway; the newest of several signs."""

    def __init__(self, secret: SecretStr, lifetime_s: int = LIFETIME_SECONDS) -> None:
        self._lifetime = lifetime_s
        values = active_values(secret.get_secret_value())
        self._keys = [hmac.new(value.encode(), _LABEL, hashlib.sha256).digest() for value in values]

    def issue(self, site: str, origin: str) -> str:
        """Return a token for a new visitor."""
        now = int(time.time())
        claims = {
            "aud": _AUDIENCE,
            "sub": uuid.uuid4().hex,
            "site": site,
            "origin": origin,
            "iat": now,
            "exp": now + self._lifetime,
        }
        return jwt.encode(claims, self._keys[0], algorithm=_ALGORITHM)

    def verify(self, token: str, site: str, origin: str) -> str:
        """Return the visitor's id; raises Problem 401 unless the token is valid, and of this site and origin."""
        for key in self._keys:
            try:
                claims = jwt.decode(
                    token,
                    key,
                    algorithms=[_ALGORITHM],
                    audience=_AUDIENCE,
                    options={"require": ["exp", "sub", "site", "origin"]},
                )
            except (jwt.PyJWTError, ValueError):
                continue
            if (claims["site"], claims["origin"]) == (site, origin):
                return str(claims["sub"])
        challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        raise Problem(401, "invalid_token", "The visitor's token is not valid, or no longer.", headers=challenge)
