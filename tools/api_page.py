"""`docs/reference/api.md`: every operation and shape of the public API, from the gateway's OpenAPI document."""

import re
from collections.abc import Iterator
from typing import Any

from salambot.gateway.app import create_app
from salambot.gateway.settings import GatewaySettings

_LIMITS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "maxItems": "at most {} of them",
    "pattern": "matching `{}`",
}


def document() -> dict[str, Any]:
    """Return the OpenAPI document, which depends on no setting."""
    return create_app(
        GatewaySettings.model_validate({"internal_token": "-", "redis_url": "redis://localhost"})
    ).openapi()


def api() -> str:
    """Return the page."""
    found = document()
    head = (
        "# API, member by member\n\nMade from the OpenAPI document that a running gateway serves at `/openapi.json`,"
        " with pages to try it at `/docs`, both to this machine only. [The contract](../api/reference.md) says what it"
        " all means, and describes the webhooks.\n"
    )
    operations = (
        part
        for path, methods in found["paths"].items()
        for method, one in methods.items()
        for part in _operation(f"{method.upper()} {path}", one)
    )
    shapes = (part for name, schema in sorted(found["components"]["schemas"].items()) for part in _shape(name, schema))
    return head + "".join(operations) + "\n## Shapes\n" + "".join(shapes)


def _operation(name: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"\n## {name}\n\n{operation['description']}\n"
    body = operation.get("requestBody", {}).get("content", {})
    if operation.get("security"):
        yield "\nNeeds `Authorization: Bearer TOKEN`.\n"
    if body:
        yield "\nBody: " + ", ".join(f"{_kind(one['schema'])} as `{media}`" for media, one in body.items()) + ".\n"
    if parameters := operation.get("parameters"):
        yield "\n| header | |\n|---|---|\n"
        yield from (f"| `{one['name']}` | {one['description']}{_limits(one['schema'])} |\n" for one in parameters)
    yield "\n| status | answer |\n|---|---|\n"
    for status, answer in sorted(operation["responses"].items()):
        shapes = [_kind(one["schema"]) for one in answer.get("content", {}).values() if "$ref" in one["schema"]]
        streams = ["events"] if "text/event-stream" in answer.get("content", {}) else []
        said = answer["description"].replace("Successful Response", "Done")
        yield f"| {status} | {': '.join([said, *filter(None, [', or '.join(shapes + streams)])])} |\n"


def _shape(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"\n### {name}\n\n{schema.get('description', 'An error (RFC 9457).')}\n"
    yield "\n| member | value | needed |\n|---|---|---|\n"
    for member, one in schema["properties"].items():
        needed = "yes" if member in schema.get("required", ()) else ""
        yield f"| `{member}` | {_kind(one)}{_limits(one)} | {needed} |\n"


def _kind(schema: dict[str, Any]) -> str:
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if options := schema.get("anyOf"):
        return " or ".join("null" if one.get("type") == "null" else _kind(one) + _limits(one) for one in options)
    if values := schema.get("enum"):
        return ", ".join(f"`{value}`" for value in values)
    if schema.get("type") == "array":
        return f"a list of {_kind(schema['items'])}"
    plain = {"string": "text", "integer": "a whole number", "number": "a number", "object": "a table of texts"}
    return (
        "a time with its offset"
        if schema.get("format") == "date-time"
        else plain.get(schema.get("type", ""), "a value")
    )


def _limits(schema: dict[str, Any]) -> str:
    told = [said.format(schema[name]) for name, said in _LIMITS.items() if name in schema]
    default = schema.get("default")
    told += [f"`{default}` by default"] if default not in (None, [], {}) and "$ref" not in schema else []
    return re.sub(r"\|", r"\\|", "".join(f"; {one}" for one in told))
