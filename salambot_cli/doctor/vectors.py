"""vector.*: the key, the index and its shape, a search and a write, and how far away it is."""

import json
from urllib.parse import quote

from salambot_cli.doctor.connection_findings import broken_url
from salambot_cli.doctor.http_service import ask
from salambot_cli.doctor.paths import blocked
from salambot_cli.doctor.probe import Probe, ProbeContext, fault, ok
from salambot_cli.doctor.vector_api import (
    Index,
    pinecone_indexes,
    pinecone_steps,
    qdrant_collections,
    qdrant_index,
    qdrant_steps,
    refused,
)
from salambot_cli.host.probe_http import host_and_port
from salambot_cli.host.probe_tcp import shortest_connect
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Facts, Finding
from salambot_contracts.http_url import QDRANT_GRPC_PORT, parse_qdrant_url
from salambot_contracts.url_text import UrlError

ACCESS, USE, LATENCY = "vector.access", "vector.use", "vector.latency"
_LENGTH = 1024
"""Of the local embedder's vectors, and of those that OpenAI is asked for without OPENAI_EMBEDDING_DIMENSIONS."""
_FAR_MILLISECONDS = 90.0


def embedding_length(environment: Environment) -> int | None:
    """Return the length of the vectors that this environment makes; None for a model we do not know."""
    embedder = environment.value("EMBEDDER") or "local"
    if embedder == "openai":
        asked = environment.value("OPENAI_EMBEDDING_DIMENSIONS") or str(_LENGTH)
        return int(asked) if asked.isdecimal() else None
    return _LENGTH if embedder == "local" else None


async def _pinecone_index(exam: ProbeContext) -> Index | Finding:
    """Does Pinecone take the key, and is the index there?"""
    base = exam.value("PINECONE_CONTROLLER_HOST") or "https://api.pinecone.io"
    base = base if "://" in base else f"https://{base}"
    if (stopped := await blocked(exam, ACCESS, base, "PINECONE_CONTROLLER_HOST")) is not None:
        return stopped
    headers = _pinecone_headers(exam)
    answer = await ask("GET", f"{base.rstrip('/')}/indexes", headers=headers)
    wanted = exam.value("PINECONE_INDEX") or ""
    failed = refused(ACCESS, answer, base, "PINECONE_CONTROLLER_HOST", "PINECONE_API_KEY", headers["Api-Key"])
    if failed is not None:
        return failed
    found = {index.name: index for index in pinecone_indexes(answer.json())}
    if wanted and wanted not in found:
        # A key can be narrower than the list: the index itself decides.
        described = await ask("GET", f"{base.rstrip('/')}/indexes/{quote(wanted, safe='')}", headers=headers)
        found |= {i.name: i for i in pinecone_indexes({"indexes": [described.json()]}) if described.status == 200}
    return found[wanted] if wanted in found else _absent(exam, wanted, sorted(found), base)


def _pinecone_headers(exam: ProbeContext) -> dict[str, str]:
    return {"Api-Key": exam.value("PINECONE_API_KEY") or "", "X-Pinecone-Api-Version": "2026-07"}


async def _qdrant_index(exam: ProbeContext) -> Index | Finding | None:
    """Does Qdrant take the key, and is our collection there? None where `seed` has not made it yet."""
    given = exam.value("QDRANT_URL") or ""
    try:
        base = parse_qdrant_url(given).text()
    except UrlError as error:
        if host_and_port(given)[1] == QDRANT_GRPC_PORT:
            return _grpc_port(given)
        return broken_url(ACCESS, "QDRANT_URL", f"{error.reason}; {error.remedy}")
    if (stopped := await blocked(exam, ACCESS, base, "QDRANT_URL")) is not None:
        return stopped
    headers = _qdrant_headers(exam)
    answer = await ask("GET", f"{base}/collections", headers=headers)
    failed = refused(ACCESS, answer, base, "QDRANT_URL", "QDRANT_API_KEY", headers.get("api-key", ""))
    if failed is not None:
        return failed
    name = _our_collection(exam.environment, qdrant_collections(answer.json()))
    if name is None:
        return None
    about = await ask("GET", f"{base}/collections/{quote(name, safe='')}", headers=headers)
    return refused(ACCESS, about, base, "QDRANT_URL", "QDRANT_API_KEY", headers.get("api-key", "")) or qdrant_index(
        name, about.json()
    )


def _qdrant_headers(exam: ProbeContext) -> dict[str, str]:
    key = exam.value("QDRANT_API_KEY")
    return {"api-key": key} if key else {}


def _our_collection(environment: Environment, names: list[str]) -> str | None:
    """Return the collection of this embedder; of another one where that is all there is."""
    ours = [name for name in names if name.startswith("salambot")]
    embedder = environment.value("EMBEDDER") or "local"
    return next((name for name in ours if name.startswith(f"salambot-{embedder}")), ours[0] if ours else None)


def _grpc_port(url: str) -> Finding:
    host = host_and_port(url)[0]
    title = f"{host}:{QDRANT_GRPC_PORT} speaks gRPC (HTTP/2), and the services speak HTTP to Qdrant"
    evidence: Facts = {"host": host, "port": QDRANT_GRPC_PORT, "variable": "QDRANT_URL", "kind": "grpc-port"}
    return fault("vector.unavailable", ACCESS, title, evidence, text="Write port 6333 in QDRANT_URL.")


def _absent(exam: ProbeContext, name: str, found: list[str], base: str) -> Finding:
    host, length = host_and_port(base)[0], embedding_length(exam.environment) or _LENGTH
    evidence: Facts = {"index": name, "indexes": found[:20], "host": host, "variable": "PINECONE_INDEX"}
    text = f"Make {name} in Pinecone's console ({length} dimensions, cosine), or use the key of the right project."
    title = f"There is no index {name}" + (f" (there are {', '.join(found[:5])})" if found else "")
    return fault("vector.index-missing", ACCESS, title, evidence, ("salambot seed",), text=text)


def index_fault(index: Index, ours: int | None) -> Finding | None:
    """Name what is wrong with an index for vectors of our length; None where nothing is. Pure."""
    evidence: Facts = {"index": index.name, "index_dimension": index.dimension, "embedding_length": ours}
    if index.named:
        title = (
            f"The collection {index.name} has named vectors ({', '.join(index.named)}), and the services write one "
            "without a name"
        )
        text = "Name another collection, or delete this one: `salambot seed` makes it in the shape that it needs."
        return fault("vector.dim-mismatch", ACCESS, title, {**evidence, "kind": "named-vectors"}, text=text)
    if index.dimension is not None and ours is not None and index.dimension != ours:
        title = f"The index {index.name} holds vectors of {index.dimension}, and the embedder makes {ours}"
        return fault("vector.dim-mismatch", ACCESS, title, evidence, ("salambot seed --full",))
    if (index.metric or "cosine").lower() not in _METRICS:
        title = f"The index {index.name} compares by {index.metric}, and the services by cosine"
        text = (
            f"Make an index with the metric cosine, and index again: {index.metric} puts the passages in another order."
        )
        about: Facts = {**evidence, "metric": index.metric, "kind": "metric"}
        return fault("vector.dim-mismatch", ACCESS, title, about, ("salambot seed --full",), text=text)
    if index.trouble is not None:
        title = f"The index {index.name} is not ready: {index.trouble}"
        text = (
            "One that initialises or scales is ready within minutes: look again. One that failed, is terminating or "
            "has no space left needs its owner: give it space, or make it again and run `salambot seed`."
        )
        about = {**evidence, "state": index.trouble, "kind": "state"}
        return fault("vector.unavailable", ACCESS, title, about, text=text)
    return None


_METRICS = frozenset({"cosine", "dotproduct", "dot"})
"""Our vectors have length one: both put them in the same order."""


async def _index(exam: ProbeContext) -> Index | Finding | None:
    """Describe the index, once for each run."""
    by_pinecone = exam.environment.placement("vector") == "pinecone"
    return await exam.once("vector:index", lambda: _pinecone_index(exam) if by_pinecone else _qdrant_index(exam))


async def check_vector(exam: ProbeContext) -> Finding:
    """Does the database take the key, and is there an index that fits?"""
    index = await _index(exam)
    if index is None:
        return ok(ACCESS, "Qdrant answers; `salambot seed` makes the collection")
    if isinstance(index, Finding):
        return index
    return index_fault(index, embedding_length(exam.environment)) or ok(
        ACCESS, f"The index {index.name} is there", dimension=index.dimension, region=index.region
    )


async def check_use(exam: ProbeContext) -> Finding:
    """Search the tenant's vectors, then write and delete one under a name of the doctor's own."""
    index = await _index(exam)
    if not isinstance(index, Index):
        return ok(USE, "There is nothing to search yet")
    length = index.dimension or embedding_length(exam.environment) or _LENGTH
    if exam.environment.placement("vector") == "pinecone":
        base = index.host if "://" in (index.host or "://") else f"https://{index.host}"
        if not base:
            return ok(USE, "The index does not say where it is searched")
        if (stopped := await blocked(exam, USE, base, "PINECONE_INDEX")) is not None:
            return stopped
        steps, variables = pinecone_steps(exam.environment.tenant, length), ("PINECONE_INDEX", "PINECONE_API_KEY")
        headers = _pinecone_headers(exam)
    else:
        base = parse_qdrant_url(exam.value("QDRANT_URL") or "").text()
        steps, variables = qdrant_steps(index.name, exam.environment.tenant, length), ("QDRANT_URL", "QDRANT_API_KEY")
        headers = _qdrant_headers(exam)
    for step in steps:
        answer = await ask(
            step.method,
            f"{base.rstrip('/')}{step.path}",
            headers={**headers, "Content-Type": "application/json"},
            content=json.dumps(step.body).encode(),
            seconds=6,
        )
        failed = refused(USE, answer, base, *variables, "set", doing=step.doing)
        if failed is not None:
            return failed
    return ok(USE, f"The index {index.name} can be searched and written")


async def check_latency(exam: ProbeContext) -> Finding:
    """How long does a connection take, against how long the server thinks?"""
    url = (
        exam.value("PINECONE_CONTROLLER_HOST")
        if exam.environment.placement("vector") == "pinecone"
        else exam.value("QDRANT_URL")
    )
    host, port = host_and_port(url or "https://api.pinecone.io")
    shortest = await exam.blocking(lambda: shortest_connect(host, port))
    if shortest is None:
        return ok(LATENCY, "The distance could not be measured (a proxy stands between)")
    rtt = round(shortest, 1)
    if rtt < _FAR_MILLISECONDS:
        return ok(LATENCY, f"The vector database is {rtt} ms away", rtt_ms=rtt)
    evidence: Facts = {
        "host": host,
        "rtt_ms": rtt,
        "limit_ms": _FAR_MILLISECONDS,
        "aws_region": exam.value("AWS_REGION"),
    }
    title = f"The vector database is {rtt} ms away: each search waits for the distance"
    return fault("vector.far-region", LATENCY, title, evidence, (f"ping -c 5 {host}",))


def _managed(environment: Environment) -> bool:
    return environment.placement("vector") != "local"


def _reads(environment: Environment) -> tuple[str, ...]:
    if environment.placement("vector") == "pinecone":
        return ("PINECONE_API_KEY", "PINECONE_INDEX", "PINECONE_CONTROLLER_HOST")
    return ("QDRANT_URL", "QDRANT_API_KEY")


PROBES = (
    Probe(
        ACCESS,
        "vector",
        "Vectors: key, index, dimension",
        check_vector,
        ("vector.bad-key", "vector.index-missing", "vector.dim-mismatch", "vector.unavailable"),
        (),
        _managed,
        seconds=20,
        parts=("vector",),
        reads=_reads,
        after=("host.clock", "net.path"),
    ),
    Probe(
        USE,
        "vector",
        "Vectors: a search and a write",
        check_use,
        ("vector.bad-key", "vector.unavailable", "vector.dim-mismatch"),
        (ACCESS,),
        _managed,
        seconds=20,
        parts=("vector",),
        reads=_reads,
    ),
    Probe(
        LATENCY,
        "vector",
        "Vectors: distance",
        check_latency,
        ("vector.far-region",),
        (ACCESS,),
        _managed,
        parts=("vector",),
        reads=_reads,
    ),
)
