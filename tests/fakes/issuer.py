"""An identity provider: keys of each kind, their JWKS, and tokens both good and bad."""

import base64
import json
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class Issuer:
    """`local-idp` with one key for each algorithm; the key id is the algorithm's name."""

    def __init__(self) -> None:
        self.keys: dict[str, PrivateKey] = {
            "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
            "ES256": ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate(),
        }

    def jwks(self, *names: str) -> str:
        """Return the JWKS of the keys of these names, or of all."""
        return json.dumps({"keys": [self._public(name) for name in names or self.keys]})

    def pem(self, name: str) -> bytes:
        """Return a public key as PEM."""
        return (
            self.keys[name]
            .public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )

    def token(self, algorithm: str = "ES256", *, headers: dict[str, object] | None = None, **claims: object) -> str:
        """Mint a token; a claim that is None is left out."""
        key = self.keys[algorithm]
        return jwt.encode(self.claims(**claims), key, algorithm, headers={"kid": algorithm, **(headers or {})})

    def claims(self, **given: object) -> dict[str, object]:
        """Return the claims of a good token, changed by `given`."""
        now = int(time.time())
        usual: dict[str, object] = {
            "iss": "local-idp",
            "aud": "gateway",
            "sub": "tester",
            "tenant": "demo",
            "iat": now,
            "exp": now + 600,
        }
        return {name: value for name, value in {**usual, **given}.items() if value is not None}

    def _public(self, name: str) -> dict[str, object]:
        algorithm = jwt.get_algorithm_by_name(name)
        found: dict[str, object] = algorithm.to_jwk(self.keys[name].public_key(), as_dict=True)
        return {**found, "kid": name, "use": "sig", "alg": name}


def segment(value: object) -> str:
    """Write one part of a token, as an attacker would by hand."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
