"""The index: documents with their passages, and their removal from the index and the object store."""

from pathlib import Path
from typing import cast

from salambot_cli.api.gateway import Document
from salambot_cli.audit.records import record
from salambot_cli.host.document_mirror import unlist_in_folder
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import ConfigurationError
from salambot_cli.stack.orchestrateur import ask_orchestrateur
from salambot_cli.stack.runtimes.base import objects_folder
from salambot_cli.terminal.interrupts import run_shielded_thread


async def indexed(environment: Environment) -> list[Document]:
    """Return every indexed document of the tenant, by path. Raises SalamBotError."""
    documents: list[Document] = []
    after: str | None = ""
    while after is not None:
        query = {"tenant": environment.tenant, "after": after}
        page = await ask_orchestrateur(environment, "/internal/documents", query=query)
        documents += cast("list[Document]", page["documents"])
        after = cast("str | None", page["next"])
    return documents


async def passages(environment: Environment, path: str) -> list[Document]:
    """Return the passages of a document in order. Raises ConfigurationError for one that is not indexed."""
    await _known(environment, [path])
    found: list[Document] = []
    start: int | None = 0
    while start is not None:
        query = {"tenant": environment.tenant, "path": path, "start": str(start)}
        page = await ask_orchestrateur(environment, "/internal/documents/passages", query=query)
        found += cast("list[Document]", page["passages"])
        start = cast("int | None", page["next"])
    return found


async def remove(environment: Environment, paths: list[str]) -> list[str]:
    """Take documents out of the object store, then out of the index; return their paths.

    Raises:
        ConfigurationError: one of them is not indexed; nothing was removed.
        SalamBotError: orchestrateur or the object store refused.
    """
    await _known(environment, paths)
    outcome = "failed"
    try:
        await run_shielded_thread(_remove_objects, environment, paths)
        body = {"tenant": environment.tenant, "paths": paths}
        answer = await ask_orchestrateur(environment, "/internal/documents/remove", body=cast("Document", body))
        outcome = "done"
    finally:
        await record(environment, "kb.remove", outcome)
    return cast("list[str]", answer["removed"])


def still_in_folder(environment: Environment, paths: list[str]) -> list[Path]:
    """Return the files of the project that the next `salambot seed` would index again."""
    return [environment.kb / path for path in paths if (environment.kb / path).is_file()]


async def _known(environment: Environment, paths: list[str]) -> None:
    known = {str(document["path"]) for document in await indexed(environment)}
    unknown = [path for path in paths if path not in known]
    if unknown:
        raise ConfigurationError(
            f"not indexed: {', '.join(unknown)}", f"the index holds {len(known)} documents", "salambot kb list"
        )


def _remove_objects(environment: Environment, paths: list[str]) -> None:
    if environment.placement("objects") == "local":
        unlist_in_folder(objects_folder(environment), environment.tenant, paths)
        return
    from salambot_cli.aws.bucket_mirror import unlist_in_bucket
    from salambot_cli.aws.clients import aws_clients

    unlist_in_bucket(
        aws_clients(environment).s3,
        environment.value("S3_BUCKET") or "",
        environment.tenant,
        paths,
        kms_key=environment.aws.kms_key,
    )
