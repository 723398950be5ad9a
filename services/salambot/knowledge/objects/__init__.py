"""Documents in the object store, under `<tenant>/`: a folder or an S3 bucket through one API."""

import asyncio
import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError, InvalidPathError, NotFoundError
from obstore.store import LocalStore, S3Store

from salambot.knowledge.objects import listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore.store import ClientConfig, ObjectStore, RetryConfig, S3Config, S3CredentialProvider

_CLIENT: "ClientConfig" = {"connect_timeout": timedelta(seconds=5), "timeout": timedelta(seconds=60)}
_RETRIES: "RetryConfig" = {"max_retries": 4, "retry_timeout": timedelta(seconds=60)}
_HIDDEN = ".sources/"


class ObjectsUnavailableError(Exception):
    """The object store does not answer, or refuses; the message names it."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One document as it is listed. `path` is relative to the tenant's prefix."""

    path: str
    size: int
    etag: str
    modified: datetime


class Objects:
    """The documents of one tenant, read only. Every error is an ObjectsUnavailableError."""

    def __init__(self, url: str, tenant: str) -> None:
        self._prefix = f"{tenant}/"
        self._url = url.rstrip("/")
        with _translated(url):
            self._store = _open(url)

    def uri(self, path: str) -> str:
        """Return what citations show: the S3 address, or one that says nothing about this machine's folders."""
        base = self._url if self._url.startswith("s3://") else "kb:/"
        return f"{base}/{self._prefix}{path}"

    async def documents(self) -> list[StoredObject]:
        """Return every document, in no promised order; the hidden `.sources/` is none."""
        return [item for item in await self._list(self._prefix) if not item.path.startswith(_HIDDEN)]

    async def sources(self) -> list[bytes]:
        """Return the documents that list each source's keys, `<tenant>/.sources/<label>.json`."""
        listed = [item.path for item in await self._list(f"{self._prefix}{_HIDDEN}") if item.path.endswith(".json")]
        return [content for path in sorted(listed) if (content := await self.read(path)) is not None]

    async def read(self, path: str) -> bytes | None:
        """Return the bytes of an object, or None when it has gone since it was listed."""
        with _translated(self._url):
            try:
                result = await obstore.get_async(self._store, self._prefix + path)
                return bytes(await result.bytes_async())
            except (NotFoundError, FileNotFoundError):
                return None

    async def _list(self, prefix: str) -> list[StoredObject]:
        with _translated(self._url):
            try:
                return [
                    self._stored(item["path"], item["size"], item["e_tag"], item["last_modified"])
                    async for page in obstore.list(self._store, prefix=prefix, chunk_size=1000)
                    for item in page
                ]
            except InvalidPathError:  # one name that obstore does not take, and it lists nothing
                return [
                    self._stored(*item) for item in await asyncio.to_thread(listing.list_objects, self._url, prefix)
                ]

    def _stored(self, path: str, size: int, etag: str | None, modified: datetime) -> StoredObject:
        modified = modified.astimezone(UTC)
        return StoredObject(path.removeprefix(self._prefix), size, etag or modified.isoformat(), modified)


def _open(url: str) -> "ObjectStore":
    if url.startswith("file://"):
        return LocalStore.from_url(url, mkdir=True)
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    client: ClientConfig = {**_CLIENT, "allow_http": True} if endpoint.startswith("http://") else _CLIENT
    config: S3Config = {"endpoint": endpoint} if endpoint else {}
    credentials = _profile_credentials()
    return S3Store.from_url(
        url, config=config, client_options=client, retry_config=_RETRIES, credential_provider=credentials
    )


def _profile_credentials() -> "S3CredentialProvider | None":
    """Return boto3's credentials where a profile is named: the store itself reads keys and roles, not profiles."""
    if not os.environ.get("AWS_PROFILE"):
        return None
    from obstore.auth.boto3 import Boto3CredentialProvider

    return Boto3CredentialProvider()


@contextmanager
def _translated(url: str) -> "Iterator[None]":
    try:
        yield
    except (BaseError, OSError) as error:
        place = "the object folder" if url.startswith("file://") else url
        raise ObjectsUnavailableError(f"{place}: {type(error).__name__}") from error
