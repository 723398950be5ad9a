"""One shape for every error that leaves a service: RFC 9457 problem+json, which never echoes what was submitted."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from uuid import UUID

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from salambot.core import tracing
from salambot.core.schemas import Message

MEDIA_TYPE = "application/problem+json"
Member = Mapping[str, str]
"""One item of `errors`: `pointer` (a JSON pointer as a URI fragment, RFC 6901) and `detail`."""

_CODES = {400: "bad_request", 401: "unauthorized", 413: "body_too_large", 415: "unsupported_media_type"}
_HIDDEN = frozenset({"union_tag_invalid", "json_invalid"})
_log = structlog.get_logger(__name__)


class Problem(HTTPException):
    """An error as the caller will see it. `code` is stable and can be grepped in the API reference."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        title: str | None = None,
        headers: Mapping[str, str] | None = None,
        errors: Iterable[Member] = (),
    ) -> None:
        super().__init__(status, detail, headers)
        self.status = status
        self.code = code
        self.title = title or HTTPStatus(status).phrase
        self.errors = tuple(errors)

    def document(self) -> dict[str, object]:
        """Return the members of the problem, with the ids of the request under way."""
        trace_id = tracing.trace_id()
        return {
            "type": f"urn:salambot:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": f"urn:uuid:{UUID(trace_id)}",
            "code": self.code,
            "trace_id": trace_id,
            "correlation_id": tracing.correlation_id(),
            "errors": list(self.errors),
        }

    def response(self) -> Response:
        """Return the problem as an HTTP response."""
        return Response(orjson.dumps(self.document()), self.status, dict(self.headers or {}), MEDIA_TYPE)


@cache
def _field_names() -> frozenset[str]:
    """Names of all declared members: any other name in a location was chosen by the caller."""
    shapes: list[type[Message]] = [Message]
    for shape in shapes:
        shapes.extend(shape.__subclasses__())
    return frozenset(name for shape in shapes for name in shape.model_fields)


def _pointer(location: Sequence[int | str], *, skip: int) -> str:
    parts: list[str] = []
    for part in location[skip:]:
        if isinstance(part, str) and part not in _field_names():
            break
        parts.append(str(part))
    return "#" + "".join(f"/{part}" for part in parts)


def invalid(error: ValidationError | RequestValidationError) -> Problem:
    """Translate pydantic's errors: 400 when it is no JSON at all, else 422 with a pointer for each."""
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return Problem(400, "bad_json", "The body is not valid JSON.")
    skip = 1 if isinstance(error, RequestValidationError) else 0
    errors = [
        {
            "pointer": _pointer(item["loc"], skip=skip),
            "detail": "The value is not acceptable." if item["type"] in _HIDDEN else item["msg"],
        }
        for item in found[:20]
    ]
    return Problem(422, "invalid_request", "The request does not have the shape of the API.", errors=errors)


async def _answer_problem(_: Request, error: Exception) -> Response:
    if isinstance(error, Problem):
        return error.response()
    if isinstance(error, RequestValidationError | ValidationError):
        return invalid(error).response()
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    code = _CODES.get(status, status.phrase.lower().replace(" ", "_").replace("-", "_"))
    return Problem(status, code, f"{status.phrase}.", headers=error.headers).response()


def crashed(error: Exception) -> Problem:
    """Record an error that nobody expected, without its text (it may quote a customer), and return the 500 for it."""
    _log.error("unhandled error", exc_info=error)
    return Problem(500, "internal_error", "The service failed. The trace id finds the record of it.")


def install(app: FastAPI) -> None:
    """Answer every error of `app` as a problem."""
    for kind in (Problem, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _answer_problem)
