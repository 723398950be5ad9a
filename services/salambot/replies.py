"""Internal endpoints that answer with a reply: whole, or in pieces (NDJSON) when asked so."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing
from typing import Protocol, TypeVar

from fastapi import Request
from pydantic import ValidationError
from starlette.responses import Response, StreamingResponse

from salambot.hops import NDJSON
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


async def answer(request: Request, shape: type[_Asked], source: ReplySource[_Asked]) -> Response:
    """Answer an HTTP request from `source`; work stops when the caller leaves. Raises Problem."""
    try:
        asked = shape.model_validate_json(await request.body())
    except ValidationError as error:
        raise invalid(error) from None
    if request.headers.get("accept") == NDJSON:
        return await _answer_in_pieces(request, source.stream(asked))
    reply = await _while_connected(request, source.reply(asked))
    return _left() if reply is None else Response(reply.model_dump_json(), media_type="application/json")


async def _answer_in_pieces(request: Request, events: AsyncGenerator[Event, None]) -> Response:
    """Wait for the first piece: what fails before it is an ordinary problem with its status."""
    first = await _while_connected(request, anext(events))
    return _left() if first is None else StreamingResponse(_lines(first, events), media_type=NDJSON)


async def _lines(first: Event, events: AsyncGenerator[Event, None]) -> AsyncIterator[str]:
    yield f"{first.model_dump_json()}\n"
    try:
        async with aclosing(events) as rest:
            async for event in rest:
                yield f"{event.model_dump_json()}\n"
    except Problem as problem:
        yield f"{Failed(problem=problem.document()).model_dump_json()}\n"
    except Exception as error:  # noqa: BLE001 - the status is sent already: recorded, and told as the last event
        yield f"{Failed(problem=crashed(error).document()).model_dump_json()}\n"


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
