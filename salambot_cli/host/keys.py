"""Generated keys and passwords of an environment: files of mode 0600 under `.salambot/keys/`."""

import base64
import json
import secrets
import time
from pathlib import Path

from salambot_cli.host.files import private_folder, replace_file, state_folder
from salambot_cli.model.secret import Secret

OWN_UNLESS_GIVEN = (
    "USER_HASH_KEY",
    "META_APP_SECRET",
    "META_VERIFY_TOKEN",
    "WEBHOOK_SECRET",
    "TELEGRAM_WEBHOOK_SECRET",
)
"""Variables that the user may set; an environment generates them otherwise."""
GENERATED = ("POSTGRES_PASSWORD", "POSTGRES_ADMIN_PASSWORD", "REDIS_PASSWORD", "INTERNAL_TOKEN", *OWN_UNLESS_GIVEN)
SIGNING_KEY = "local-idp.pem"
NEXT_KEY = "local-idp.next.pem"
TRUSTED_SECONDS = 3600 + 120
"""How long a key that signs no more is still trusted: the longest life of a token, and some leeway."""
JWKS = "jwks.json"
_TWIN = "twin-"


def keys_folder(root: Path) -> Path:
    """Return `.salambot/keys`, made private."""
    return private_folder(state_folder(root) / "keys")


def generated_secrets(root: Path) -> dict[str, Secret]:
    """Return the environment's own secrets; those that are missing are made now."""
    folder = keys_folder(root)
    return {name: Secret(_read_or_make(folder / name, name)) for name in GENERATED}


def existing_secrets(root: Path) -> dict[str, Secret]:
    """Return those of the environment's own secrets that were made already. Nothing is made."""
    folder = root / ".salambot" / "keys"
    found = {name: (folder / name).read_text().strip() for name in GENERATED if (folder / name).is_file()}
    return {name: Secret(value) for name, value in found.items() if value}


def jwks_path(root: Path) -> Path:
    """Return where the public keys of the environment's tokens stand, once they are made."""
    return root / ".salambot" / "keys" / JWKS


def _read_or_make(path: Path, name: str) -> str:
    if path.is_file() and (value := path.read_text().strip()):
        return value
    value = generate_secret(name)
    replace_file(path, value)
    return value


def identity_provider(root: Path) -> Path:
    """Make sure that the environment has a key pair to sign its tokens with; return the path of its JWKS."""
    folder = keys_folder(root)
    jwks = folder / JWKS
    if not (folder / SIGNING_KEY).is_file() or not jwks.is_file():
        pem = _new_pem()
        replace_file(folder / SIGNING_KEY, pem)
        replace_file(jwks, json.dumps({"keys": [_public(pem)]}, indent=1))
    return jwks


def _new_pem() -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _public(pem: bytes) -> dict[str, str | int]:
    """Return the JWK (RFC 8037) of a private Ed25519 key (PKCS #8 PEM); its `kid` is its thumbprint (RFC 7638)."""
    import hashlib

    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(pem, password=None)
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    public: dict[str, str | int] = {"crv": "Ed25519", "kty": "OKP", "x": _b64(raw)}
    thumbprint = hashlib.sha256(json.dumps(public, sort_keys=True, separators=(",", ":")).encode()).digest()
    return {**public, "kid": _b64(thumbprint), "use": "sig", "alg": "EdDSA"}


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def mint_token(
    root: Path,
    *,
    tenant: str,
    issuer: str,
    audience: str,
    seconds: int,
    scope: str | None,
    subject: str = "developer",
    with_next_key: bool = False,
) -> str:
    """Sign a development token (JWT, EdDSA) with the environment's own key, or with the one published next."""
    import jwt

    identity_provider(root)
    now = int(time.time())
    claims: dict[str, str | int] = {
        "iss": issuer, "aud": audience, "sub": subject, "tenant": tenant, "iat": now, "exp": now + seconds,
        "jti": secrets.token_hex(8),
    }  # fmt: skip
    if scope:
        claims["scope"] = scope
    pem = (keys_folder(root) / (NEXT_KEY if with_next_key else SIGNING_KEY)).read_bytes()
    return jwt.encode(claims, pem, algorithm="EdDSA", headers={"kid": _public(pem)["kid"]})


def publish_next_key(root: Path) -> Path:
    """Create the next signing key and publish it beside the others; return the path of the JWKS.

    It signs nothing yet. An interrupted rotation continues with its key.
    """
    folder, jwks = keys_folder(root), identity_provider(root)
    if not (folder / NEXT_KEY).is_file():
        replace_file(folder / NEXT_KEY, _new_pem())
    keys = [_public((folder / name).read_bytes()) for name in (SIGNING_KEY, NEXT_KEY)]
    known = {key["kid"] for key in keys}
    now = time.time()
    older = [key for key in json.loads(jwks.read_text())["keys"] if key["kid"] not in known and key.get("exp", 0) > now]
    keys[0]["exp"] = int(now) + TRUSTED_SECONDS
    replace_file(jwks, json.dumps({"keys": [*keys[::-1], *older]}, indent=1))
    return jwks


def adopt_next_key(root: Path) -> None:
    """Sign with the published key from now on; tokens of the previous key stay valid until they expire."""
    folder = keys_folder(root)
    (folder / NEXT_KEY).replace(folder / SIGNING_KEY)


def postgres_role(password: str) -> str:
    """Return the role of a password of the local Postgres: one file identifies both."""
    return "salambot_twin" if password.startswith(_TWIN) else "salambot"


def alternate_role_password(password: str) -> str:
    """Make a password for the role that this one does not belong to."""
    fresh = generate_secret("POSTGRES_PASSWORD")
    return fresh if password.startswith(_TWIN) else f"{_TWIN}{fresh}"


def set_generated(root: Path, name: str, value: str) -> None:
    """Replace one of the environment's own secrets."""
    replace_file(keys_folder(root) / name, value)


def generate_secret(name: str) -> str:
    """Make a value for one of the environment's own secrets."""
    # Standard Webhooks: `whsec_` and base64 of 24 to 64 random bytes.
    if name == "WEBHOOK_SECRET":
        return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    return secrets.token_hex(24)
