"""vector.*: the key, the index, its dimension, and how far away it is."""

from dataclasses import dataclass
from urllib.parse import quote

from salambot_cli.doctor.connection_findings import broken_url, http_failure
from salambot_cli.doctor.paths import blocked
from salambot_cli.doctor.probe import Probe, ProbeContext, fault, ok
from salambot_cli.host.probe_http import Answer, host_and_port, request
from salambot_cli.host.probe_tcp import shortest_connect
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Facts, Finding
from salambot_contracts.http_url import QDRANT_GRPC_PORT, parse_qdrant_url
from salambot_contracts.url_text import UrlError

ACCESS, LATENCY = "vector.access", "vector.latency"
_LENGTH = 1024
"""Of the local embedder's vectors, and of those that OpenAI is asked for without OPENAI_EMBEDDING_DIMENSIONS."""
_FAR_MILLISECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Index:
    """An index as its database describes it."""

    name: str
    dimension: int | None
    region: str | None


def embedding_length(environment: Environment) -> int | None:
    """Return the length of the vectors that this environment makes; None for a model we do not know."""
    embedder = environment.value("EMBEDDER") or "local"
    if embedder == "openai":
        asked = environment.value("OPENAI_EMBEDDING_DIMENSIONS") or str(_LENGTH)
        return int(asked) if asked.isdecimal() else None
    return _LENGTH if embedder == "local" else None


async def check_pinecone(exam: ProbeContext) -> Finding:
    """Does Pinecone take the key, and is the index there with the right dimension?"""
    base = exam.value("PINECONE_CONTROLLER_HOST") or "https://api.pinecone.io"
    base = base if "://" in base else f"https://{base}"
    if (stopped := await blocked(exam, ACCESS, base, "PINECONE_CONTROLLER_HOST")) is not None:
        return stopped
    headers = {"Api-Key": exam.value("PINECONE_API_KEY") or "", "X-Pinecone-Api-Version": "2026-07"}
    answer = await request("GET", f"{base.rstrip('/')}/indexes", headers=headers)
    wanted = exam.value("PINECONE_INDEX") or ""
    failed = http_failure(ACCESS, answer, "PINECONE_CONTROLLER_HOST") or _refused(answer, base, "PINECONE_API_KEY")
    if failed is not None:
        return failed
    found = {index.name: index for index in _pinecone_indexes(answer.json())}
    if wanted and wanted not in found:
        # A key can be narrower than the list: the index itself decides.
        described = await request("GET", f"{base.rstrip('/')}/indexes/{quote(wanted, safe='')}", headers=headers)
        found |= {i.name: i for i in _pinecone_indexes({"indexes": [described.json()]}) if described.status == 200}
    if wanted not in found:
        return _absent(exam, wanted, sorted(found), base)
    return _dimension(exam, found[wanted])


def _pinecone_indexes(body: object) -> list[Index]:
    items = body.get("indexes") if isinstance(body, dict) else None
    found: list[Index] = []
    for item in items if isinstance(items, list) else []:
        if isinstance(item, dict) and isinstance(item.get("name"), str):
            # The members moved between versions of the API: look for them wherever they stand.
            length, region = _find(item, "dimension"), _find(item, "region")
            found.append(
                Index(
                    name=item["name"],
                    dimension=length if isinstance(length, int) else None,
                    region=region if isinstance(region, str) else None,
                )
            )
    return found


def _find(value: object, name: str) -> object:
    if not isinstance(value, dict):
        return None
    return value[name] if name in value else next((v for v in (_find(x, name) for x in value.values()) if v), None)


def _refused(answer: Answer, base: str, variable: str) -> Finding | None:
    evidence: Facts = {"host": host_and_port(base)[0], "status": answer.status, "says": answer.text[:160]}
    if answer.status in {401, 403}:
        title = f"The vector database refuses {variable} ({answer.status})"
        return fault("vector.bad-key", ACCESS, title, evidence, text=_KEY_TEXT.format(variable=variable))
    if answer.status in {200, 404}:
        return None
    says = answer.status or (f"nothing ({answer.contact.reach})" if answer.contact else "nothing")
    title = f"The vector database answers {says}"
    return fault("vector.unavailable", ACCESS, title, evidence)


_KEY_TEXT = "Make a new key in the provider's console and store it as {variable} where the environment reads it."


def _absent(exam: ProbeContext, name: str, found: list[str], base: str) -> Finding:
    host, length = host_and_port(base)[0], embedding_length(exam.environment) or _LENGTH
    evidence: Facts = {"index": name, "indexes": found[:20], "host": host, "variable": "PINECONE_INDEX"}
    text = f"Make {name} in Pinecone's console ({length} dimensions, cosine), or use the key of the right project."
    title = f"There is no index {name}" + (f" (there are {', '.join(found[:5])})" if found else "")
    return fault("vector.index-missing", ACCESS, title, evidence, ("salambot seed",), text=text)


def _dimension(exam: ProbeContext, index: Index) -> Finding:
    ours = embedding_length(exam.environment)
    if index.dimension is None or ours is None or index.dimension == ours:
        return ok(ACCESS, f"The index {index.name} is there", dimension=index.dimension, region=index.region)
    evidence: Facts = {"index": index.name, "index_dimension": index.dimension, "embedding_length": ours}
    title = f"The index {index.name} holds vectors of {index.dimension}, and the embedder makes {ours}"
    return fault("vector.dim-mismatch", ACCESS, title, evidence, ("salambot seed --full",))


async def check_qdrant(exam: ProbeContext) -> Finding:
    """Does Qdrant take the key, and do its collections have the right dimension?"""
    given = exam.value("QDRANT_URL") or ""
    try:
        base = parse_qdrant_url(given).text()
    except UrlError as error:
        if host_and_port(given)[1] == QDRANT_GRPC_PORT:
            return _grpc_port(given)
        return broken_url(ACCESS, "QDRANT_URL", f"{error.reason}; {error.remedy}")
    if (stopped := await blocked(exam, ACCESS, base, "QDRANT_URL")) is not None:
        return stopped
    headers = {"api-key": exam.value("QDRANT_API_KEY") or ""}
    answer = await request("GET", f"{base}/collections", headers=headers)
    failed = http_failure(ACCESS, answer, "QDRANT_URL") or _refused(answer, base, "QDRANT_API_KEY")
    if failed is not None:
        return failed
    names = _collections(answer.json())
    name = next((n for n in names if n.startswith("salambot")), None)
    if name is None:
        return ok(ACCESS, "Qdrant answers; `salambot seed` makes the collection", collections=names)
    about = await request("GET", f"{base}/collections/{quote(name, safe='')}", headers=headers)
    return _dimension(exam, Index(name, _qdrant_size(about.json()), None))


def _grpc_port(url: str) -> Finding:
    host = host_and_port(url)[0]
    title = f"{host}:{QDRANT_GRPC_PORT} speaks gRPC (HTTP/2), and the services speak HTTP to Qdrant"
    evidence: Facts = {"host": host, "port": QDRANT_GRPC_PORT, "variable": "QDRANT_URL", "kind": "grpc-port"}
    return fault("vector.unavailable", ACCESS, title, evidence, text="Write port 6333 in QDRANT_URL.")


def _collections(body: object) -> list[str]:
    result = body.get("result") if isinstance(body, dict) else None
    listed = result.get("collections") if isinstance(result, dict) else None
    return [str(c.get("name")) for c in listed if isinstance(c, dict)] if isinstance(listed, list) else []


def _qdrant_size(body: object) -> int | None:
    for key in ("result", "config", "params", "vectors", "size"):
        body = body.get(key) if isinstance(body, dict) else None
    return body if isinstance(body, int) else None


async def check_vector(exam: ProbeContext) -> Finding:
    """Ask the database that holds the vectors."""
    return await (check_pinecone(exam) if exam.environment.placement("vector") == "pinecone" else check_qdrant(exam))


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
