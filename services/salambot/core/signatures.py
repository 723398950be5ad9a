"""Signatures of webhooks: Meta's X-Hub-Signature-256 and Standard Webhooks 1.0, with several active secrets."""

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from salambot.core.quotas import RateLimiter

_META = re.compile(r"sha256=([0-9a-f]{64})")
_LOOKED_AT = 64 * 1024
"""Bytes of a refused body that are written again to find out what changed it."""
_looks = RateLimiter(20)
"""How often a second: whoever sends wrong signatures must not choose how much work they make."""


def active_values(secret: str) -> tuple[str, ...]:
    """Return the active secrets of a variable, the newest first: two of them, comma-separated, during a rotation."""
    return tuple(part for part in (piece.strip() for piece in secret.split(",")) if part)


def sign_meta(secret: str, body: bytes) -> str:
    """Return the value of `X-Hub-Signature-256` for the raw bytes of a body."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def is_meta_signature(header: str) -> bool:
    """Return whether a header has the form of Meta's signature."""
    return _META.fullmatch(header) is not None


def verify_meta(secrets: Iterable[str], header: str, body: bytes) -> bool:
    """Return whether one of the secrets signed these very bytes; every secret is tried, in constant time."""
    if not is_meta_signature(header):
        return False
    return sum(_same(sign_meta(secret, body), header) for secret in secrets) > 0


def sign_standard(secret: str, identifier: str, timestamp: str, body: bytes) -> str:
    """Return one element of `webhook-signature`: `v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`.

    Raises ValueError when the secret is not `whsec_` and base64.
    """
    signed = b".".join((identifier.encode(), timestamp.encode(), body))
    return f"v1,{base64.b64encode(hmac.new(_standard_key(secret), signed, hashlib.sha256).digest()).decode()}"


def verify_standard(secrets: Iterable[str], identifier: str, timestamp: str, header: str, body: bytes) -> bool:
    """Return whether one of the space-separated signatures of the header is by one of the secrets."""
    given = header.split(" ")[:16]
    expected = [sign_standard(secret, identifier, timestamp, body) for secret in secrets]
    return sum(_same(one, other) for one in expected for other in given) > 0


def was_rewritten(body: bytes, fits: Callable[[bytes], bool]) -> bool:
    """Return whether a signature fits the same JSON written in another way: something re-serialised the body."""
    return _looks.try_acquire(time.perf_counter()) and any(fits(other) for other in _other_writings(body))


def _other_writings(body: bytes) -> Iterator[bytes]:
    """Yield how common programs write the same JSON document; Meta itself escapes what is not ASCII, and slashes."""
    if len(body) > _LOOKED_AT:
        return
    with suppress(ValueError, RecursionError):
        document = json.loads(body)
        for separators in ((",", ":"), (", ", ": ")):
            for ascii_only in (True, False):
                text = json.dumps(document, separators=separators, ensure_ascii=ascii_only)
                yield text.encode(errors="replace")
                yield text.replace("/", "\\/").encode(errors="replace")
        yield body.rstrip()
        yield body + b"\n"


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode("utf-8", "replace"))


def _standard_key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise ValueError("a webhook secret is whsec_ and base64") from error
