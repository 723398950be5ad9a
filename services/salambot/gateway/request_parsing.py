"""Request parsing: JSON only, schema validation, one correlation id."""

from typing import TypeVar

from pydantic import ValidationError
from starlette.requests import Request

from salambot.core import tracing
from salambot.core.problems import Problem, invalid
from salambot.core.schemas import Message

_Shape = TypeVar("_Shape", bound=Message)


def require_json(request: Request) -> None:
    """Raise Problem 415 unless the body says that it is JSON (in UTF-8, which is the only way to write JSON)."""
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if kind.strip().lower() != "application/json" or charset not in {"", "utf-8"}:
        raise Problem(415, "unsupported_media_type", "The body has to be application/json.")
    if request.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise Problem(415, "unsupported_encoding", "The body must not be compressed.")


def parse_body(shape: type[_Shape], body: bytes) -> _Shape:
    """Read a body; raises Problem 400 or 422."""
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error) from error


def adopt_correlation_id(request: Request, named: str | None) -> None:
    """Take the body's correlation id when the header names none."""
    if named is not None and tracing.read_correlation(request.headers.get(tracing.CORRELATION_HEADER)) is None:
        tracing.correlate(named)
