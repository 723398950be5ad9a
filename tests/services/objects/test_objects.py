"""Documents in a folder and in S3 through one API; losing either is named."""

import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from salambot.knowledge.objects import Objects, ObjectsUnavailableError
from tests.knowledge import KnowledgeBase
from tests.servers import free_port

S3 = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1",
}
BUCKET = "salambot-objects"
"""A name of its own: moto's state is the process's, and other tests of this worker have buckets too."""


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 with a bucket; returns its endpoint."""
    server = ThreadedMotoServer("127.0.0.1", free_port(), verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    for name, value in {**S3, "AWS_ENDPOINT_URL": endpoint}.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=endpoint, region_name="eu-west-1")
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    for key, body in {"demo/a.md": "# A\n\nalpha", "demo/sub/é.txt": "beta", "other/c.md": "gamma"}.items():
        client.put_object(Bucket=BUCKET, Key=key, Body=body.encode())
    yield endpoint
    for entry in client.list_objects_v2(Bucket=BUCKET)["Contents"]:
        client.delete_object(Bucket=BUCKET, Key=entry["Key"])
    client.delete_bucket(Bucket=BUCKET)
    client.close()
    server.stop()


async def names(objects: Objects) -> list[str]:
    return sorted(item.path for item in await objects.documents())


@pytest.mark.usefixtures("s3")
async def test_a_bucket_is_read_below_the_tenants_prefix() -> None:
    objects = Objects(f"s3://{BUCKET}", "demo")
    assert await names(objects) == ["a.md", "sub/é.txt"]
    assert await objects.read("sub/é.txt") == b"beta"
    assert await objects.read("absent") is None
    assert objects.uri("a.md") == f"s3://{BUCKET}/demo/a.md"


async def test_the_job_indexes_a_bucket(s3: str, tmp_path: Path, database_url: str) -> None:
    base = KnowledgeBase(tmp_path, database_url, **S3, AWS_ENDPOINT_URL=s3)
    base.variables["OBJECTS_URL"] = f"s3://{BUCKET}"
    report = await base.seed()
    assert report["chunks"] == {"embedded": 2, "upserted": 2, "deleted": 0}
    assert (await base.seed())["chunks"] == {"embedded": 0, "upserted": 0, "deleted": 0}


async def test_a_hostile_key_is_refused_and_the_run_goes_on(s3: str, tmp_path: Path, database_url: str) -> None:
    client = boto3.client("s3", endpoint_url=s3, region_name="eu-west-1")
    for key in ("demo/../../etc/passwd.md", "demo/sub//b.md", "demo/\u202ecod.md", "demo/\x1b[31m.md"):
        client.put_object(Bucket=BUCKET, Key=key, Body=b"text")
    client.close()
    base = KnowledgeBase(tmp_path, database_url, **S3, AWS_ENDPOINT_URL=s3)
    base.variables["OBJECTS_URL"] = f"s3://{BUCKET}"
    report = await base.seed()
    documents = report["documents"]
    assert isinstance(documents, dict)
    assert documents["added"] == 2
    assert {item["path"] for item in documents["rejected"]} == {
        "../../etc/passwd.md",
        "sub//b.md",
        "\\u202ecod.md",
        "\\x1b[31m.md",
    }
    assert {item["reason"].split(" with")[0] for item in documents["rejected"]} == {"a path"}


@pytest.mark.usefixtures("s3")
async def test_a_bucket_that_is_not_there_is_named() -> None:
    with pytest.raises(ObjectsUnavailableError, match="s3://nothing"):
        await names(Objects("s3://nothing", "demo"))


async def test_a_folder_hides_its_lists_and_an_empty_one_is_empty(tmp_path: Path) -> None:
    objects = Objects(f"file://{tmp_path / 'new'}", "demo")
    assert await names(objects) == []
    file = tmp_path / "new" / "demo" / ".sources" / "kb.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"{}")
    (tmp_path / "new" / "demo" / "a.md").write_text("alpha")
    assert await names(objects) == ["a.md"]
    assert await objects.sources() == [b"{}"]


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
async def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    folder.chmod(0)
    with pytest.raises(ObjectsUnavailableError, match="object folder"):
        await names(Objects(f"file://{tmp_path}", "demo"))
    folder.chmod(0o700)
