"""Listing what obstore refuses to list: it knows no control characters in names, no `..`, no empty parts of a path."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

Listed = tuple[str, int, str | None, datetime]
"""Path, bytes, tag and time of change."""


def list_objects(url: str, prefix: str) -> list[Listed]:
    """Return what stands under a prefix of `file:///…` or `s3://bucket`; blocking. Raises OSError."""
    return list(_files(url, prefix) if url.startswith("file://") else _keys(url, prefix))


def _files(url: str, prefix: str) -> Iterator[Listed]:
    root = Path(url2pathname(urlsplit(url).path))
    for file in (root / prefix).rglob("*"):
        if file.is_file():
            state = file.stat()
            tag = f"{state.st_mtime_ns}-{state.st_size}"
            yield file.relative_to(root).as_posix(), state.st_size, tag, datetime.fromtimestamp(state.st_mtime, UTC)


def _keys(url: str, prefix: str) -> Iterator[Listed]:
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ModuleNotFoundError as error:  # in the image of the services
        raise OSError("a key that no path has: list the bucket and rename it") from error
    place = urlsplit(url)
    base = f"{place.path.strip('/')}/" if place.path.strip("/") else ""
    try:
        pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket=place.netloc, Prefix=base + prefix)
        for item in (item for page in pages for item in page.get("Contents", [])):
            yield item["Key"].removeprefix(base), item["Size"], item["ETag"], item["LastModified"]
    except (BotoCoreError, ClientError) as error:
        raise OSError(str(error)) from error
