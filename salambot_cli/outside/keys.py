"""What an environment generates for its own local parts: files of mode 0600 under `.salambot/keys/`."""

import base64
import json
import secrets
from pathlib import Path

from salambot_cli.model.secret import Secret
from salambot_cli.outside.files import private_folder, replace_file, state_folder

GENERATED = (
    "POSTGRES_PASSWORD",
    "REDIS_PASSWORD",
    "INTERNAL_TOKEN",
    "USER_HASH_KEY",
    "META_APP_SECRET",
    "META_VERIFY_TOKEN",
    "WEBHOOK_SECRET",
)
SIGNING_KEY = "local-idp.pem"
JWKS = "jwks.json"


def keys_folder(root: Path) -> Path:
    """Return `.salambot/keys`, made private."""
    return private_folder(state_folder(root) / "keys")


def generated_secrets(root: Path) -> dict[str, Secret]:
    """Return the environment's own secrets; those that are missing are made now."""
    folder = keys_folder(root)
    return {name: Secret(_read_or_make(folder / name, name)) for name in GENERATED}


def _read_or_make(path: Path, name: str) -> str:
    if path.is_file() and (value := path.read_text().strip()):
        return value
    # Standard Webhooks: `whsec_` and base64 of 24 to 64 random bytes.
    value = (
        f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
        if name == "WEBHOOK_SECRET"
        else secrets.token_hex(24)
    )
    replace_file(path, value)
    return value


def identity_provider(root: Path) -> Path:
    """Make sure that the environment has a key pair to sign its tokens with; return the path of its JWKS."""
    folder = keys_folder(root)
    jwks = folder / JWKS
    if not (folder / SIGNING_KEY).is_file() or not jwks.is_file():
        pem, public = _new_pair()
        replace_file(folder / SIGNING_KEY, pem)
        replace_file(jwks, json.dumps({"keys": [public]}, indent=1))
    return jwks


def _new_pair() -> tuple[bytes, dict[str, str]]:
    """Make an Ed25519 pair: PKCS #8 PEM, and a JWK (RFC 8037) whose `kid` is its thumbprint (RFC 7638)."""
    import hashlib

    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    public = {"crv": "Ed25519", "kty": "OKP", "x": _b64(raw)}
    thumbprint = hashlib.sha256(json.dumps(public, sort_keys=True, separators=(",", ":")).encode()).digest()
    return pem, {**public, "kid": _b64(thumbprint), "use": "sig", "alg": "EdDSA"}


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def mint_token(
    root: Path, *, tenant: str, issuer: str, audience: str, seconds: int, scope: str | None, subject: str = "developer"
) -> str:
    """Sign a development token (JWT, EdDSA) with the environment's own key."""
    import time

    import jwt

    jwks = json.loads(identity_provider(root).read_text())
    now = int(time.time())
    claims: dict[str, str | int] = {
        "iss": issuer, "aud": audience, "sub": subject, "tenant": tenant, "iat": now, "exp": now + seconds,
        "jti": secrets.token_hex(8),
    }  # fmt: skip
    if scope:
        claims["scope"] = scope
    pem = (keys_folder(root) / SIGNING_KEY).read_bytes()
    return jwt.encode(claims, pem, algorithm="EdDSA", headers={"kid": jwks["keys"][0]["kid"]})
