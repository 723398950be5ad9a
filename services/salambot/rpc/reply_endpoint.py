"""Internal endpoints that return a reply: whole, or streamed as NDJSON on request."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing
from typing import Generic, Protocol, TypeVar

from fastapi import Request
from pydantic import ValidationError
from starlette.responses import Response, StreamingResponse

from salambot.core.problems import Problem, crashed, invalid
from salambot.core.schemas import Message, Reply, ReplyCompleted, ReplyDelta, ReplyFailed
from salambot.rpc.server import Endpoint
from salambot.rpc.service_client import NDJSON

Event = ReplyDelta | ReplyCompleted | ReplyFailed
_UNWATCHED_SECONDS = 0.05
_Result = TypeVar("_Result")
_Asked = TypeVar("_Asked", bound=Message)
_Asks_contra = TypeVar("_Asks_contra", bound=Message, contravariant=True)


class ReplyProvider(Protocol[_Asks_contra]):
    """A source of replies, whole or streamed; both raise Problem."""

    async def reply(self, request: _Asks_contra, /) -> Reply:
        """Return the whole reply."""
        ...

    def stream(self, request: _Asks_contra, /) -> AsyncGenerator[Event, None]:
        """Yield deltas, then one ReplyCompleted or ReplyFailed. Closing the iterator cancels the work."""
        ...


class ReplyEndpoint(Generic[_Asked]):
    """The internal endpoint of a provider: its request as JSON in, a reply or its pieces as JSON out."""

    def __init__(self, shape: type[_Asked], source: ReplyProvider[_Asked]) -> None:
        self.request_type = shape
        self._source = source

    def _read(self, body: bytes) -> _Asked:
        try:
            return self.request_type.model_validate_json(body)
        except ValidationError as error:
            raise invalid(error) from None

    async def call(self, body: bytes, /) -> bytes:
        """Return the whole reply; raises Problem."""
        return (await self.reply(self._read(body))).model_dump_json().encode()

    async def reply(self, asked: _Asked, /) -> Reply:
        """Return the reply as an object, for a caller in this process; raises Problem."""
        return await self._source.reply(asked)

    async def stream(self, body: bytes, /) -> AsyncGenerator[bytes, None]:
        """Yield the events, one per line; a failure before the first is raised as a Problem."""
        begun = False
        try:
            async with aclosing(self._source.stream(self._read(body))) as events:
                async for event in events:
                    begun = True
                    yield b"%b\n" % event.model_dump_json().encode()
        except Problem as problem:
            if not begun:
                raise
            yield _told(problem)
        except Exception as error:
            if not begun:
                raise
            yield _told(crashed(error))


def _told(problem: Problem) -> bytes:
    return b"%b\n" % ReplyFailed(problem=problem.document()).model_dump_json().encode()


async def http_response(request: Request, exchange: Endpoint) -> Response:
    """Answer an HTTP request; cancel the work if the caller disconnects. Raises Problem."""
    body = await request.body()
    if request.headers.get("accept") == NDJSON:
        lines = exchange.stream(body)
        first = await _while_connected(request, anext(lines))
        return _left() if first is None else StreamingResponse(_after(first, lines), media_type=NDJSON)
    whole = await _while_connected(request, exchange.call(body))
    return _left() if whole is None else Response(whole, media_type="application/json")


async def _after(first: bytes, lines: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    yield first
    async with aclosing(lines) as rest:
        async for line in rest:
            yield line


async def _while_connected(request: Request, work: Awaitable[_Result]) -> _Result | None:
    """Await `work`; cancel it and return None if the caller disconnects first.

    Most work finishes before watching the connection pays off, so that starts a moment later.
    """
    loop, ours = asyncio.get_running_loop(), asyncio.current_task()
    watching: list[asyncio.Task[None]] = []
    left = False

    async def watch() -> None:
        nonlocal left
        await request.receive()
        left = True
        if ours is not None:
            ours.cancel()

    begin = loop.call_later(_UNWATCHED_SECONDS, lambda: watching.append(loop.create_task(watch())))
    try:
        return await work
    except asyncio.CancelledError:
        if not left or ours is None or ours.uncancel():
            raise
        return None
    finally:
        begin.cancel()
        for task in watching:
            task.cancel()


def _left() -> Response:
    """The caller is gone: 499 is nginx's "client closed request"."""
    return Response(status_code=499)
