"""Marker file of a rotation in progress: the digest of the new secret, so an interrupted rotation can be resumed."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from salambot_cli.host.files import replace_file
from salambot_cli.host.keys import keys_folder


@dataclass(frozen=True, slots=True)
class RotationMarker:
    """The mark of one rotation. An interrupted one leaves it, and the next finds it."""

    file: Path

    @classmethod
    def of(cls, root: Path, name: str) -> "RotationMarker":
        """Name the mark of a rotation of this environment."""
        return cls(keys_folder(root) / f"{name}.rotating")

    def begin(self, fresh: str) -> None:
        """Note the new secret by its digest: it is random and long, so nobody finds it from that."""
        replace_file(self.file, _digest(fresh))

    def made(self, secret: str) -> bool:
        """Return whether an interrupted rotation made this secret."""
        return self.file.is_file() and self.file.read_text() == _digest(secret)

    def end(self) -> None:
        """Forget the rotation: it is complete."""
        self.file.unlink(missing_ok=True)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
