"""The APIs of the vector databases: what their descriptions, requests and refusals hold."""

import re
from dataclasses import dataclass

from salambot_cli.doctor.connection_findings import http_failure
from salambot_cli.doctor.http_service import not_json, web_page
from salambot_cli.doctor.probe import fault
from salambot_cli.host.probe_http import Answer, host_and_port
from salambot_cli.model.finding import Facts, Finding

_SCRATCH = "salambot-doctor"
_POINT = "6f1c0f3c-0c5e-5f43-9c3b-000000000000"
_LIMIT = re.compile(r"limit|quota|exceeded|upgrade your plan|too many", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Index:
    """An index or a collection as its database describes it."""

    name: str
    dimension: int | None = None
    region: str | None = None
    metric: str | None = None
    host: str | None = None
    """Of Pinecone's data plane, which is another host than the one that describes indexes."""
    trouble: str | None = None
    """Why it cannot be searched or written now, in the database's words."""
    named: tuple[str, ...] = ()
    """Qdrant's named vectors: the services write one vector without a name."""


@dataclass(frozen=True, slots=True)
class VectorCall:
    """One request that the services make too."""

    doing: str
    path: str
    body: dict[str, object]
    method: str = "POST"


def pinecone_steps(tenant: str, length: int) -> tuple[VectorCall, ...]:
    """Search as rag does; write to a namespace of the doctor's own, and delete that."""
    vector = _unit(length)
    item = {"id": _SCRATCH, "values": vector}
    return (
        VectorCall("search", "/query", {"vector": vector, "topK": 1, "namespace": tenant}),
        VectorCall("write", "/vectors/upsert", {"vectors": [item], "namespace": _SCRATCH}),
        VectorCall("delete", "/vectors/delete", {"ids": [_SCRATCH], "namespace": _SCRATCH}),
    )


def qdrant_steps(collection: str, tenant: str, length: int) -> tuple[VectorCall, ...]:
    """Search as rag does; write a point of no tenant, and delete it."""
    base, vector = f"/collections/{collection}/points", _unit(length)
    mine = {"must": [{"key": "tenant", "match": {"value": tenant}}]}
    point = {"id": _POINT, "vector": vector, "payload": {"tenant": _SCRATCH}}
    return (
        VectorCall("search", f"{base}/query", {"query": vector, "filter": mine, "limit": 1}),
        VectorCall("write", f"{base}?wait=true", {"points": [point]}, "PUT"),
        VectorCall("delete", f"{base}/delete?wait=true", {"points": [_POINT]}),
    )


def _unit(length: int) -> list[float]:
    return [1.0] + [0.0] * (length - 1)


def pinecone_indexes(body: object) -> list[Index]:
    """Read a list of indexes."""
    items = body.get("indexes") if isinstance(body, dict) else None
    return [
        _pinecone_index(item)
        for item in (items if isinstance(items, list) else [])
        if isinstance(item, dict) and isinstance(item.get("name"), str)
    ]


def _pinecone_index(item: dict[str, object]) -> Index:
    # The members moved between versions of the API: look for them wherever they stand.
    length, status = _find(item, "dimension"), item.get("status")
    state = status if isinstance(status, dict) else {}
    return Index(
        name=str(item["name"]),
        dimension=length if isinstance(length, int) else None,
        region=_text(_find(item, "region")),
        metric=_text(_find(item, "metric")),
        host=_text(item.get("host")),
        trouble=str(state.get("state") or "not ready") if state.get("ready") is False else None,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _find(value: object, name: str) -> object:
    if not isinstance(value, dict):
        return None
    return value[name] if name in value else next((v for v in (_find(x, name) for x in value.values()) if v), None)


def qdrant_collections(body: object) -> list[str]:
    """Read the names of the collections."""
    result = body.get("result") if isinstance(body, dict) else None
    listed = result.get("collections") if isinstance(result, dict) else None
    return [str(c.get("name")) for c in listed if isinstance(c, dict)] if isinstance(listed, list) else []


def qdrant_index(name: str, body: object) -> Index:
    """Read the description of a collection."""
    result = body.get("result") if isinstance(body, dict) else None
    about = result if isinstance(result, dict) else {}
    vectors = about
    for key in ("config", "params", "vectors"):
        inner = vectors.get(key) if isinstance(vectors, dict) else None
        vectors = inner if isinstance(inner, dict) else {}
    size = vectors.get("size")
    named = () if isinstance(size, int) else tuple(k for k, v in vectors.items() if isinstance(v, dict) and "size" in v)
    optimizer, status = about.get("optimizer_status"), about.get("status")
    error = optimizer.get("error") if isinstance(optimizer, dict) else None
    trouble = f"{status}: {error}" if error else "red" if status == "red" else None
    return Index(
        name=name,
        dimension=size if isinstance(size, int) else None,
        metric=_text(vectors.get("distance")),
        trouble=trouble,
        named=named,
    )


def refused(
    check: str, answer: Answer, base: str, where: str, key_variable: str, key: str, *, doing: str | None = None
) -> Finding | None:
    """Name why the database does not do what it is asked; None where it does."""
    failed = http_failure(check, answer, where)
    if failed is not None:
        return failed
    host = host_and_port(base)[0]
    evidence: Facts = {"host": host, "status": answer.status, "says": answer.text[:200], "doing": doing}
    to = f" to {doing}" if doing else ""
    if answer.status in {401, 403} and not _LIMIT.search(answer.text) and web_page(answer) is None:
        return _bad_key(check, answer, key_variable, key, evidence, to)
    if answer.status == 404 and doing == "delete":
        return None  # a namespace that never held anything
    if answer.status == 200:
        what = not_json(answer) if doing is None else web_page(answer)
        if what is None:
            return None
        title = f"{host} answers with {what}, and not as the vector database ({where})"
        text = f"Correct {where}: something else answers there, or a portal asks for a sign-in first."
        return fault("vector.unavailable", check, title, {**evidence, "variable": where, "kind": "no-api"}, text=text)
    return _unavailable(check, answer, where, evidence, to)


def _bad_key(check: str, answer: Answer, variable: str, key: str, evidence: Facts, to: str) -> Finding:
    if not key:
        title = f"The vector database asks for a key, and {variable} is not set ({answer.status})"
        text = f"Make a key in the provider's console and store it as {variable} where the environment reads it."
        return fault("vector.bad-key", check, title, {**evidence, "variable": variable, "kind": "no-key"}, text=text)
    title = f"The vector database refuses {variable}{to} ({answer.status})"
    text = f"Make a new key in the provider's console and store it as {variable} where the environment reads it."
    if to:
        text = f"The key may read alone, or is of another project: {text}"
    return fault("vector.bad-key", check, title, {**evidence, "variable": variable}, text=text)


def _unavailable(check: str, answer: Answer, where: str, evidence: Facts, to: str) -> Finding:
    says = answer.text[:160].strip() if web_page(answer) is None else web_page(answer)
    if answer.status == 429 or _LIMIT.search(answer.text):
        title = f"The vector database limits what it is asked{to} ({answer.status}): {says}"
        text = (
            "A limit of the plan or of the month is used up, or too much is asked at once: wait for the next period, "
            "raise the plan, or send less."
        )
        return fault("vector.unavailable", check, title, {**evidence, "kind": "limit"}, text=text)
    if not answer.status:
        how = f"nothing ({answer.contact.reach})" if answer.contact else "nothing"
        return fault("vector.unavailable", check, f"The vector database answers {how}{to}", evidence)
    if answer.status == 404:
        title = f"What answers at {evidence['host']} has no such path{to} (404): {says}"
        text = f"Correct {where}: the address of the server alone is enough, without a path."
        return fault("vector.unavailable", check, title, {**evidence, "variable": where, "kind": "path"}, text=text)
    return fault("vector.unavailable", check, f"The vector database answers {answer.status}{to}: {says}", evidence)
