"""Model, vectors and telemetry: the calls that the services make, against servers that refuse in every way we know."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from salambot_cli.config.load import load_environment
from salambot_cli.doctor import model_server, models, telemetry, vector_api, vectors
from salambot_cli.doctor.model_server import ModelServer
from salambot_cli.doctor.probe import ProbeContext
from salambot_cli.host.probe_http import Answer
from salambot_cli.model.finding import Finding
from tests.doctor.wires import LOOPBACK, http

Handler = Callable[[web.Request], Awaitable[web.Response]]
Serve = Callable[[Handler], Awaitable[str]]
REPLY = {"choices": [{"message": {"content": "1"}}]}
PAGE = "<html><title>Sign in</title></html>"


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serve a handler; return its base URL."""
    async with AsyncExitStack() as stack:

        async def start(handler: Handler) -> str:
            return f"http://{LOOPBACK}:{await stack.enter_async_context(http(handler))}"

        yield start


def exam(folder: Path, placement: str, **variables: str) -> ProbeContext:
    """Return the context of an environment with one managed component."""
    services = '["vector", "objects", "secrets", "telemetry", "llm"]'
    (folder / "salambot.toml").write_text(f"allow_insecure = {services}\n[placement]\n{placement}\n")
    return ProbeContext(load_environment(folder, environ=variables))


def answering(answers: dict[str, tuple[int, object]]) -> Handler:
    """Answer by the first beginning of the path that is listed, else with 404 as a bare server does."""

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        found = next((answers[start] for start in answers if request.path.startswith(start)), None)
        if found is None:
            return web.Response(status=404, text="404 page not found")
        status, body = found
        if isinstance(body, str):
            return web.Response(status=status, text=body, content_type="text/html")
        if isinstance(body, bytes):
            return web.Response(status=status, body=body, content_type="application/x-protobuf")
        return web.json_response(body, status=status)

    return handle


def error(code: str, message: str) -> object:
    return {"error": {"code": code, "message": message, "type": "invalid_request_error"}}


MODEL_REFUSALS: list[tuple[str, int, object, str, str]] = [
    ("unknown model", 404, error("model_not_found", "The model `m` does not exist"), "openai.unavailable", "model"),
    ("model of ollama", 404, {"error": "model 'm' not found, try pulling it first"}, "openai.unavailable", "model"),
    ("retired model", 400, error("model_decommissioned", "`m` was retired"), "openai.unavailable", "model"),
    ("region", 403, error("unsupported_country_region_territory", "Not supported"), "openai.unavailable", "region"),
    ("inactive account", 429, error("billing_not_active", "Your account is not active"), "openai.quota", "quota"),
    ("no credit at a router", 402, {"error": {"message": "Insufficient credits"}}, "openai.quota", "quota"),
    ("error inside a 200", 200, {"error": {"message": "Insufficient credits", "code": 402}}, "openai.quota", "quota"),
    ("rate", 429, error("rate_limit_exceeded", "Slow down"), "openai.quota", "rate"),
    ("organisation", 401, error("mismatched_organization", "header should match"), "openai.bad-key", "owner"),
    ("addresses", 403, error("ip_not_authorized", "Your IP address is not allowed"), "openai.bad-key", "address"),
    ("wrong key", 401, error("invalid_api_key", "Incorrect API key"), "openai.bad-key", "key"),
    ("portal", 200, PAGE, "openai.unavailable", "no-api"),
    ("firewall", 403, PAGE, "openai.unavailable", "fails"),
    ("down", 503, {"error": "overloaded"}, "openai.unavailable", "fails"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "body", "finding", "kind"),
    [row[1:] for row in MODEL_REFUSALS],
    ids=[row[0].replace(" ", "-") for row in MODEL_REFUSALS],
)
async def test_a_refusal_of_the_model_is_named(
    tmp_path: Path, serve: Serve, status: int, body: object, finding: str, kind: str
) -> None:
    base = await serve(answering({"/v1/models": (200, {"data": []}), "/v1/chat": (status, body)}))

    found = await models.check_model(
        exam(tmp_path, 'llm = "openai"', OPENAI_API_KEY="sk-1", OPENAI_BASE_URL=f"{base}/v1", OPENAI_MODEL="m")
    )

    assert (found.id, found.evidence["kind"]) == (finding, kind), found


async def test_a_base_url_without_v1_is_corrected(tmp_path: Path, serve: Serve) -> None:
    base = await serve(answering({"/v1/models": (200, {"data": []}), "/v1/chat": (200, REPLY)}))

    found = await models.check_model(exam(tmp_path, 'llm = "openai"', OPENAI_API_KEY="sk-1", OPENAI_BASE_URL=base))

    assert found.id == "openai.unavailable"
    assert found.remedy is not None
    assert f"OPENAI_BASE_URL={base}/v1" in (found.remedy.text or "")


async def test_a_server_that_lists_no_models_and_knows_the_newer_length_only_is_well(
    tmp_path: Path, serve: Serve
) -> None:
    async def handle(request: web.Request) -> web.Response:
        if not request.path.startswith("/v1/chat"):
            return web.Response(status=404, text="no")
        if "max_tokens" in await request.json():
            return web.json_response(error("unsupported_parameter", "'max_tokens' is not supported"), status=400)
        return web.json_response(REPLY)

    base = await serve(handle)
    found = await models.check_model(
        exam(tmp_path, 'llm = "openai"', OPENAI_API_KEY="sk-1", OPENAI_BASE_URL=f"{base}/v1")
    )

    assert found.status == "ok", found


async def test_one_refusal_that_passes_is_no_finding(tmp_path: Path, serve: Serve) -> None:
    statuses = [503, 200]

    async def handle(request: web.Request) -> web.Response:
        if request.path.endswith("/models"):
            return web.json_response({"data": []})
        status = statuses.pop(0)
        return web.json_response(REPLY if status == 200 else {}, status=status)

    base = await serve(handle)
    found = await models.check_model(
        exam(tmp_path, 'llm = "openai"', OPENAI_API_KEY="sk-1", OPENAI_BASE_URL=f"{base}/v1")
    )

    assert (found.status, statuses) == ("ok", [])


@pytest.mark.parametrize(
    ("made", "finding"), [(1024, "openai.embeddings"), (1536, "vector.dim-mismatch")], ids=["obeys", "ignores"]
)
async def test_the_length_of_an_embedding_is_compared(tmp_path: Path, serve: Serve, made: int, finding: str) -> None:
    body = {"data": [{"embedding": [0.1] * made}]}
    base = await serve(answering({"/v1/models": (200, {"data": []}), "/v1/embeddings": (200, body)}))

    found = await models.check_embeddings(
        exam(
            tmp_path, 'llm = "local"', EMBEDDER="openai", OPENAI_API_KEY="sk-1", OPENAI_EMBEDDING_API_KEY="sk-2",
            OPENAI_EMBEDDING_BASE_URL=f"{base}/v1",
        )
    )  # fmt: skip

    assert found.id == finding


def pinecone(**changes: object) -> dict[str, object]:
    return {
        "name": "kb", "dimension": 1024, "metric": "cosine", "status": {"ready": True, "state": "Ready"}, **changes,
    }  # fmt: skip


PINECONE: list[tuple[str, dict[str, object], dict[str, tuple[int, object]], str]] = [
    ("well", {}, {}, ""),
    ("initialising", {"status": {"ready": False, "state": "Initializing"}}, {}, "vector.unavailable"),
    ("euclidean", {"metric": "euclidean"}, {}, "vector.dim-mismatch"),
    ("month used up", {}, {"/query": (429, {"message": "You've reached your read unit limit"})}, "vector.unavailable"),
    ("reading key", {}, {"/vectors/upsert": (403, {"message": "Forbidden"})}, "vector.bad-key"),
    ("no such data host", {"host": "kb-1.invalid"}, {}, "net.dns"),
    ("new namespace", {}, {"/vectors/delete": (404, {"message": "Namespace not found"})}, ""),
]


@pytest.mark.parametrize(
    ("changes", "data", "finding"), [row[1:] for row in PINECONE], ids=[row[0].replace(" ", "-") for row in PINECONE]
)
async def test_pinecone_is_described_searched_and_written(
    tmp_path: Path, serve: Serve, changes: dict[str, object], data: dict[str, tuple[int, object]], finding: str
) -> None:
    answers: dict[str, tuple[int, object]] = {**data, "/query": (200, {}), "/vectors": (200, {})} | data
    host = await serve(answering(dict(sorted(answers.items(), reverse=True))))
    base = await serve(answering({"/indexes": (200, {"indexes": [pinecone(host=host) | changes]})}))
    context = exam(
        tmp_path, 'vector = "pinecone"', PINECONE_API_KEY="pcsk_1", PINECONE_INDEX="kb", PINECONE_CONTROLLER_HOST=base
    )

    found = await vectors.check_vector(context)
    used = await vectors.check_use(context) if found.status == "ok" else found

    assert ("" if used.status == "ok" else used.id) == finding, used


QDRANT: list[tuple[str, dict[str, object], str]] = [
    ("well", {"config": {"params": {"vectors": {"size": 1024, "distance": "Cosine"}}}, "status": "yellow"}, ""),
    ("red", {"status": "red", "optimizer_status": {"error": "No space left on device"}}, "vector.unavailable"),
    ("euclid", {"config": {"params": {"vectors": {"size": 1024, "distance": "Euclid"}}}}, "vector.dim-mismatch"),
    ("named vectors", {"config": {"params": {"vectors": {"text": {"size": 1024}}}}}, "vector.dim-mismatch"),
    ("other size", {"config": {"params": {"vectors": {"size": 384, "distance": "Dot"}}}}, "vector.dim-mismatch"),
]


@pytest.mark.parametrize(
    ("about", "finding"), [row[1:] for row in QDRANT], ids=[row[0].replace(" ", "-") for row in QDRANT]
)
async def test_qdrant_is_described(tmp_path: Path, serve: Serve, about: dict[str, object], finding: str) -> None:
    listed = {"result": {"collections": [{"name": "salambot-local"}]}}
    base = await serve(answering({"/collections/": (200, {"result": about}), "/collections": (200, listed)}))
    context = exam(tmp_path, 'vector = "qdrant"', QDRANT_URL=base)

    found = await vectors.check_vector(context)

    assert ("" if found.status == "ok" else found.id) == finding, found


async def test_qdrant_that_wants_a_key_which_is_not_set_says_so(tmp_path: Path, serve: Serve) -> None:
    base = await serve(answering({"/": (401, {"status": "Must provide an API key"})}))

    found = await vectors.check_vector(exam(tmp_path, 'vector = "qdrant"', QDRANT_URL=base))

    assert found.id == "vector.bad-key"
    assert "QDRANT_API_KEY is not set" in found.title


def rejected() -> bytes:
    partial = ExportTracePartialSuccess(rejected_spans=1, error_message="tenant trace limit reached")
    answer: bytes = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
    return answer


OTLP: list[tuple[str, dict[str, tuple[int, object]], str, dict[str, str], str, str]] = [
    ("well", {"/otlp/v1/": (200, b"")}, "/otlp", {}, "otlp.export", "logs"),
    ("rejected in a 200", {"/v1/": (200, rejected())}, "", {}, "otlp.rejected", "tenant trace limit"),
    ("rejected in JSON", {"/v1/": (200, {"partialSuccess": {"rejectedSpans": "3"}})}, "", {}, "otlp.rejected", "3"),
    ("portal", {"/v1/": (200, PAGE)}, "", {}, "otlp.unavailable", "web page"),
    ("traces only", {"/v1/traces": (200, b"")}, "", {}, "otlp.wrong-path", "metrics are lost"),
    ("doubled", {"/otlp/v1/traces/v1": (404, {}), "/otlp/v1/": (200, b"")}, "/otlp/v1/traces", {}, "otlp.wrong-path",
     "/v1/traces, which"),
    ("lacks the base", {"/otlp/v1/": (200, b"")}, "", {}, "otlp.wrong-path", "not there"),
    ("quotes", {"/v1/": (401, {})}, "",
     {"OTEL_EXPORTER_OTLP_HEADERS": '"Authorization=x"'}, "otlp.unauthorized", "quotes"),
    ("never", {"/v1/": (200, b"")}, "", {"OTEL_TRACES_SAMPLER": "always_off"}, "otlp.never-sampled", "always_off"),
    ("none of all", {"/v1/": (200, b"")}, "",
     {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.0"}, "otlp.never-sampled", "0.0"),
    ("some", {"/v1/": (200, b"")}, "",
     {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"}, "otlp.export", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "path", "variables", "finding", "words"),
    [row[1:] for row in OTLP],
    ids=[row[0].replace(" ", "-") for row in OTLP],
)
async def test_every_signal_is_exported(
    tmp_path: Path,
    serve: Serve,
    answers: dict[str, tuple[int, object]],
    path: str,
    variables: dict[str, str],
    finding: str,
    words: str,
) -> None:
    base = await serve(answering(answers))

    found = await telemetry.check_export(
        exam(tmp_path, 'telemetry = "otlp"', OTEL_EXPORTER_OTLP_ENDPOINT=f"{base}{path}", **variables)
    )

    assert (found.id, words in found.title) == (finding, True), found


async def test_a_receiver_that_takes_no_gzip_is_told_apart(tmp_path: Path, serve: Serve) -> None:
    async def handle(request: web.Request) -> web.Response:
        return web.Response(status=415 if request.headers.get("Content-Encoding") == "gzip" else 200)

    context = exam(
        tmp_path, 'telemetry = "otlp"', OTEL_EXPORTER_OTLP_ENDPOINT=await serve(handle),
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
    )  # fmt: skip
    found: Finding = await telemetry.check_export(context)

    assert (found.id, found.evidence["kind"]) == ("otlp.protocol", "compression")
    assert "none" in json.dumps(found.remedy.commands if found.remedy else ())


_MEMBERS = (
    "error", "code", "message", "result", "collections", "status", "config", "params", "vectors", "size",
    "indexes", "name", "dimension", "host", "metric", "data", "embedding", "partialSuccess", "rejectedSpans",
    "optimizer_status", "output",
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(_MEMBERS) | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
ANSWERS = st.builds(
    Answer,
    st.sampled_from([0, 200, 204, 301, 400, 401, 402, 403, 404, 422, 429, 500, 503, 530]),
    st.dictionaries(
        st.sampled_from(["content-type", "retry-after", "location"]),
        st.sampled_from(["application/json", "application/x-protobuf", "text/html", "x", "2"]),
    ),
    JSON.map(lambda body: json.dumps(body).encode()) | st.binary(max_size=40),
)


@given(ANSWERS)
def test_any_answer_of_a_service_is_judged(answer: Answer) -> None:
    server = ModelServer("c", "https://llm.example/v1", "OPENAI_BASE_URL", "k", "OPENAI_API_KEY", "m", "OPENAI_MODEL")
    body = answer.json()

    judged = [
        model_server.refusal(server, answer),
        vector_api.refused("c", answer, "https://v.example", "QDRANT_URL", "QDRANT_API_KEY", "k"),
        vector_api.refused("c", answer, "https://v.example", "QDRANT_URL", "QDRANT_API_KEY", "", doing="write"),
        vectors.index_fault(vector_api.qdrant_index("kb", body), 1024),
        *(vectors.index_fault(index, 1024) for index in vector_api.pinecone_indexes(body)),
    ]
    vector_api.qdrant_collections(body)
    telemetry.partial_success(answer)

    assert all(finding is None or finding.title for finding in judged)
