"""The user's documents on their way into S3: the same mirror as on disk, under `s3://BUCKET/<tenant>/`."""

import hashlib
import json
import mimetypes
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from salambot_cli.aws.clients import NO_CREDENTIALS, AwsError, translate_errors
from salambot_cli.host.document_mirror import (
    SOURCES,
    MirrorResult,
    files_by_key,
    is_storable,
    listing,
    plan_mirror,
    removed_keys,
)
from salambot_cli.model.errors import SalamBotError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART_BYTES = 8 * 1024 * 1024
"""Larger files go up in parts of this size."""
_UPLOADS_AT_ONCE = 8
_DELETE_AT_ONCE = 1000
"""The limit of S3's DeleteObjects."""
_TEXT = {".md": "text/markdown", ".csv": "text/csv", ".jsonl": "application/jsonl"}
_DIGEST = "sha256"


def mirror_to_bucket(
    s3: "S3Client",
    bucket: str,
    path: Path,
    tenant: str,
    label: str,
    *,
    prune: bool | None,
    kms_key: str | None = None,
) -> MirrorResult:
    """Upload new and changed files of `path` to `<tenant>/`, delete what this source no longer has.

    Everything is encrypted at rest: with `kms_key`, else with S3's own key.

    Raises:
        SalamBotError: S3 refused, or cannot be reached.
        TooManyRemovalsError: `prune` is None and more than half would go.
    """
    files = files_by_key(path)
    with _explained(bucket):
        gone = removed_keys(_listed_before(s3, bucket, f"{tenant}/{SOURCES}/{label}.json"), files, prune=prune)
        upload = _Upload(s3, bucket, f"{tenant}/", _encryption(kms_key))
        with ThreadPoolExecutor(_UPLOADS_AT_ONCE) as pool:
            done = list(pool.map(upload.put_if_changed, files, files.values()))
        if prune is not False:
            _delete(s3, bucket, [f"{tenant}/{key}" for key in gone])
        written = tuple(key for key, was_written in zip(files, done, strict=True) if was_written)
        mirrored = plan_mirror(label, files, written, gone, prune=prune)
        upload.put_listing(label, mirrored.keys)
    return mirrored


def unlist_in_bucket(
    s3: "S3Client", bucket: str, tenant: str, keys: Iterable[str], *, kms_key: str | None = None
) -> None:
    """Delete documents of `<tenant>/`, and take them out of the lists of their sources. Raises SalamBotError."""
    gone = {key for key in keys if is_storable(key)}
    with _explained(bucket):
        upload = _Upload(s3, bucket, f"{tenant}/", _encryption(kms_key))
        for name in upload.listings():
            before = _listed_before(s3, bucket, name)
            if gone.intersection(before):
                upload.put_listing(Path(name).stem, tuple(key for key in before if key not in gone))
        _delete(s3, bucket, [f"{tenant}/{key}" for key in sorted(gone)])


def download_prefix(s3: "S3Client", bucket: str, prefix: str, folder: Path) -> None:
    """Copy every object below a prefix into a folder, under its whole key. Raises SalamBotError."""
    with _explained(bucket):
        for key in _etags(s3, bucket, prefix):
            target = folder / key
            if target.resolve().is_relative_to(folder.resolve()) and not key.endswith("/"):
                target.parent.mkdir(parents=True, exist_ok=True)
                s3.download_file(bucket, key, str(target))


def upload_files(s3: "S3Client", bucket: str, folder: Path, *, kms_key: str | None = None) -> None:
    """Put every file of a folder into a bucket under its relative path, encrypted at rest. Raises SalamBotError."""
    with _explained(bucket):
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            key = file.relative_to(folder).as_posix()
            extra = {"ContentType": content_type(key), "ChecksumAlgorithm": "SHA256", **_encryption(kms_key)}
            s3.upload_file(str(file), bucket, key, ExtraArgs=extra)


class _Upload:
    """Puts files under a prefix. What is there already, by its tag or its digest, is left alone."""

    def __init__(self, s3: "S3Client", bucket: str, prefix: str, encryption: Mapping[str, str]) -> None:
        from boto3.s3.transfer import TransferConfig

        self._s3, self._bucket, self._prefix, self._encryption = s3, bucket, prefix, encryption
        self._there = _etags(s3, bucket, prefix)
        # One file's parts go up one after the other: the files themselves are what goes up at once.
        self._transfer = TransferConfig(
            multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, use_threads=False
        )

    def put_if_changed(self, key: str, file: Path) -> bool:
        """Upload a file; S3 verifies the SHA-256."""
        if not is_storable(key):
            return False
        digest, etag = _digests(file)
        there = self._there.get(self._prefix + key)
        if there is not None and (there == etag or self._digest_of(key) == digest):
            return False
        extra = {
            "ContentType": content_type(key),
            "ChecksumAlgorithm": "SHA256",
            "Metadata": {_DIGEST: digest},
            **self._encryption,
        }
        self._s3.upload_file(str(file), self._bucket, self._prefix + key, ExtraArgs=extra, Config=self._transfer)
        return True

    def listings(self) -> list[str]:
        """Return the keys of the lists of sources."""
        return [key for key in self._there if key.startswith(f"{self._prefix}{SOURCES}/") and key.endswith(".json")]

    def put_listing(self, label: str, keys: tuple[str, ...]) -> None:
        """Write the list of the source's current keys."""
        self._s3.put_object(
            Bucket=self._bucket,
            Key=f"{self._prefix}{SOURCES}/{label}.json",
            Body=listing(label, keys).encode(),
            ContentType="application/json",
            ChecksumAlgorithm="SHA256",
            **self._encryption,  # type: ignore[arg-type] # boto3-stubs wants literals
        )

    def _digest_of(self, key: str) -> str | None:
        """Ask for the digest that was stored beside an object: under KMS its tag says nothing."""
        return self._s3.head_object(Bucket=self._bucket, Key=self._prefix + key)["Metadata"].get(_DIGEST)


def content_type(key: str) -> str:
    """Return the media type of a document by its name; text is UTF-8."""
    kind = _TEXT.get(Path(key).suffix.lower()) or mimetypes.guess_type(key)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def _encryption(kms_key: str | None) -> dict[str, str]:
    if kms_key is None:
        return {"ServerSideEncryption": "AES256"}
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key}


def _digests(file: Path) -> tuple[str, str]:
    """Return a file's SHA-256, and the tag that S3 gives it: of one piece its MD5, of more the MD5 of their MD5s."""
    whole, parts = hashlib.sha256(), []
    with file.open("rb") as content:
        while part := content.read(PART_BYTES):
            whole.update(part)
            parts.append(hashlib.md5(part, usedforsecurity=False))
    if file.stat().st_size < PART_BYTES:
        tag = (parts[0] if parts else hashlib.md5(usedforsecurity=False)).hexdigest()
    else:
        together = hashlib.md5(b"".join(part.digest() for part in parts), usedforsecurity=False)
        tag = f"{together.hexdigest()}-{len(parts)}"
    return whole.hexdigest(), f'"{tag}"'


def _etags(s3: "S3Client", bucket: str, prefix: str) -> dict[str, str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {found["Key"]: found["ETag"] for page in pages for found in page.get("Contents", [])}


def _listed_before(s3: "S3Client", bucket: str, key: str) -> list[str]:
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
    except s3.exceptions.NoSuchKey:
        return []
    try:
        return [str(name) for name in json.loads(answer["Body"].read())["keys"]]
    except (ValueError, KeyError, TypeError):
        return []


def _delete(s3: "S3Client", bucket: str, keys: list[str]) -> None:
    for start in range(0, len(keys), _DELETE_AT_ONCE):
        batch = keys[start : start + _DELETE_AT_ONCE]
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True})
        for failed in answer.get("Errors", []):
            raise AwsError(failed.get("Code", ""), f"{failed.get('Key')} was not deleted: {failed.get('Message')}")


@contextmanager
def _explained(bucket: str) -> Iterator[None]:
    from boto3.exceptions import S3UploadFailedError

    try:
        with translate_errors():
            try:
                yield
            except S3UploadFailedError as error:
                raise error.__context__ or error from None  # what S3 said is behind it
    except AwsError as failure:
        if failure.code == NO_CREDENTIALS:
            raise SalamBotError("no AWS credentials", failure.message, "aws configure sso; aws sso login") from failure
        what = f"s3://{bucket} does not take the documents"
        raise SalamBotError(what, f"{failure.code}: {failure.message}", "salambot doctor s3") from failure
