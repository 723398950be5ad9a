"""The OpenAPI document of the public API: the endpoints read their bodies themselves, so their shapes are told here."""

from typing import Any, TypedDict

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from salambot.core.problems import MEDIA_TYPE
from salambot.core.schemas import GenerateRequest, SearchRequest

Schema = dict[str, Any]  # any: JSON

_SCHEMAS = "#/components/schemas/{model}"
_REFUSALS = {
    400: "The body is not JSON",
    401: "No valid token",
    403: "The token does not cover this tenant or operation",
    413: "The body is too large",
    415: "The body is not application/json",
    422: "The body does not have the shape of the API",
    502: "A service behind the gateway failed",
    503: "A service behind the gateway is not there",
    504: "A service behind the gateway took too long",
}
_GENERATE_REFUSALS = {409: "The first request with this Idempotency-Key is still running", 429: "Too many requests"}


class Operation(TypedDict):
    """Keyword arguments of a path operation."""

    responses: dict[int | str, dict[str, Any]]
    openapi_extra: Schema


def operation(given: type[BaseModel], answer: type[BaseModel], *, streams: bool) -> Operation:
    """Describe an operation: the shapes of its body and answer, its refusals, whether it can stream."""
    refusals = {**_REFUSALS, **(_GENERATE_REFUSALS if streams else {})}
    responses: dict[int | str, dict[str, Any]] = {200: {"model": answer}}
    if streams:
        responses[200]["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    responses.update({status: {"description": text, "content": problem} for status, text in refusals.items()})
    body = {"schema": {"$ref": _SCHEMAS.format(model=given.__name__)}}
    return {
        "responses": responses,
        "openapi_extra": {
            "requestBody": {"required": True, "content": {"application/json": body}},
            "security": [{"bearer": []}],
            "parameters": _parameters(idempotent=streams),
        },
    }


def _parameters(*, idempotent: bool) -> list[Schema]:
    names = {"X-SalamBot-Tenant": "Must agree with the token and the body", "X-Correlation-ID": "Comes back as given"}
    shapes: dict[str, Schema] = {name: {"type": "string"} for name in names}
    if idempotent:
        names["Idempotency-Key"] = "The answer to the first request with this key is given again for 24 h"
        shapes["Idempotency-Key"] = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,128}$"}
    return [
        {"name": name, "in": "header", "required": False, "description": text, "schema": shapes[name]}
        for name, text in names.items()
    ]


def _problem_schema() -> Schema:
    text = {"type": "string"}
    member = {"type": "object", "properties": {"pointer": text, "detail": text}, "required": ["pointer", "detail"]}
    names = ("type", "title", "detail", "instance", "code", "trace_id", "correlation_id")
    properties = {
        **dict.fromkeys(names, text),
        "status": {"type": "integer"},
        "errors": {"type": "array", "items": member},
    }
    return {"type": "object", "properties": properties, "required": sorted(properties)}


def describe(app: FastAPI) -> None:
    """Give `app` its document: what FastAPI finds, the bodies, the problem, how to authenticate."""

    def document() -> Schema:
        if app.openapi_schema is None:
            found = get_openapi(title=app.title, version=app.version, routes=app.routes)
            _, bodies = models_json_schema(
                [(GenerateRequest, "validation"), (SearchRequest, "validation")], ref_template=_SCHEMAS
            )
            components = found.setdefault("components", {})
            components.setdefault("schemas", {}).update(bodies["$defs"], Problem=_problem_schema())
            components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign] # FastAPI documents this way to extend it
