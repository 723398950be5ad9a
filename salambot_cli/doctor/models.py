"""openai.*: the model and the embedder answer one token, asked as the services ask them."""

from salambot_cli.doctor.connection_findings import broken_url, http_failure
from salambot_cli.doctor.http_service import ask, not_json
from salambot_cli.doctor.model_server import ModelServer, refusal, unavailable
from salambot_cli.doctor.paths import blocked
from salambot_cli.doctor.probe import Probe, ProbeContext, fault, ok
from salambot_cli.doctor.vectors import embedding_length
from salambot_cli.host.probe_http import Answer, request
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Facts, Finding
from salambot_contracts.http_url import parse_openai_url
from salambot_contracts.url_text import UrlError

CHECK, EMBEDDINGS = "openai.access", "openai.embeddings"
_OPENAI = "https://api.openai.com/v1"
_OPENAI_HOST = "api.openai.com"
DEFAULT_MODEL = "gpt-4.1-mini"
"""What `nlu` asks where OPENAI_MODEL names none."""
_DEFAULT_EMBEDDING_MODEL = "text-embedding-3-small"
_BAD_REQUEST = frozenset({400, 422})
_NOT_THERE = frozenset({404, 405})


async def check_model(exam: ProbeContext) -> Finding:
    """List the models (free), then ask for one token: an empty account shows only there."""
    server = _server(
        exam, CHECK, "OPENAI_BASE_URL", "OPENAI_API_KEY", exam.value("OPENAI_MODEL") or DEFAULT_MODEL, "OPENAI_MODEL"
    )
    if isinstance(server, Finding):
        return server
    if (stopped := await _unreached(exam, server)) is not None:
        return stopped
    answer = await _one_token(server)
    return await _judge(server, answer, "/chat/completions") or ok(CHECK, f"{server.host} answers", model=server.model)


async def check_embeddings(exam: ProbeContext) -> Finding:
    """Embed one word, and compare the length of the vector."""
    own = exam.value("OPENAI_EMBEDDING_BASE_URL")
    server = _server(
        exam,
        EMBEDDINGS,
        "OPENAI_EMBEDDING_BASE_URL" if own else "OPENAI_BASE_URL",
        "OPENAI_EMBEDDING_API_KEY" if exam.value("OPENAI_EMBEDDING_API_KEY") or own else "OPENAI_API_KEY",
        exam.value("OPENAI_EMBEDDING_MODEL") or _DEFAULT_EMBEDDING_MODEL,
        "OPENAI_EMBEDDING_MODEL",
    )
    if isinstance(server, Finding):
        return server
    if (stopped := await _unreached(exam, server)) is not None:
        return stopped
    length = embedding_length(exam.environment)
    answer = await server.post("/embeddings", {"model": server.model, "input": ["1"], "dimensions": length})
    return await _judge(server, answer, "/embeddings") or _length(server, answer, length)


def _server(
    exam: ProbeContext, check: str, url_variable: str, key_variable: str, model: str, model_variable: str
) -> ModelServer | Finding:
    try:
        base = parse_openai_url(exam.value(url_variable) or _OPENAI).text()
    except UrlError as error:
        return broken_url(check, url_variable, f"{error.reason}; {error.remedy}")
    return ModelServer(check, base, url_variable, exam.value(key_variable) or "", key_variable, model, model_variable)


async def _unreached(exam: ProbeContext, server: ModelServer) -> Finding | None:
    """Go the way to the server, and see whether it takes the key at all: a list of models costs nothing."""
    if (stopped := await blocked(exam, server.check, server.base, server.url_variable)) is not None:
        return stopped
    listed = await ask("GET", f"{server.base}/models", headers=server.headers, seconds=5)
    failed = http_failure(server.check, listed, server.url_variable) or _no_answer(server, listed)
    if failed is not None:
        return failed
    if listed.status in _NOT_THERE:
        return None  # not every server lists its models
    if listed.status < 300 and (what := not_json(listed)) is not None:
        return unavailable(server, listed, f"{server.base} answers with {what}, and not as a model's API", "no-api")
    return refusal(server, listed) if listed.status >= 300 and listed.status not in _BAD_REQUEST else None


async def _one_token(server: ModelServer) -> Answer:
    """Ask as `nlu` does: OpenAI itself by its Responses API, every other server for a chat completion."""
    if server.host == _OPENAI_HOST:
        return await server.post(
            "/responses", {"model": server.model, "input": "1", "max_output_tokens": 16, "store": False}
        )
    body = {"model": server.model, "messages": [{"role": "user", "content": "1"}]}
    answer = await server.post("/chat/completions", {**body, "max_tokens": 1})
    if answer.status in _BAD_REQUEST and "max_tokens" in answer.text:
        return await server.post("/chat/completions", {**body, "max_completion_tokens": 16})
    return answer


async def _judge(server: ModelServer, answer: Answer, path: str) -> Finding | None:
    failed = http_failure(server.check, answer, server.url_variable) or _no_answer(server, answer)
    if failed is not None:
        return failed
    if answer.status in _NOT_THERE and (wrong := await _wrong_base(server, answer, path)) is not None:
        return wrong
    if (refused := refusal(server, answer)) is not None:
        return refused
    if (what := not_json(answer)) is not None:
        return unavailable(server, answer, f"{server.base}{path} answers with {what}, and not as a model", "no-api")
    return None


def _no_answer(server: ModelServer, answer: Answer) -> Finding | None:
    if answer.contact is None:
        return None
    how = answer.contact.reach
    title = f"{server.host} takes the connection and gives no answer ({how})"
    text = (
        f"The server accepts and stays silent: look whether {server.model} is loaded, and at the server's own log. "
        "Replies wait until their time limit."
    )
    evidence: Facts = {"host": server.host, "reach": str(how), "model": server.model, "detail": answer.contact.detail}
    return fault("openai.unavailable", server.check, title, evidence, text=text)


async def _wrong_base(server: ModelServer, answer: Answer, path: str) -> Finding | None:
    """A 404 that speaks of no model is about the path: look whether the API stands under /v1."""
    if refusal(server, answer, only="model") is not None:
        return None
    better = f"{server.base}/v1"
    found = await request("GET", f"{better}/models", headers=server.headers, seconds=4)
    if found.status and found.status not in _NOT_THERE and not_json(found) is None:
        title = f"{server.base} has no {path}; the API stands under {better} ({server.url_variable} lacks /v1)"
        text = f"Write {server.url_variable}={better}."
        return unavailable(server, answer, title, "base-url", text=text)
    title = f"{server.base}{path} is not there ({answer.status})"
    text = (
        f"Correct {server.url_variable}: it is the address before {path}, which ends in /v1 at most servers "
        f"(https://HOST/v1), and the server has to know {server.model}."
    )
    return unavailable(server, answer, title, "base-url", text=text)


def _length(server: ModelServer, answer: Answer, wanted: int | None) -> Finding:
    body = answer.json()
    data = body.get("data") if isinstance(body, dict) else None
    first = data[0].get("embedding") if isinstance(data, list) and data and isinstance(data[0], dict) else None
    if not isinstance(first, list):
        title = f"{server.base}/embeddings answers without a vector"
        return unavailable(server, answer, title, "no-api")
    if wanted is None or len(first) == wanted:
        return ok(EMBEDDINGS, f"{server.host} embeds", model=server.model, length=len(first))
    title = f"{server.model} makes vectors of {len(first)}, and OPENAI_EMBEDDING_DIMENSIONS is {wanted}"
    evidence: Facts = {"model": server.model, "length": len(first), "embedding_length": wanted, "kind": "model"}
    text = (
        f"The server ignores `dimensions`: set OPENAI_EMBEDDING_DIMENSIONS={len(first)} and index again, or take a "
        "model that obeys."
    )
    return fault("vector.dim-mismatch", EMBEDDINGS, title, evidence, ("salambot seed --full",), text=text)


def _by_openai(environment: Environment) -> bool:
    return environment.placement("llm") == "openai"


def embeds_by_openai(environment: Environment) -> bool:
    """Return whether texts are embedded by a server with OpenAI's protocol."""
    return environment.value("EMBEDDER") == "openai"


PROBES = (
    Probe(
        CHECK,
        "llm",
        "Language model: key, quota and one token",
        check_model,
        ("openai.quota", "openai.bad-key", "openai.unavailable"),
        (),
        _by_openai,
        seconds=25,
        parts=("llm",),
        reads=("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL"),
        after=("host.clock", "net.path"),
    ),
    Probe(
        EMBEDDINGS,
        "llm",
        "Embeddings: one word",
        check_embeddings,
        ("openai.quota", "openai.bad-key", "openai.unavailable", "vector.dim-mismatch"),
        (),
        embeds_by_openai,
        seconds=25,
        parts=("vector",),
        reads=(
            "OPENAI_EMBEDDING_API_KEY",
            "OPENAI_EMBEDDING_BASE_URL",
            "OPENAI_EMBEDDING_MODEL",
            "OPENAI_EMBEDDING_DIMENSIONS",
            "OPENAI_API_KEY",
            "OPENAI_BASE_URL",
        ),
        after=("host.clock", "net.path"),
    ),
)
