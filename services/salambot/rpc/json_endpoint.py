"""Internal endpoints with one answer: a shape as JSON in, one line of JSON out."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, TypeVar

from pydantic import ValidationError

from salambot.core.database import DatabaseUnavailableError, database_problem
from salambot.core.problems import invalid
from salambot.core.schemas import Message

_Asked = TypeVar("_Asked", bound=Message)


class JsonEndpoint(Generic[_Asked]):
    """The internal endpoint of a function from a shape to JSON."""

    def __init__(self, shape: type[_Asked], answer: Callable[[_Asked], Awaitable[bytes]]) -> None:
        self._shape = shape
        self._answer = answer

    async def call(self, body: bytes, /) -> bytes:
        """Return the answer; raises Problem."""
        try:
            return await self._answer(self._shape.model_validate_json(body))
        except ValidationError as error:
            raise invalid(error) from error
        except DatabaseUnavailableError as error:
            raise database_problem() from error

    async def stream(self, body: bytes, /) -> AsyncGenerator[bytes, None]:
        """Yield the one line."""
        yield b"%b\n" % await self.call(body)
