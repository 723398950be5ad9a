"""A server that speaks Pinecone's protocol (2026-07) and fails on demand: `python -m tests.fakes.pinecone_server`.

Control plane and data plane of one serverless index, with the limits of the service, which its client does not enforce:
1,000 vectors and 2 MB an upsert, ASCII ids, the index's dimension. Faults: `POST /faults {"once": ["error_500"]}`.
"""

import argparse
import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from aiohttp import web

Fault = Literal["slow", "rate_limit", "error_500", "unavailable"]
Json = dict[str, object]
Vectors = dict[str, Json]
Handler = Callable[[web.Request, Json], Awaitable[web.StreamResponse]]
BAD_KEY = "pcsk_bad"
MAX_VECTORS = 1000
MAX_UPSERT_BYTES = 2 * 1024 * 1024
MAX_TOP_K = 10_000
MAX_DELETE_IDS = 1000
DEFAULT_NAMESPACE = "__default__"
_STATUSES = {"rate_limit": 429, "error_500": 500, "unavailable": 503}
_CODES = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 409: "ALREADY_EXISTS", 429: "RESOURCE_EXHAUSTED"}


class Refused(Exception):  # noqa: N818 - an answer of the service, not a mistake here
    """The service says no: an HTTP status and a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass
class PineconeServer:
    """What the index holds, what the server was asked, and how it fails."""

    index: str = "salambot-kb"
    dimension: int = 1024
    region: str = "eu-west-1"
    metric: str = "cosine"
    once: deque[Fault] = field(default_factory=deque)
    always: Fault | None = None
    requests: list[str] = field(default_factory=list)
    namespaces: dict[str, Vectors] = field(default_factory=dict)
    behind: int = 0
    """How many requests a write takes until queries see it: the service is eventually consistent."""
    unseen: dict[str, int] = field(default_factory=dict)
    """Of each new id, the number of the request from which on it is seen."""

    def script(self, *faults: Fault) -> None:
        """Let the next requests fail, one fault each."""
        self.once.extend(faults)

    def app(self) -> web.Application:
        """Build the application."""
        app = web.Application(client_max_size=16 * 1024 * 1024)
        routes: list[tuple[str, str, Handler]] = [
            ("GET", "/indexes", self._list_indexes),
            ("POST", "/indexes", self._create_index),
            ("GET", "/indexes/{name}", self._describe_index),
            ("POST", "/vectors/upsert", self._upsert),
            ("POST", "/query", self._query),
            ("POST", "/vectors/delete", self._delete),
            ("GET", "/vectors/list", self._list_vectors),
            ("GET", "/vectors/fetch", self._fetch),
            ("POST", "/describe_index_stats", self._stats),
            ("GET", "/namespaces", self._list_namespaces),
            ("DELETE", "/namespaces/{namespace}", self._delete_namespace),
        ]
        for method, path, handler in routes:
            app.router.add_route(method, path, self._guarded(handler))
        app.router.add_post("/faults", self._set_faults)
        return app

    async def _set_faults(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        self.once = deque(wanted.get("once", []))
        self.always = wanted.get("always")
        return web.json_response({"once": list(self.once), "always": self.always})

    def _guarded(self, handle: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def guarded(request: web.Request) -> web.StreamResponse:
            self.requests.append(f"{request.method} {request.path}")
            try:
                await self._refuse(request)
                body: Json = await request.json() if request.can_read_body else {}
                return await handle(request, body)
            except Refused as refused:
                return _error(refused.status, refused.message)

        return guarded

    async def _refuse(self, request: web.Request) -> None:
        key = request.headers.get("Api-Key", "")
        if not key or key == BAD_KEY:
            raise Refused(401, "Invalid API Key")
        fault = self.once.popleft() if self.once else self.always
        if fault == "slow":
            await asyncio.Event().wait()
        if fault is not None:
            raise Refused(_STATUSES[fault], fault)

    def _model(self, request: web.Request) -> Json:
        return {
            "name": self.index,
            "host": f"http://{request.host}",
            "status": {"ready": True, "state": "Ready"},
            "schema": {
                "fields": {"_values": {"type": "dense_vector", "dimension": self.dimension, "metric": self.metric}}
            },
            "deployment": {"deployment_type": "managed", "cloud": "aws", "region": self.region},
            "deletion_protection": "disabled",
            "tags": None,
        }

    async def _list_indexes(self, request: web.Request, _: Json) -> web.Response:
        return web.json_response({"indexes": [self._model(request)]})

    async def _create_index(self, _: web.Request, body: Json) -> web.Response:
        if body.get("name") == self.index:
            raise Refused(409, "Resource already exists")
        raise Refused(403, "You've reached the max serverless indexes allowed in project")

    async def _describe_index(self, request: web.Request, _: Json) -> web.Response:
        if request.match_info["name"] != self.index:
            raise Refused(404, f"Resource {request.match_info['name']} not found")
        return web.json_response(self._model(request))

    async def _upsert(self, request: web.Request, body: Json) -> web.Response:
        vectors = _objects(body.get("vectors"))
        if len(vectors) > MAX_VECTORS:
            raise Refused(400, f"Vectors length {len(vectors)} exceeds max {MAX_VECTORS}")
        if (request.content_length or 0) > MAX_UPSERT_BYTES:
            raise Refused(413, "Request size exceeds the maximum of 2MB")
        for vector in vectors:
            self._check(vector)
        namespace = self.namespaces.setdefault(_namespace(body.get("namespace")), {})
        self.unseen |= {str(vector["id"]): len(self.requests) + self.behind for vector in vectors}
        namespace.update({str(vector["id"]): vector for vector in vectors})
        return web.json_response({"upsertedCount": len(vectors)})

    def _check(self, vector: Json) -> None:
        if not str(vector["id"]).isascii():
            raise Refused(400, "Vector ID must be ASCII")
        values = _floats(vector.get("values"))
        if len(values) != self.dimension:
            text = f"Vector dimension {len(values)} does not match the dimension of the index {self.dimension}"
            raise Refused(400, text)
        if not any(values):
            raise Refused(400, "Dense vectors must contain at least one non-zero value")

    async def _query(self, _: web.Request, body: Json) -> web.Response:
        vectors = self.namespaces.get(_namespace(body.get("namespace")), {})
        wanted = _floats(body.get("vector"))
        if len(wanted) != self.dimension:
            text = f"Vector dimension {len(wanted)} does not match the dimension of the index {self.dimension}"
            raise Refused(400, text)
        top_k = body.get("topK")
        if not isinstance(top_k, int) or not 1 <= top_k <= MAX_TOP_K:
            raise Refused(400, f"topK must be between 1 and {MAX_TOP_K}")
        seen = [vector for name, vector in vectors.items() if self.unseen[name] < len(self.requests)]
        found = [vector for vector in seen if _matches(vector.get("metadata"), body.get("filter"))]
        scored = sorted(((_cosine(wanted, _floats(v["values"])), v) for v in found), key=lambda pair: -pair[0])
        matches = [_match(vector, score, body) for score, vector in scored[:top_k]]
        namespace = body.get("namespace") or ""
        return web.json_response({"matches": matches, "namespace": namespace, "usage": {"readUnits": 1}})

    async def _delete(self, _: web.Request, body: Json) -> web.Response:
        namespace = _namespace(body.get("namespace"))
        vectors = self.namespaces.get(namespace)
        if vectors is None:
            raise Refused(404, "Namespace not found")
        ids = body.get("ids") or []
        if not isinstance(ids, list) or len(ids) > MAX_DELETE_IDS:
            raise Refused(400, f"at most {MAX_DELETE_IDS} ids")
        if body.get("deleteAll"):
            del self.namespaces[namespace]
        for name, vector in list(vectors.items()):
            if name in ids or (body.get("filter") and _matches(vector.get("metadata"), body["filter"])):
                del vectors[name]
        return web.json_response({})

    async def _list_vectors(self, request: web.Request, _: Json) -> web.Response:
        names = sorted(self.namespaces.get(_namespace(request.query.get("namespace")), {}))
        names = [name for name in names if name.startswith(request.query.get("prefix", ""))]
        start = int(request.query.get("paginationToken", "0"))
        end = start + int(request.query.get("limit", "100"))
        answer: Json = {
            "vectors": [{"id": name} for name in names[start:end]],
            "namespace": request.query.get("namespace", ""),
            "usage": {"readUnits": 1},
        }
        if end < len(names):
            answer["pagination"] = {"next": str(end)}
        return web.json_response(answer)

    async def _fetch(self, request: web.Request, _: Json) -> web.Response:
        vectors = self.namespaces.get(_namespace(request.query.get("namespace")), {})
        found = {name: vectors[name] for name in request.query.getall("ids", []) if name in vectors}
        return web.json_response({"vectors": found, "namespace": request.query.get("namespace", ""), "usage": {}})

    async def _stats(self, _: web.Request, __: Json) -> web.Response:
        counts = {name: {"vectorCount": len(vectors)} for name, vectors in self.namespaces.items()}
        return web.json_response(
            {
                "namespaces": counts,
                "dimension": self.dimension,
                "metric": self.metric,
                "vectorType": "dense",
                "indexFullness": 0.0,
                "totalVectorCount": sum(len(vectors) for vectors in self.namespaces.values()),
            }
        )

    async def _list_namespaces(self, _: web.Request, __: Json) -> web.Response:
        found = [{"name": name, "record_count": len(vectors)} for name, vectors in self.namespaces.items()]
        return web.json_response({"namespaces": found, "total_count": len(found)})

    async def _delete_namespace(self, request: web.Request, _: Json) -> web.Response:
        if self.namespaces.pop(_namespace(request.match_info["namespace"]), None) is None:
            raise Refused(404, "Namespace not found")
        return web.json_response({})


def _error(status: int, message: str) -> web.Response:
    if status == 401:
        return web.Response(text=message, status=status)
    body = {"error": {"code": _CODES.get(status, "UNKNOWN"), "message": message}, "status": status}
    return web.json_response(body, status=status, headers={"Retry-After": "0"} if status == 429 else None)


def _namespace(given: object) -> str:
    return str(given or DEFAULT_NAMESPACE)


def _objects(given: object) -> list[Json]:
    if not isinstance(given, list) or not given:
        raise Refused(400, "No vectors provided to upsert")
    return [vector for vector in given if isinstance(vector, dict)]


def _floats(given: object) -> list[float]:
    return [float(value) for value in given] if isinstance(given, list) else []


def _cosine(left: list[float], right: list[float]) -> float:
    norms = math.hypot(*left) * math.hypot(*right)
    return sum(a * b for a, b in zip(left, right, strict=True)) / norms if norms else 0.0


def _match(vector: Json, score: float, body: Json) -> Json:
    match: Json = {"id": vector["id"], "score": score, "values": []}
    if body.get("includeValues"):
        match["values"] = vector["values"]
    if body.get("includeMetadata"):
        match["metadata"] = vector.get("metadata") or {}
    return match


_OPERATORS: dict[str, Callable[[object, object], bool]] = {
    "$eq": lambda value, wanted: value == wanted or (isinstance(value, list) and wanted in value),
    "$ne": lambda value, wanted: value != wanted,
    "$in": lambda value, wanted: isinstance(wanted, list) and _any_of(value, wanted),
    "$nin": lambda value, wanted: isinstance(wanted, list) and not _any_of(value, wanted),
    "$exists": lambda value, wanted: (value is not None) is bool(wanted),
    "$gt": lambda value, wanted: _number(value) > _number(wanted),
    "$gte": lambda value, wanted: _number(value) >= _number(wanted),
    "$lt": lambda value, wanted: _number(value) < _number(wanted),
    "$lte": lambda value, wanted: _number(value) <= _number(wanted),
}


def _any_of(value: object, wanted: list[object]) -> bool:
    return any(each in wanted for each in (value if isinstance(value, list) else [value]))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _matches(metadata: object, wanted: object) -> bool:
    if not isinstance(wanted, dict):
        return True
    facts = metadata if isinstance(metadata, dict) else {}
    return all(_condition(facts, name, condition) for name, condition in wanted.items())


def _condition(facts: Json, name: str, condition: object) -> bool:
    if name in {"$and", "$or"} and isinstance(condition, list):
        return (all if name == "$and" else any)(_matches(facts, each) for each in condition)
    if not isinstance(condition, dict):
        return _OPERATORS["$eq"](facts.get(name), condition)
    for operator, operand in condition.items():
        if operator not in _OPERATORS:
            raise Refused(400, f"illegal condition for field {name}, got {operator}")
        if not _OPERATORS[operator](facts.get(name), operand):
            return False
    return True


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--index", default="salambot-kb")
    parser.add_argument("--dimension", type=int, default=1024)
    parser.add_argument("--always", choices=get_args(Fault), help="every request fails so")
    arguments = parser.parse_args()
    server = PineconeServer(index=arguments.index, dimension=arguments.dimension, always=arguments.always)
    web.run_app(server.app(), host=arguments.host, port=arguments.port, handler_cancellation=True)


if __name__ == "__main__":
    main()
