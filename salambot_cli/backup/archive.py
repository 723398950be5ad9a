"""The file of a backup: a compressed tar whose manifest has the checksum of every member, encrypted on request.

An encrypted file is a first line (format, salt), then one Fernet token a line, each of a piece of the tar. Pieces that
are missing or out of place are found by the checksums.
"""

import base64
import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from salambot_cli.model.errors import ConfigurationError, SalamBotError
from salambot_cli.model.secret import Secret
from salambot_cli.model.untrusted import untrusted

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

FORMAT = 1
MANIFEST = "manifest.json"
_ENCRYPTED = b"salambot-backup-1 scrypt-fernet "
_GZIP = b"\x1f\x8b"
_PIECE_BYTES = 1024 * 1024
_MAX_LINE_BYTES = 2 * _PIECE_BYTES
_MAX_MANIFEST_BYTES = 64 * 1024 * 1024
_SCRYPT_COST = 2**15
_READ_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of a backup, and the environment that it was made of."""

    created: str
    salambot: str
    schema_revision: str
    tenant: str
    topology: tuple[str, ...]
    tenants: tuple[str, ...]
    rows: dict[str, int]
    """Table -> rows, of all tenants."""
    files: dict[str, str]
    """Member -> its SHA-256."""
    format: int = FORMAT


def write_archive(path: Path, folder: Path, manifest: Manifest, passphrase: Secret | None) -> None:
    """Write every file of a folder and the manifest; whole or not at all, mode 0600. It blocks.

    Raises:
        SalamBotError: the disk is full, or the folder cannot be written.
    """
    try:
        descriptor, name = tempfile.mkstemp(dir=path.resolve().parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                sink = _Encrypting(file, passphrase) if passphrase else file
                with tarfile.open(fileobj=sink, mode="w|gz") as tar:
                    _add(tar, MANIFEST, json.dumps(asdict(manifest), indent=1).encode())
                    for member in manifest.files:
                        tar.add(folder / member, arcname=member, recursive=False, filter=_anonymous)
                sink.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise SalamBotError(f"the backup {path} cannot be written", str(error), f"df -h {path.parent}") from error


def checksums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file below a folder, by its relative path."""
    found = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            with file.open("rb") as content:
                found[file.relative_to(folder).as_posix()] = hashlib.file_digest(content, "sha256").hexdigest()
    return found


def is_encrypted(path: Path) -> bool:
    """Return whether a backup asks for a passphrase. Raises ConfigurationError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(len(_ENCRYPTED)) == _ENCRYPTED
    except OSError as error:
        raise ConfigurationError(f"the backup {path} cannot be read", str(error), f"ls -l {path}") from error


def read_manifest(path: Path, passphrase: Secret | None) -> Manifest:
    """Return what a backup holds, without unpacking it. Raises SalamBotError, as `read_archive` does."""
    with _opened(path, passphrase) as tar:
        return _manifest(tar)


def read_archive(path: Path, folder: Path, passphrase: Secret | None) -> Manifest:
    """Unpack a backup into an empty folder; every member is one that the manifest names, whole. It blocks.

    Raises:
        SalamBotError: the file is no backup, damaged, of another format, or of another passphrase.
    """
    with _opened(path, passphrase) as tar:
        manifest = _unpack(tar, folder)
    if checksums(folder) != manifest.files:
        raise _damaged(path, "the checksum of a member is another one")
    return manifest


class _ForeignArchiveError(Exception):
    """Somebody else's archive."""


@contextmanager
def _opened(path: Path, passphrase: Secret | None) -> Iterator[tarfile.TarFile]:
    from cryptography.fernet import InvalidToken

    try:
        with path.open("rb") as file:
            source = _decrypted(file, passphrase) if is_encrypted(path) else file
            with tarfile.open(fileobj=source, mode="r|gz") as tar:
                yield tar
    except InvalidToken as error:
        why = "the passphrase is another one, or the file was changed"
        raise SalamBotError(f"the backup {path} cannot be decrypted", why, "salambot restore FILE, again") from error
    except _ForeignArchiveError as error:
        raise _no_backup(path) from error
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError) as error:
        raise (_damaged(path, str(error)) if _is_archive(path) else _no_backup(path)) from error
    except OSError as error:
        raise SalamBotError(f"the backup {path} cannot be unpacked", str(error), "df -h") from error


def _is_archive(path: Path) -> bool:
    """Return whether a file begins as a backup does, encrypted or not."""
    with path.open("rb") as file:
        head = file.read(len(_ENCRYPTED))
    return head == _ENCRYPTED or head.startswith(_GZIP)


def _no_backup(path: Path) -> SalamBotError:
    return SalamBotError(f"{path} is not a backup", "`salambot backup` did not write it", "salambot backup shop.backup")


def _damaged(path: Path, why: str) -> SalamBotError:
    return SalamBotError(f"the backup {path} is damaged", why, "use another copy of it")


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    tar.addfile(member, io.BytesIO(content))


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member


def _unpack(tar: tarfile.TarFile, folder: Path) -> Manifest:
    manifest = _manifest(tar)
    while member := tar.next():
        inside = PurePosixPath(member.name)
        if member.name not in manifest.files or not member.isfile() or inside.is_absolute() or ".." in inside.parts:
            raise ValueError("it holds a member that its manifest does not name")
        tar.extract(member, folder, filter="data")
    return manifest


def _manifest(tar: tarfile.TarFile) -> Manifest:
    member = tar.next()
    if member is None or member.name != MANIFEST or member.size > _MAX_MANIFEST_BYTES:
        raise _ForeignArchiveError
    content = tar.extractfile(member)
    fields = untrusted(json.loads(content.read() if content else b""))
    if fields["format"] != FORMAT:
        raise ValueError(f"its format is {fields['format']}, and this SalamBot reads format {FORMAT}")
    return Manifest(**{**fields, "tenants": tuple(fields["tenants"]), "topology": tuple(fields["topology"])})


def _fernet(passphrase: Secret, salt: bytes) -> "Fernet":
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    key = Scrypt(salt=salt, length=32, n=_SCRYPT_COST, r=8, p=1).derive(passphrase.reveal().encode())
    return Fernet(base64.urlsafe_b64encode(key))


class _Encrypting(io.RawIOBase):
    """A file that encrypts what is written to it, piece by piece."""

    def __init__(self, file: IO[bytes], passphrase: Secret) -> None:
        salt = os.urandom(16)
        self._file, self._fernet, self._held = file, _fernet(passphrase, salt), bytearray()
        file.write(_ENCRYPTED + salt.hex().encode() + b"\n")

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload] # a buffer
        self._held += piece
        while len(self._held) >= _PIECE_BYTES:
            self._write_piece(bytes(self._held[:_PIECE_BYTES]))
            del self._held[:_PIECE_BYTES]
        return len(piece)

    def flush(self) -> None:
        if self._held:
            self._write_piece(bytes(self._held))
            self._held.clear()
        self._file.flush()

    def _write_piece(self, piece: bytes) -> None:
        self._file.write(self._fernet.encrypt(piece) + b"\n")


def _decrypted(file: IO[bytes], passphrase: Secret | None) -> IO[bytes]:
    if passphrase is None:
        raise ConfigurationError("this backup is encrypted", "it asks for its passphrase", "salambot restore FILE")
    salt = bytes.fromhex(file.readline(_MAX_LINE_BYTES).removeprefix(_ENCRYPTED).decode().strip())
    fernet = _fernet(passphrase, salt)
    pieces = (fernet.decrypt(line.strip()) for line in iter(lambda: file.readline(_MAX_LINE_BYTES), b""))
    return io.BufferedReader(_Pieces(pieces), _READ_BYTES)


class _Pieces(io.RawIOBase):
    """A file that is read from pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._held = pieces, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type] # a buffer
        while not self._held:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._held = piece
        count = min(len(view), len(self._held))
        view[:count], self._held = self._held[:count], self._held[count:]
        return count


@contextmanager
def work_folder(root: Path) -> Iterator[Path]:
    """Make a private folder for what is packed or unpacked; it is gone afterwards."""
    with tempfile.TemporaryDirectory(dir=root, prefix=".salambot-backup-") as folder:
        yield Path(folder)
