"""`seed`: the user's documents, or the sample ones, into the object store and the index."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import SalamBotError
from salambot_cli.model.plan import StepStatus
from salambot_cli.outside.assets import asset
from salambot_cli.outside.documents import mirror_to_folder, source_label
from salambot_cli.outside.interrupts import to_the_end
from salambot_cli.runtimes.base import Runtime, objects_folder
from salambot_cli.steps.base import Run

SAMPLE = "sample"
Document = dict[str, object]


@dataclass(frozen=True, slots=True)
class SeedRequest:
    """What to seed, and how."""

    path: Path
    label: str
    tenant: str
    full: bool = False
    prune: bool = True
    vector: str | None = None
    dry_run: bool = False


@dataclass(frozen=True)
class SeedKnowledge:
    """Seed when asked, or when nothing is indexed yet."""

    needs: tuple[str, ...]
    id: str = "seed"
    title: str = "seed the knowledge base"

    async def run(self, run: Run) -> StepStatus:
        """Seed `kb/`, or the sample documents where there is none."""
        environment = run.environment
        if run.seed is None and await indexed_documents(environment) > 0:
            return "unchanged"
        request = default_request(environment)
        document = await seed(run.runtime, environment, request)
        counts = cast("dict[str, int]", document["documents"])
        run.details[self.id] = f"{counts['seen']} documents from {request.label}"
        return "done"

    async def undo(self, run: Run) -> None:
        """Documents stay: the next run continues from them."""


def default_request(environment: Environment) -> SeedRequest:
    """Return what `up` seeds by itself."""
    if environment.kb.is_dir():
        return SeedRequest(environment.kb, source_label(environment.kb, environment.root), environment.tenant)
    return SeedRequest(asset("templates/kb"), SAMPLE, environment.tenant)


def request_for(environment: Environment, path: Path | None, *, full: bool, prune: bool, dry_run: bool) -> SeedRequest:
    """Return what a person asked for."""
    request = default_request(environment)
    if path is not None:
        request = replace(request, path=path, label=source_label(path, environment.root))
    return replace(request, full=full, prune=prune, dry_run=dry_run)


async def seed(runtime: Runtime, environment: Environment, request: SeedRequest) -> Document:
    """Upload the documents, then run the job; return its document (`salambot seed --json`).

    Raises:
        SalamBotError: the job failed; its own last words are the reason.
    """
    if not request.dry_run:
        await to_the_end(_upload, environment, request)
    result = await runtime.run_job(environment, "orchestrateur", _argv(environment, request))
    try:
        document = cast("Document", json.loads(result.output))
    except ValueError:
        document = {}
    if result.status != 0 or not document:
        words = (result.errors.strip() or result.output.strip() or f"status {result.status}").splitlines()
        raise SalamBotError("the seed job failed", "\n".join(words[-4:]), "salambot doctor")
    return document


def _upload(environment: Environment, request: SeedRequest) -> None:
    if environment.placement("objects") == "local":
        store = objects_folder(environment)
        mirror_to_folder(request.path, store, request.tenant, request.label, prune=request.prune)
        return
    from salambot_cli.outside.aws import aws_of
    from salambot_cli.outside.bucket import mirror_to_bucket

    bucket = environment.value("S3_BUCKET") or ""
    mirror_to_bucket(aws_of(environment).s3, bucket, request.path, request.tenant, request.label, prune=request.prune)


def _argv(environment: Environment, request: SeedRequest) -> tuple[str, ...]:
    return (
        "salambot.jobs.seed_kb",
        *("--tenant", request.tenant),
        "--full" if request.full else "--incremental",
        *("--vector", request.vector or environment.placement("vector")),
        "--prune" if request.prune else "--no-prune",
        *("--source", request.label),
        *(("--dry-run",) if request.dry_run else ()),
        "--json",
    )


async def indexed_documents(environment: Environment) -> int:
    """Ask rag how many documents the tenant has in the index."""
    import httpx

    url = f"http://127.0.0.1:{environment.port('rag')}/internal/index"
    headers = {"X-SalamBot-Internal": (environment.value("INTERNAL_TOKEN") or "").partition(",")[0]}
    try:
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            answer = await client.get(url, params={"tenant": environment.tenant}, headers=headers)
            answer.raise_for_status()
            return int(answer.json()["documents"])
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise SalamBotError("rag does not tell what it has indexed", str(error), "salambot logs rag") from error
