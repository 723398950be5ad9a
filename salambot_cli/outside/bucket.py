"""The user's documents on their way into S3: the same mirror as on disk, under `s3://BUCKET/<tenant>/`."""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from salambot_cli.model.errors import SalamBotError
from salambot_cli.outside.aws import NO_CREDENTIALS, AwsFailure, translated
from salambot_cli.outside.documents import SOURCES, Mirrored, document_files, listing

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_UPLOADS_AT_ONCE = 8
_DELETE_AT_ONCE = 1000
"""The limit of S3's DeleteObjects."""


def mirror_to_bucket(s3: "S3Client", bucket: str, path: Path, tenant: str, label: str, *, prune: bool) -> Mirrored:
    """Upload new and changed files of `path` to `<tenant>/`, delete what this source no longer has.

    Raises:
        SalamBotError: S3 refused, or cannot be reached.
    """
    base = path.parent if path.is_file() else path
    files = {file.relative_to(base).as_posix(): file for file in document_files(path)}
    with _explained(bucket):
        before = _listed_before(s3, bucket, f"{tenant}/{SOURCES}/{label}.json")
        there = _etags(s3, bucket, f"{tenant}/")
        written = tuple(key for key, file in files.items() if there.get(f"{tenant}/{key}") != _etag(file))

        def upload(key: str) -> None:
            with files[key].open("rb") as body:
                s3.put_object(Bucket=bucket, Key=f"{tenant}/{key}", Body=body)

        with ThreadPoolExecutor(_UPLOADS_AT_ONCE) as pool:
            list(pool.map(upload, written))
        gone = tuple(key for key in before if key not in files)
        if prune:
            _delete(s3, bucket, [f"{tenant}/{key}" for key in gone])
        keys = tuple(sorted({*files, *(() if prune else gone)}))
        body = listing(label, keys).encode()
        s3.put_object(Bucket=bucket, Key=f"{tenant}/{SOURCES}/{label}.json", Body=body)
    return Mirrored(label, keys, written, gone if prune else ())


def _etag(file: Path) -> str:
    """Return the tag that S3 gives an object put in one piece. Under KMS it is another one: then it is put again."""
    with file.open("rb") as content:
        return f'"{hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()}"'


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
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True})


@contextmanager
def _explained(bucket: str) -> Iterator[None]:
    try:
        with translated():
            yield
    except AwsFailure as failure:
        if failure.code == NO_CREDENTIALS:
            raise SalamBotError("no AWS credentials", failure.message, "aws configure sso; aws sso login") from failure
        what = f"s3://{bucket} does not take the documents"
        raise SalamBotError(what, f"{failure.code}: {failure.message}", "salambot doctor s3") from failure
