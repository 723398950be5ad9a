"""Uploading to S3: incremental, verified, encrypted, and never half of the source by surprise."""

import base64
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from salambot_cli.aws.bucket_mirror import PART_BYTES, content_type, mirror_to_bucket
from salambot_cli.host.document_mirror import TooManyRemovalsError, mirror_to_folder
from salambot_cli.model.errors import SalamBotError
from tests.doctor.cloud import Moto

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "salambot-kb"


@pytest.fixture(scope="module")
def moto() -> Iterator[Moto]:
    server = Moto()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def s3(moto: Moto) -> "S3Client":
    moto.reset()
    client: S3Client = moto.client("s3")
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return client


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.md").write_text("# Un\n\nTexte.\n")
    (folder / "sub" / "été.txt").write_text("Ouvert.")
    return folder


def mirror(s3: "S3Client", docs: Path, **more: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:  # noqa: ANN401 - options
    done = mirror_to_bucket(s3, BUCKET, docs, "demo", "kb", **{"prune": None, **more})
    return done.written, done.deleted


def keys(s3: "S3Client") -> set[str]:
    return {item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET)["Contents"]}


@pytest.mark.parametrize("kms_key", [None, "alias/salambot"])
def test_only_what_changed_goes_up_verified_and_encrypted(s3: "S3Client", docs: Path, kms_key: str | None) -> None:
    (docs / "big.csv").write_bytes(b"question,answer\n" + b"q,a\n" * (PART_BYTES // 3))
    assert mirror(s3, docs, kms_key=kms_key) == (("a.md", "big.csv", "sub/été.txt"), ())
    assert keys(s3) == {"demo/a.md", "demo/big.csv", "demo/sub/été.txt", "demo/.sources/kb.json"}
    small = s3.head_object(Bucket=BUCKET, Key="demo/a.md", ChecksumMode="ENABLED")
    digest = hashlib.sha256((docs / "a.md").read_bytes()).digest()
    assert small["ChecksumSHA256"] == base64.b64encode(digest).decode()
    assert small["ContentType"] == "text/markdown; charset=utf-8"
    assert small["ServerSideEncryption"] == ("aws:kms" if kms_key else "AES256")
    big = s3.head_object(Bucket=BUCKET, Key="demo/big.csv")
    assert big["ETag"].endswith('-2"'), "in two parts"
    assert s3.get_object(Bucket=BUCKET, Key="demo/big.csv")["Body"].read() == (docs / "big.csv").read_bytes()
    assert mirror(s3, docs, kms_key=kms_key) == ((), ())
    (docs / "a.md").write_text("# Deux\n\nTexte.\n")
    (docs / "sub" / "été.txt").unlink()
    assert mirror(s3, docs, kms_key=kms_key, prune=False) == (("a.md",), ())
    assert mirror(s3, docs, kms_key=kms_key) == ((), ("sub/été.txt",))
    assert keys(s3) == {"demo/a.md", "demo/big.csv", "demo/.sources/kb.json"}


def test_a_name_that_no_store_takes_is_listed_and_stays_behind(s3: "S3Client", docs: Path, tmp_path: Path) -> None:
    for name in (b"red\x1b[31m.md", b"latin-\xe9.md", b"back\\slash.md", "Prix\u202f?.md".encode()):
        (docs / os.fsdecode(name)).write_text("# Titre")
    odd = ("back\\slash.md", "latin-\\udce9.md", "red\\x1b[31m.md")
    kept = ("Prix\u202f?.md", "a.md", "sub/été.txt")
    mirror(s3, docs)
    listed = s3.get_object(Bucket=BUCKET, Key="demo/.sources/kb.json")["Body"].read()
    assert json.loads(listed)["keys"] == sorted(odd + kept)
    assert keys(s3) == {"demo/.sources/kb.json", *(f"demo/{key}" for key in kept)}
    mirrored = mirror_to_folder(docs, tmp_path / "store", "demo", "kb", prune=None)
    assert (sorted(mirrored.written), mirrored.keys) == (sorted(kept), tuple(sorted(odd + kept)))


def test_another_tag_is_settled_by_the_digest(s3: "S3Client", docs: Path) -> None:
    mirror(s3, docs)
    body = (docs / "a.md").read_bytes()
    parts = s3.create_multipart_upload(
        Bucket=BUCKET, Key="demo/a.md", Metadata={"sha256": hashlib.sha256(body).hexdigest()}
    )
    whole = {"Bucket": BUCKET, "Key": "demo/a.md", "UploadId": parts["UploadId"]}
    part = s3.upload_part(**whole, PartNumber=1, Body=body)
    s3.complete_multipart_upload(**whole, MultipartUpload={"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]})
    assert mirror(s3, docs) == ((), ())


def test_losing_most_of_a_source_is_decided_before_anything_is_written(s3: "S3Client", tmp_path: Path) -> None:
    docs = tmp_path / "many"
    docs.mkdir()
    for number in range(4):
        (docs / f"{number}.txt").write_text(str(number))
    mirror(s3, docs)
    for number in range(1, 4):
        (docs / f"{number}.txt").unlink()
    (docs / "new.txt").write_text("new")
    with pytest.raises(TooManyRemovalsError):
        mirror(s3, docs)
    assert len(keys(s3)) == 5
    assert len(mirror(s3, docs, prune=True)[1]) == 3


def test_a_refusal_is_in_s3s_own_words(s3: "S3Client", docs: Path) -> None:
    with pytest.raises(SalamBotError, match="does not take the documents") as caught:
        mirror_to_bucket(s3, "nobody-has-this-bucket", docs, "demo", "kb", prune=None)
    assert "NoSuchBucket" in caught.value.why


def test_content_types_follow_the_name() -> None:
    assert [content_type(name) for name in ("a.MD", "b.pdf", "c.html", "d.unheard-of")] == [
        "text/markdown; charset=utf-8",
        "application/pdf",
        "text/html; charset=utf-8",
        "application/octet-stream",
    ]
