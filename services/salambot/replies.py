"""Internal endpoints that answer with a reply: whole, or in pieces (NDJSON) when asked so."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing
from typing import Generic, Protocol, TypeVar

from fastapi import Request
from pydantic import ValidationError
from starlette.responses import Response, StreamingResponse

from salambot.hops import NDJSON
from salambot.lane.server import Exchange
from salambot.messages import Completed, Delta, Failed, Message, Reply
from salambot.problems import Problem, crashed, invalid

Event = Delta | Completed | Failed
_UNWATCHED_S = 0.05
_Result = TypeVar("_Result")
_Asked = TypeVar("_Asked", bound=Message)
_Asks_contra = TypeVar("_Asks_contra", bound=Message, contravariant=True)


class ReplySource(Protocol[_Asks_contra]):
    """What can reply to a request, whole or in pieces; both raise Problem."""

    async def reply(self, request: _Asks_contra, /) -> Reply:
        """Return the whole reply."""
        ...

    def stream(self, request: _Asks_contra, /) -> AsyncGenerator[Event, None]:
        """Yield deltas, then one Completed or Failed. Closing the iterator cancels the work."""
        ...


class Replies(Generic[_Asked]):
    """The internal endpoint that a source makes: JSON of its request in, JSON of a reply or of its pieces out."""

    def __init__(self, shape: type[_Asked], source: ReplySource[_Asked]) -> None:
        self.shape = shape
        self._source = source

    def _read(self, body: bytes) -> _Asked:
        try:
            return self.shape.model_validate_json(body)
        except ValidationError as error:
            raise invalid(error) from None

    async def whole(self, body: bytes, /) -> bytes:
        """Return the whole reply; raises Problem."""
        return (await self.reply(self._read(body))).model_dump_json().encode()

    async def reply(self, asked: _Asked, /) -> Reply:
        """Return it to a neighbour, who needs no JSON; raises Problem."""
        return await self._source.reply(asked)

    async def pieces(self, body: bytes, /) -> AsyncGenerator[bytes, None]:
        """Yield the events, one a line; what fails before the first is raised as a Problem."""
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
    return b"%b\n" % Failed(problem=problem.document()).model_dump_json().encode()


async def answer(request: Request, exchange: Exchange) -> Response:
    """Answer an HTTP request; work stops when the caller leaves. Raises Problem."""
    body = await request.body()
    if request.headers.get("accept") == NDJSON:
        lines = exchange.pieces(body)
        first = await _while_connected(request, anext(lines))
        return _left() if first is None else StreamingResponse(_after(first, lines), media_type=NDJSON)
    whole = await _while_connected(request, exchange.whole(body))
    return _left() if whole is None else Response(whole, media_type="application/json")


async def _after(first: bytes, lines: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    yield first
    async with aclosing(lines) as rest:
        async for line in rest:
            yield line


async def _while_connected(request: Request, work: Awaitable[_Result]) -> _Result | None:
    """Await `work`, or cancel it and return None when the caller closes its connection first.

    Most work is done before it is worth to watch the connection: that begins a moment later.
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

    begin = loop.call_later(_UNWATCHED_S, lambda: watching.append(loop.create_task(watch())))
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
    """Nobody reads this: 499 is nginx's "client closed request"."""
    return Response(status_code=499)
