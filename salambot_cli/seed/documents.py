"""`seed`: the user's documents, or the sample ones, into the object store and the index."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import cast

from salambot_cli.api.internal_api import request
from salambot_cli.audit.records import record
from salambot_cli.host.assets import asset
from salambot_cli.host.document_mirror import (
    TooManyRemovalsError,
    holds_only_the_sample,
    mirror_to_folder,
    source_label,
)
from salambot_cli.host.files import inheriting_folder
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import Interrupted, SalamBotError
from salambot_cli.model.secret import Secret
from salambot_cli.model.untrusted import raw, untrusted
from salambot_cli.stack.runtimes.base import Runtime, objects_folder
from salambot_cli.stack.steps import Outcome, RunContext
from salambot_cli.terminal.interrupts import run_shielded_thread

SAMPLE = "sample"
Document = dict[str, object]
Hear = Callable[[Document], None]
"""Gets each event of the job: a dictionary with `event`, its name."""
_FIXES = {
    "removals": "salambot seed --prune   # removes them; --no-prune keeps them",
    "cost": "salambot seed --yes   # accepts that",
    "embedder": "salambot seed --full   # embeds everything again",
}


class UndecidedError(SalamBotError):
    """The run stands before a decision (`removals`, `cost` or `embedder`), and nothing is lost yet."""

    def __init__(self, decision: str, question: str) -> None:
        super().__init__("seed needs a decision", question, _FIXES.get(decision, "salambot seed --help"))
        self.decision = decision


@dataclass(frozen=True, slots=True)
class SeedRequest:
    """Options of a seed. `prune` is None if not given; without `path` the store's documents are indexed."""

    path: Path | None
    label: str
    tenant: str
    full: bool = False
    prune: bool | None = None
    vector: str | None = None
    dry_run: bool = False
    spread: bool = False
    """Share the work with every seed worker that runs, on whatever machine."""
    paid: bool = False
    traceparent: str = ""


@dataclass(frozen=True)
class SeedKnowledge:
    """Seed when asked, or when nothing is indexed yet."""

    needs: tuple[str, ...]
    id: str = "seed"
    title: str = "seed the knowledge base"
    part: str | None = None

    async def run(self, context: RunContext, given: Mapping[str, Outcome]) -> Outcome:
        """Seed `kb/`, or the sample documents where there is none. Documents stay: the next run continues from them."""
        del given
        environment = context.environment
        if context.seed is None and await indexed_documents(environment) > 0:
            return Outcome("unchanged")
        request = default_request(environment)
        document = await seed(context.runtime, environment, request)
        counts = cast("dict[str, int]", document["documents"])
        return Outcome("done", f"{counts['seen']} documents from {request.label}")


def default_request(environment: Environment) -> SeedRequest:
    """Return what `up` seeds by itself."""
    if environment.kb.is_dir():
        return SeedRequest(environment.kb, _label(environment.kb, environment.project), environment.tenant)
    return SeedRequest(asset("templates/kb"), SAMPLE, environment.tenant)


def request_for(environment: Environment, path: Path | None) -> SeedRequest:
    """Return what a person asked for."""
    request = default_request(environment)
    return request if path is None else replace(request, path=path, label=_label(path, environment.project))


def _label(path: Path, root: Path) -> str:
    """Return a source's name. The sample keeps its own wherever it lies, so that it gives way to other documents."""
    return SAMPLE if holds_only_the_sample(path) else source_label(path, root)


async def seed(
    runtime: Runtime, environment: Environment, request: SeedRequest, hear: Hear = lambda _event: None
) -> Document:
    """Upload the documents, then run the job; return its document (`salambot seed --json`).

    Raises:
        UndecidedError: more than half would be removed, or embedding costs money, and nobody said yes.
        SalamBotError: the job failed; its own last words are the reason.
    """
    with _rehearsal(environment, request) as below:
        if not request.dry_run and request.path is not None:
            await _upload(environment, request, request.path)
        outcome = "failed"
        try:
            document = await _job(runtime, environment, _argv(environment, request, below), hear)
            outcome = "done"
        finally:
            if not request.dry_run:
                await record(replace(environment, tenant=request.tenant), "seed", outcome)
    return document


async def _job(runtime: Runtime, environment: Environment, argv: tuple[str, ...], hear: Hear) -> Document:
    document: Document = {}

    def line(text: str) -> None:
        nonlocal document
        if (said := _parsed(text)) is None:
            return
        if "event" in said:
            hear(said)
        else:
            document = said

    ended = await runtime.run_job(environment, "orchestrateur", argv, line)
    if decision := document.get("decision"):
        raise UndecidedError(raw(decision), raw(document.get("question", "")))
    if ended.status == Interrupted.status:
        raise Interrupted("interrupted", raw(document.get("error", "the job was interrupted")), "salambot seed")
    if ended.status != 0 or not document:
        words = (ended.errors.strip() or f"status {ended.status}").splitlines()
        raise SalamBotError("the seed job failed", "\n".join(words[-4:]), "salambot doctor")
    return document


def _parsed(text: str) -> Document | None:
    try:
        said = json.loads(text)
    except ValueError:
        return None
    return untrusted(cast("Document", said)) if isinstance(said, dict) else None


async def _upload(environment: Environment, request: SeedRequest, path: Path) -> None:
    try:
        await run_shielded_thread(_mirror, environment, request, path)
    except TooManyRemovalsError as many:
        question = f"this would remove {many.documents} documents, more than half of {request.label}"
        raise UndecidedError("removals", question) from many


def _mirror(environment: Environment, request: SeedRequest, path: Path) -> None:
    if environment.placement("objects") == "local":
        mirror_to_folder(path, objects_folder(environment), request.tenant, request.label, prune=request.prune)
        return
    from salambot_cli.aws.bucket_mirror import mirror_to_bucket
    from salambot_cli.aws.clients import aws_clients

    mirror_to_bucket(
        aws_clients(environment).s3,
        environment.value("S3_BUCKET") or "",
        path,
        request.tenant,
        request.label,
        prune=request.prune,
        kms_key=environment.aws.kms_key,
    )


@contextmanager
def _rehearsal(environment: Environment, request: SeedRequest) -> Iterator[str]:
    """For a dry run, give the job a copy of the documents to look at; a bucket it looks at as it is."""
    if not request.dry_run or request.path is None or environment.placement("objects") != "local":
        yield ""
        return
    store = objects_folder(environment)
    inheriting_folder(store)
    folder = Path(mkdtemp(prefix=".dry-run-", dir=store))
    try:
        folder.chmod(store.stat().st_mode)  # the job may run in a container, as another user
        mirror_to_folder(request.path, folder, request.tenant, request.label, prune=False)
        yield folder.name
    finally:
        shutil.rmtree(folder)


def _argv(environment: Environment, request: SeedRequest, below: str) -> tuple[str, ...]:
    prune = {None: (), True: ("--prune",), False: ("--no-prune",)}[request.prune]
    return (
        "salambot.jobs.seed_kb",
        *("--tenant", request.tenant),
        "--full" if request.full else "--incremental",
        *("--vector", request.vector or environment.placement("vector")),
        *prune,
        *(("--source", request.label) if request.path is not None else ()),
        *(("--dry-run",) if request.dry_run else ()),
        *(("--spread",) if request.spread else ()),
        *(("--yes",) if request.paid else ()),
        *(("--below", below) if below else ()),
        *(("--traceparent", request.traceparent) if request.traceparent else ()),
        "--attached",
        "--json-lines",
    )


async def indexed_documents(environment: Environment) -> int:
    """Ask rag how many documents the tenant has in the index."""
    url, token = f"http://127.0.0.1:{environment.port('rag')}", Secret(environment.value("INTERNAL_TOKEN") or "")
    found = await request(url, token, "/internal/index", query={"tenant": environment.tenant}, service="rag")
    try:
        return int(str(found["documents"]))
    except (ValueError, KeyError) as error:
        raise SalamBotError("rag does not tell what it has indexed", str(error), "salambot logs rag") from error
