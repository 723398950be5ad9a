"""Encryption of message bodies that are kept for a replay: AES-256-GCM under the environment's key."""

import hmac
import os

import orjson

_NONCE = 12
_PURPOSE = b"salambot webhook bodies"


def encrypt(key: bytes, recipient: str, content: str) -> bytes:
    """Encrypt the recipient and the content."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(_derived(key)).encrypt(nonce, orjson.dumps([recipient, content]), _PURPOSE)


def decrypt(key: bytes, sealed: bytes) -> tuple[str, str] | None:
    """Decrypt recipient and content; None if the key does not fit."""
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
