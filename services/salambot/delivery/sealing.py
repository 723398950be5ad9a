"""Whole messages, kept for a day where the developer wants to replay them: AES-256-GCM under the environment's key."""

import hmac
import os

import orjson

_NONCE = 12
_PURPOSE = b"salambot webhook bodies"


def seal(key: bytes, recipient: str, content: str) -> bytes:
    """Encrypt what a replay needs."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(_derived(key)).encrypt(nonce, orjson.dumps([recipient, content]), _PURPOSE)


def unseal(key: bytes, sealed: bytes) -> tuple[str, str] | None:
    """Return recipient and content, None where another key sealed them."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        plain = AESGCM(_derived(key)).decrypt(sealed[:_NONCE], sealed[_NONCE:], _PURPOSE)
    except InvalidTag:
        return None
    recipient, content = orjson.loads(plain)
    return recipient, content


def _derived(key: bytes) -> bytes:
    return hmac.digest(key, _PURPOSE, "sha256")
