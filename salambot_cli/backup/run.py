"""`backup` and `restore`: database, documents, keys and configuration of an environment, in one file."""

import asyncio
import shutil
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from salambot_cli import __version__
from salambot_cli.audit.records import pull_recorded
from salambot_cli.aws.bucket_mirror import download_prefix, upload_files
from salambot_cli.aws.clients import aws_clients
from salambot_cli.backup.archive import Manifest, checksums, read_archive, work_folder, write_archive
from salambot_cli.backup.database import dump_rows, load_rows
from salambot_cli.config.load import CONFIG_NAME, load_environment
from salambot_cli.host.document_mirror import copy_if_changed
from salambot_cli.host.files import replace_file
from salambot_cli.host.keys import OWN_UNLESS_GIVEN, keys_folder
from salambot_cli.model.environment import Environment
from salambot_cli.model.environment_folder import project_of_environment
from salambot_cli.model.secret import Secret
from salambot_cli.stack.running import require_stack
from salambot_cli.stack.runtimes.base import objects_folder
from salambot_cli.stack.up import UpRequest, start_stack
from salambot_cli.terminal.output import Output

_KEYS = (*OWN_UNLESS_GIVEN, "local-idp.pem", "jwks.json")
_PROJECT = "project/"
"""The keys that belong to the data and to the callers; passwords of local parts are each environment's own."""


@dataclass(frozen=True, slots=True)
class Restored:
    """The parts that a restore brought back, and those of the project that were there already and stay."""

    manifest: Manifest
    rows: dict[str, int]
    objects: int
    kept: tuple[str, ...]


async def create_backup(environment: Environment, file: Path, passphrase: Secret | None) -> Manifest:
    """Write a backup of an environment that runs; services go on meanwhile. Raises SalamBotError."""
    url = await _postgres_url(environment)
    with work_folder(environment.project) as folder:
        await asyncio.to_thread(_copy_project, environment, folder)
        tenants = _tenants(environment)
        rows = await dump_rows(url, folder / "database", tenants)
        await asyncio.to_thread(_copy_objects, environment, folder / "objects", rows.tenants)
        manifest = Manifest(
            created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            salambot=__version__,
            schema_revision=rows.revision,
            tenant=environment.tenant,
            topology=tuple(environment.topology),
            tenants=rows.tenants,
            rows=rows.counts,
            files=await asyncio.to_thread(checksums, folder),
        )
        await asyncio.to_thread(write_archive, file, folder, manifest, passphrase)
    return manifest


async def restore_backup(session: Output, root: Path, file: Path, passphrase: Secret | None) -> Restored:
    """Bring a backup back into a project, new or configured otherwise, and start it.

    The stores are started and filled first; keys, documents and the other services follow once the rows are in.

    Raises:
        SalamBotError: the file is damaged, the schema is of another revision, or the environment is in use.
    """
    with work_folder(project_of_environment(root)) as folder:
        manifest = await asyncio.to_thread(read_archive, file, folder, passphrase)
        kept = _write_project(folder / "project", project_of_environment(root))
        environment = load_environment(root)
        shown = replace(session, quiet=session.quiet or session.machine, json=False, json_lines=False)
        await start_stack(shown, environment, UpRequest(("rag",), seed=False), time.monotonic())
        url = await _postgres_url(environment, "rag")
        rows = await load_rows(url, folder / "database", manifest.schema_revision, manifest.salambot)
        await asyncio.to_thread(_write_keys, folder / "keys", root)
        objects = await asyncio.to_thread(_write_objects, environment, folder / "objects")
        await start_stack(shown, environment, UpRequest(seed=False), time.monotonic())
    return Restored(manifest, rows, objects, kept)


async def _postgres_url(environment: Environment, part: str = "gateway") -> str:
    runtime, running = await require_stack(environment, part)
    complete = (await pull_recorded(environment)).environment
    return runtime.seen(complete, running).value("POSTGRES_URL") or ""


def _tenants(environment: Environment) -> set[str]:
    mapped = {tenant for table in environment.channels.values() for tenant in table.values()}
    folders = {path.name for path in objects_folder(environment).glob("[a-z0-9]*") if path.is_dir()}
    return {environment.tenant, *mapped, *environment.businesses, *folders}


def _copy_project(environment: Environment, folder: Path) -> None:
    for path in (environment.project / CONFIG_NAME, *environment.variables_files):
        _copy(path, folder / "project" / path.name)
    for name in _KEYS:
        _copy(environment.state / "keys" / name, folder / "keys" / name)
    if environment.kb.is_dir() and environment.kb.is_relative_to(environment.project):
        for path in environment.kb.rglob("*"):
            if not path.is_symlink():
                _copy(path, folder / "project" / path.relative_to(environment.project))


def _copy(source: Path, target: Path) -> None:
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _copy_objects(environment: Environment, folder: Path, tenants: tuple[str, ...]) -> None:
    if environment.placement("objects") == "local":
        for path in objects_folder(environment).rglob("*"):
            _copy(path, folder / path.relative_to(objects_folder(environment)))
        return
    s3, bucket = aws_clients(environment).s3, environment.value("S3_BUCKET") or ""
    for tenant in tenants:
        download_prefix(s3, bucket, f"{tenant}/", folder)


def project_files(manifest: Manifest, root: Path) -> list[str]:
    """Return the files of the project that a restore would write; those that are there stay."""
    project = project_of_environment(root)
    names = (name.removeprefix(_PROJECT) for name in sorted(manifest.files) if name.startswith(_PROJECT))
    return [name for name in names if not (project / name).exists()]


def _write_project(folder: Path, root: Path) -> tuple[str, ...]:
    """Write the files of the project that are not there; return the names of those that are, and stay."""
    kept = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        name = path.relative_to(folder)
        if (root / name).exists():
            kept.append(str(name))
        else:
            replace_file(root / name, path.read_bytes(), mode=0o600 if name.name.startswith(".env") else 0o644)
    return tuple(kept)


def _write_keys(folder: Path, root: Path) -> None:
    for name in _KEYS:
        if (folder / name).is_file():
            replace_file(keys_folder(root) / name, (folder / name).read_bytes())


def _write_objects(environment: Environment, folder: Path) -> int:
    files = [path for path in folder.rglob("*") if path.is_file()]
    if environment.placement("objects") != "local":
        s3, bucket = aws_clients(environment).s3, environment.value("S3_BUCKET") or ""
        upload_files(s3, bucket, folder, kms_key=environment.aws.kms_key)
        return len(files)
    for path in files:
        copy_if_changed(path, objects_folder(environment) / path.relative_to(folder))
    return len(files)
